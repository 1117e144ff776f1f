//! Connections that are malformed, slow or cut: bytes on a socket, with no HTTP client in between.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::PATIENCE;

/// A plain socket. Faults of the connection are errors, since tests here expect them.
#[derive(Debug)]
pub struct RawSocket {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Sends `bytes` to `HOST:PORT`, then gives everything the server says until it closes.
///
/// What came before a reset is returned too; a server that keeps the connection open for longer than
/// `PATIENCE` fails the test.
pub async fn raw_socket(addr: &str, bytes: &[u8]) -> Vec<u8> {
    let mut socket = RawSocket::open(addr).await;
    // The server may refuse before it has read everything.
    let _ = socket.write(bytes).await;
    let closed = socket.read_to_close(PATIENCE).await;
    assert!(closed, "{addr} still open, said {}", String::from_utf8_lossy(socket.received()));
    socket.received
}

/// Sends `bytes` to `HOST:PORT` and resets the connection.
///
/// With `until`, waits first for the server to have said that text.
pub async fn abort(addr: &str, bytes: &[u8], until: Option<&str>) {
    let mut socket = RawSocket::open(addr).await;
    socket.write(bytes).await.unwrap_or_else(|e| panic!("write to {addr}: {e}"));
    if let Some(text) = until {
        assert!(socket.read_until(text, PATIENCE).await, "{addr} never said {text:?}");
    }
    socket.reset();
}

/// An HTTP/1.1 request as bytes; `headers` are lines without their line ends. A content length is
/// added for a body unless one is among them.
pub fn http_request(method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    let has = |name: &str| headers.iter().any(|l| l.to_ascii_lowercase().starts_with(name));
    if !body.is_empty() && !has("content-length:") && !has("transfer-encoding:") {
        let _ = write!(text, "content-length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

impl RawSocket {
    /// Connects to `HOST:PORT`; failing to connect fails the test.
    pub async fn open(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).await;
        let stream = stream.unwrap_or_else(|e| panic!("connect to {addr}: {e}"));
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        Self { stream, received: Vec::new() }
    }

    /// Writes all bytes at once.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes `chunk` bytes at a time with a pause after each.
    pub async fn write_slowly(&mut self, bytes: &[u8], chunk: usize, pause: Duration) -> io::Result<()> {
        for part in bytes.chunks(chunk.max(1)) {
            self.stream.write_all(part).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Reads until everything received contains `text`; false at the deadline or the end.
    pub async fn read_until(&mut self, text: &str, deadline: Duration) -> bool {
        let wanted = text.as_bytes();
        let reading = async {
            while !self.received.windows(wanted.len().max(1)).any(|w| w == wanted) {
                if !self.read_some().await {
                    return false;
                }
            }
            true
        };
        timeout(deadline, reading).await.unwrap_or(false)
    }

    /// Reads until the server closes or resets; false when the deadline passed first.
    pub async fn read_to_close(&mut self, deadline: Duration) -> bool {
        let reading = async { while self.read_some().await {} };
        timeout(deadline, reading).await.is_ok()
    }

    /// Everything received so far.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Everything received so far as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// Closes our direction and keeps reading possible.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Closes with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("set SO_LINGER");
    }

    async fn read_some(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.received).await, Ok(n) if n > 0)
    }
}

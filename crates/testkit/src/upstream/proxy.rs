//! A scripted HTTP proxy: it leads every name to one address, and remembers what it was asked for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running proxy. Dropping it closes the socket and every connection.
#[derive(Debug)]
pub struct HttpProxy {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl HttpProxy {
    /// Listens on 127.0.0.1; all it is asked for is at `to`.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let record = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                connections.spawn(serve(stream, to, Arc::clone(&record)));
            }
        });
        HttpProxy { addr, asked, accepting }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The first line of each connection.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A tunnel, or a plain request with a whole address in it; the servers behind take those as they are.
async fn serve(stream: TcpStream, to: SocketAddr, asked: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut client = BufReader::new(stream);
    let mut first = String::new();
    if client.read_line(&mut first).await? == 0 {
        // Connections may be opened in vain.
        return Ok(());
    }
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(first.trim().to_owned());
    let mut server = TcpStream::connect(to).await?;
    if first.starts_with("CONNECT ") {
        let mut header = String::new();
        while header != "\r\n" {
            header.clear();
            client.read_line(&mut header).await?;
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        server.write_all(first.as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

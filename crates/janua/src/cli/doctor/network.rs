//! How far the way to a remote server goes: its name, its port.

use std::time::Duration;

use url::Url;

use super::note::Note;
use janua::config::RemoteServer;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// What is wrong on the way to a server that did not answer; `None` if its port can be reached.
pub(super) async fn obstacle(name: &str, remote: &RemoteServer) -> Option<Note> {
    let (host, port) = place(&remote.url)?;
    let Ok(addresses) = tokio::net::lookup_host((host.as_str(), port)).await else {
        let next = "check the spelling of the address, and the network";
        return Some(Note::fail(name, format!("the host name {host} is not known (DNS)"), next));
    };
    let addresses: Vec<_> = addresses.collect();
    let connected = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(addresses.as_slice())).await;
    let what = match connected {
        Ok(Ok(_)) => return None,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            let next = "start the server there, or correct the port in `url`";
            return Some(Note::fail(name, format!("nothing listens at {host} port {port} (connection refused)"), next));
        }
        Ok(Err(error)) => format!("{host} port {port} cannot be reached: {error}"),
        Err(_) => format!("{host} port {port} does not answer within {CONNECT:?} (TCP)"),
    };
    Some(Note::fail(name, what, "check the network, and whether a proxy or firewall stands between"))
}

/// What to do about a failure that the server itself, or the encryption, has caused.
pub(super) fn advice(message: &str) -> &'static str {
    let said = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["http 401", "http 403"]) {
        "give it credentials: `headers: { Authorization: \"Bearer ${TOKEN}\" }`, and check those that are there"
    } else if says(&["http 404", "http 405"]) {
        "check the path of `url`: most servers have /mcp, older ones /sse"
    } else if says(&["certificate", "tls", "handshake", "unknownissuer"]) {
        "check the server's certificate; SSL_CERT_FILE names further authorities, and http:// has none"
    } else if says(&["redirect"]) {
        "use the address that it redirects to as `url`"
    } else if says(&["http 429", "http 5"]) {
        "the server is there but fails or is overloaded: see its own logs, try again later"
    } else {
        "check that `url` is the address of an MCP server; `transport: sse` or `ws` if it speaks no Streamable HTTP"
    }
}

fn place(url: &Url) -> Option<(String, u16)> {
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let usual = if matches!(url.scheme(), "https" | "wss") { 443 } else { 80 };
    Some((host, url.port().unwrap_or(usual)))
}

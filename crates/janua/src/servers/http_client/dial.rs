//! How connections to servers are made: encryption, addresses, proxies; and what it means if they are not.

use std::error::Error;
use std::time::Duration;

use reqwest::Client;
use url::{Host, Url};

use super::addresses::PublicOnly;
use crate::error::{Failure, Kind};
use crate::tasks::Tasks;

/// Longest time to open a connection, its encryption included.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a connection in use is checked for being there at all.
const ALIVE: Duration = Duration::from_secs(30);
/// How long a connection may rest and be used again. Less than the five seconds after which Node's servers close
/// one: of a request that crosses the close, nobody knows whether it ran.
const REST: Duration = Duration::from_secs(4);

/// Where a client may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Anywhere: an operator has named the address.
    Anywhere,
    /// To public addresses only.
    Public,
}

/// A client for the server at `url`, which may speak WebSocket. It reads certificates: those of the system, or of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` in their stead.
pub(super) async fn client(url: Url, range: Range, socket: bool) -> Result<Client, Failure> {
    let built = Tasks::blocking(move || build(&url, range, socket)).await;
    let failed = |why: String| Failure::new(Kind::StartFailed, format!("cannot make an HTTP client: {why}"));
    match built {
        Some(Ok(client)) => Ok(client),
        Some(Err(error)) => Err(failed(cause(&error))),
        None => Err(failed("interrupted".to_owned())),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that builds clients")]
fn build(url: &Url, range: Range, socket: bool) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("janua/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(REST)
        .tcp_keepalive(ALIVE)
        .http2_keep_alive_interval(ALIVE)
        .http2_keep_alive_timeout(ALIVE)
        // What is unpacked has no bound.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd();
    if socket {
        // HTTP/2 has no such upgrade.
        builder = builder.http1_only();
    }
    if url.scheme() == "http" {
        // No certificates are read that are not used: there may be none, in a small container.
        builder = builder.tls_certs_only([]);
    }
    if range == Range::Public {
        // What a proxy connects to cannot be checked here.
        builder = builder.no_proxy().dns_resolver(PublicOnly::of_system());
    } else if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// No answer came. Only if no connection was made is it certain that the server has not got the request.
#[expect(clippy::needless_pass_by_value, reason = "it is given by value where errors are mapped")]
pub(super) fn unreachable(error: reqwest::Error) -> Failure {
    let why = cause(&error);
    if error.is_connect() || error.is_builder() {
        return Failure::new(Kind::Unreachable, format!("cannot connect to the server: {why}"));
    }
    let message = format!("the connection to the server broke before it answered: {why}");
    Failure::new(Kind::Unreachable, message).after_sending()
}

/// The innermost cause: it says what happened, and never names the address, which may hold secrets.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = match error.source() {
        Some(source) => source,
        None => return if error.is_timeout() { "timed out" } else { "the request failed" }.to_owned(),
    };
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_names() {
        let is = |url| is_loopback(&Url::parse(url).expect("a URL"));
        assert!(is("http://127.1.2.3/") && is("http://[::1]:1/") && is("http://a.localhost/"));
        assert!(!is("http://localhost.example/") && !is("http://10.0.0.1/"));
    }
}

//! The way to a server: encryption, proxies, HTTP/2. The gateway is a process, as its environment says how to go.

use std::net::{Ipv4Addr, SocketAddr};

use janua_testkit::client::session::Reply;
use janua_testkit::gateway::Gateway;
use janua_testkit::upstream::encrypted::Authority;
use janua_testkit::upstream::proxy::HttpProxy;
use janua_testkit::upstream::streamable::StreamableServer;

use crate::scene::{SECRET, code, may_have_run, sentence};

/// A gateway in front of `url` with this environment and no other. (An `http:` address must not end with `/mcp`: the
/// gateway's own is recognised by that.)
async fn gateway(url: &str, environment: &[(&str, &str)]) -> Gateway {
    let secret = format!("Authorization: {SECRET}");
    let builder = Gateway::builder(env!("CARGO_BIN_EXE_janua")).env_clear();
    let builder = environment.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
    builder.args(&["proxy", "--port", "0", "--header", &secret, url]).start().await
}

async fn opening(url: &str, environment: &[(&str, &str)]) -> (Gateway, Reply) {
    let gateway = gateway(url, environment).await;
    let reply = gateway.client().try_initialize("2025-11-25", "{}").await;
    (gateway, reply)
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[tokio::test]
async fn a_certificate_counts_if_the_environment_vouches_for_it() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = StreamableServer::builder().json().start().await;
    let front = ours.front("localhost", here(server.site.port())).await;
    let url = format!("https://localhost:{}/mcp", front.port());
    let vouching = ours.file();
    let gateway = gateway(&url, &[("SSL_CERT_FILE", vouching.to_str().expect("text"))]).await;
    let session = gateway.client().initialize("2025-11-25", "{}").await;
    assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    let named_otherwise = format!("https://127.0.0.1:{}/mcp", front.port());
    let (trusting, strange) = (ours.file(), other.file());
    for (url, file) in [(&url, strange), (&named_otherwise, trusting)] {
        let (_gateway, reply) = opening(url, &[("SSL_CERT_FILE", file.to_str().expect("text"))]).await;
        assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
        assert!(sentence(reply.response()).contains("certificate"), "{}", reply.raw());
        assert!(!may_have_run(reply.response()), "{}", reply.raw());
    }
    assert_eq!(server.site.seen_rpc("initialize").len(), 1, "something was sent to a stranger");
}

#[tokio::test]
async fn one_connection_of_http_2_carries_all_calls() {
    let authority = Authority::new();
    let server = authority.http2("localhost").await;
    let url = format!("https://localhost:{}/mcp", server.port());
    let file = authority.file();
    let gateway = gateway(&url, &[("SSL_CERT_FILE", file.to_str().expect("text"))]).await;
    let session = gateway.client().initialize("2025-11-25", "{}").await;
    let calls = (0..40).map(|_| session.call("echo", r#"{"text":"hi"}"#));
    for reply in futures_util::future::join_all(calls).await {
        assert!(reply.result().is_object(), "{}", reply.raw());
    }
    assert!(server.requests() > 40);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn the_proxies_of_the_environment_are_used() {
    let server = StreamableServer::builder().path("/up").json().start().await;
    let authority = Authority::new();
    let front = authority.front("mcp.example", here(server.site.port())).await;
    let file = authority.file();
    let plain = HttpProxy::start(here(server.site.port())).await;
    let tunnel = HttpProxy::start(here(front.port())).await;
    let (plain_url, tunnel_url) = (plain.url(), tunnel.url());
    let all = [
        ("HTTP_PROXY", plain_url.as_str()),
        ("HTTPS_PROXY", tunnel_url.as_str()),
        ("NO_PROXY", "kept.example,.invalid"),
        ("SSL_CERT_FILE", file.to_str().expect("text")),
    ];
    for (url, proxy, line) in [
        ("http://mcp.example/up", &plain, "POST http://mcp.example/up HTTP/1.1"),
        ("https://mcp.example:8443/up", &tunnel, "CONNECT mcp.example:8443 HTTP/1.1"),
    ] {
        let gateway = gateway(url, &all).await;
        let session = gateway.client().initialize("2025-11-25", "{}").await;
        assert_eq!(session.call("echo", r#"{"text":"hi"}"#).await.text(), "hi", "{url}");
        assert_eq!(proxy.asked()[0], line);
        let call = server.site.seen_rpc("tools/call").pop().expect("a call");
        assert_eq!(call.header("authorization"), Some(SECRET));
    }
    for url in ["http://kept.example/up", "https://mcp.invalid/up", "http://127.0.0.1:9/up", "http://localhost:9/up"] {
        let (_gateway, reply) = opening(url, &all).await;
        assert_eq!(code(reply.response()), "unreachable", "{url}: {}", reply.raw());
    }
    // The sessions before may still have something to say through theirs.
    for line in plain.asked().into_iter().chain(tunnel.asked()) {
        assert!(line.contains("mcp.example"), "{line}");
    }
}

#[tokio::test]
async fn a_server_behind_a_proxy_that_refuses_was_not_reached() {
    let refusing = janua_testkit::upstream::canned::CannedServer::builder().start().await;
    let proxy = refusing.site.base();
    let (_gateway, reply) = opening("https://mcp.example/up", &[("HTTPS_PROXY", &proxy)]).await;
    assert_eq!(code(reply.response()), "unreachable", "{}", reply.raw());
    assert!(!may_have_run(reply.response()), "{}", reply.raw());
    assert!(!reply.raw().contains("mcp.example"), "{}", reply.raw());
}

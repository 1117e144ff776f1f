//! Every route with every kind of credential, and what a refusal says.

use futures_util::future::join_all;
use http::Method;
use janua_testkit::client::faults::{http_request, raw_socket};
use serde_json::Value;

use crate::scene::{
    ALICE, ALICES_TOKEN, CONFIG, MACHINE, MALLORY, OPS, SOON, Scene, client, is_refused, says_no_secret,
};

/// Paths of every kind: served, served elsewhere, and not there.
const PATHS: [&str; 16] = [
    "/mcp",
    "/mcp/probe",
    "/mcp/nobody",
    "/sse",
    "/messages?session_id=x",
    "/ws",
    "/health",
    "/",
    "/probe",
    "/probe?sessionId=00000000-0000-4000-8000-000000000000",
    "/api/sessionid",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/admin/v1/status",
    "/nope",
];

/// Wrong in every way there is.
const WRONG: [&str; 12] = [
    "Basic YWxpY2U6d3Jvbmc=",
    "Basic bm9ib2R5OndvbmRlcmxhbmQ=",
    "Basic b3BzOnJ1bg==",
    "Basic !!!",
    "Basic YWxpY2U=",
    "Basic",
    "Bearer",
    "Bearer looking-glas",
    "Bearer looking-glasses",
    "Bearer sha256:82b7d5480c82f1e8ffeccedd860998a974934288d6779b0e9a62690f10d7563e",
    "Digest username=\"alice\"",
    "wonderland",
];

#[tokio::test]
async fn nobody_gets_in_anywhere_without_credentials() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let anybody = gateway.client().deadline(SOON);
    for path in PATHS {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::OPTIONS] {
            let answer = anybody.send(method.clone(), path, "{}", &[]).await;
            is_refused(&answer, &format!("{method} {path}"));
            assert_eq!(answer.text(), "Unauthorized", "{method} {path}");
        }
    }
    let wrong = PATHS.iter().zip(WRONG.iter().cycle()).map(async |(path, header)| {
        is_refused(&client(&gateway, header).get(path, &[]).await, &format!("{path} {header}"));
    });
    join_all(wrong).await;
    let twice = [("authorization", ALICE), ("authorization", ALICE)];
    is_refused(&anybody.get("/health", &twice).await, "two headers");
    for path in ["/health?access_token=looking-glass", "/health?authorization=Bearer%20looking-glass"] {
        is_refused(&anybody.get(path, &[]).await, path);
    }
    let elsewhere = [("proxy-authorization", ALICE), ("x-api-key", "looking-glass"), ("cookie", "token=looking-glass")];
    is_refused(&anybody.get("/health", &elsewhere).await, "other headers");
    says_no_secret(&gateway);
}

#[tokio::test]
async fn everybody_who_has_credentials_gets_to_every_route() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    for credentials in [ALICE, OPS, MALLORY, ALICES_TOKEN, MACHINE] {
        let client = client(&gateway, credentials);
        for path in PATHS {
            for method in [Method::DELETE, Method::PUT] {
                let answer = client.send(method.clone(), path, "{}", &[]).await;
                assert_ne!(answer.status, 401, "{method} {path} {credentials}");
                assert_eq!(answer.header("www-authenticate"), None, "{method} {path}");
            }
        }
        let session = client.initialize("2025-11-25", "{}").await;
        let said = session.call("echo", r#"{"text":"hello"}"#).await;
        assert!(said.raw().contains("hello"), "{}", said.raw());
        let discovered = client.modern("2026-07-28", "{}").call("echo", r#"{"text":"again"}"#).await;
        assert!(discovered.raw().contains("again"), "{}", discovered.raw());
    }
    says_no_secret(&gateway);
}

#[tokio::test]
async fn a_request_that_is_refused_is_a_line_with_the_peer_and_the_reason() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let anybody = gateway.client().deadline(SOON);
    for (header, reason) in [
        (None, "no credentials"),
        (Some(WRONG[0]), "wrong user name or password"),
        (Some(WRONG[3]), "no base64"),
        (Some(WRONG[4]), "no colon"),
        (Some(WRONG[7]), "a wrong token"),
        (Some(WRONG[10]), "not accepted"),
    ] {
        let headers: Vec<_> = header.map(|header| ("authorization", header)).into_iter().collect();
        is_refused(&anybody.get("/alice:s3cret/secret-path", &headers).await, reason);
    }
    let said = gateway.stderr();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("request refused")).collect();
    assert_eq!(lines.len(), 6, "{said}");
    for (line, reason) in
        lines.iter().zip(["no credentials", "wrong user", "no base64", "no colon", "wrong token", "not accepted"])
    {
        assert!(line.contains(reason) && line.contains("127.0.0.1"), "{line}");
    }
    assert!(!said.contains("secret-path") && !said.contains("d3Jvbmc") && !said.contains("Digest"), "{said}");
}

#[tokio::test]
async fn a_refusal_is_in_the_words_of_the_client() {
    let scene = Scene::with(&format!("{CONFIG}cors: {{ origins: ['https://app.test'] }}\n"));
    let gateway = scene.serve(&[]).await;
    let anybody = gateway.client().deadline(SOON);
    for (accept, kind) in [
        ("application/json, text/event-stream", "application/problem+json"),
        ("Application/JSON;q=0.9", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
        ("text/html", "text/plain; charset=utf-8"),
    ] {
        let answer = anybody.get("/mcp", &[("accept", accept)]).await;
        is_refused(&answer, accept);
        assert_eq!(answer.header("content-type"), Some(kind), "{accept}");
        if kind.ends_with("json") {
            let problem: Value = answer.json();
            assert_eq!((&problem["title"], &problem["status"]), (&"Unauthorized".into(), &401.into()));
        }
    }
    let head = anybody.send(Method::HEAD, "/mcp", "", &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (401, 0));

    // A page that may use the gateway is told so before it shows credentials, and can read that it has to.
    let page = [("origin", "https://app.test"), ("access-control-request-method", "POST")];
    for path in ["/mcp", "/nope", "/admin/v1/status"] {
        let preflight = anybody.send(Method::OPTIONS, path, "", &page).await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.test"), "{path}");
        assert!(preflight.header("access-control-allow-headers").is_some_and(|all| all.contains("authorization")));
    }
    let refused = anybody.get("/mcp", &page[..1]).await;
    is_refused(&refused, "a page");
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.test"));
    assert!(refused.header("access-control-expose-headers").is_some_and(|all| all.contains("www-authenticate")));
    let evil = [("origin", "https://evil.test"), ("access-control-request-method", "POST")];
    assert_eq!(anybody.send(Method::OPTIONS, "/mcp", "", &evil).await.status, 403);
    let admitted = client(&gateway, ALICE).get("/health", &evil[..1]).await;
    assert_eq!(admitted.status, 403, "credentials do not make up for an origin");
}

#[tokio::test]
async fn what_is_open_is_what_the_configuration_says() {
    for (open, [live, ready, health]) in [
        ("", [200, 200, 401]),
        ("  open: []\n", [401, 401, 401]),
        ("  open: [health]\n", [401, 401, 200]),
        ("  open: [health, livez, readyz]\n", [200, 200, 200]),
    ] {
        let config = CONFIG.replace("servers:", &format!("{open}servers:"));
        let scene = Scene::with(&config);
        let gateway = scene.serve(&[]).await;
        let anybody = gateway.client().deadline(SOON);
        for (path, wanted) in [("/livez", live), ("/readyz", ready), ("/health", health)] {
            assert_eq!(anybody.get(path, &[]).await.status, wanted, "{open}{path}");
            assert_eq!(anybody.send(Method::POST, path, "{}", &[]).await.status, 401, "{open}{path}");
        }
        for path in ["/livez/", "//livez", "/livez%2f", "/LIVEZ", "/mcp/../livez"] {
            assert_eq!(anybody.get(path, &[]).await.status, 401, "{path}");
        }
        if live == 200 {
            let wrong = anybody.get("/livez", &[("authorization", WRONG[0])]).await;
            assert_eq!(wrong.status, 401, "who shows something wrong is told so");
        }
    }
}

#[tokio::test]
async fn requests_by_hand() {
    let scene = Scene::new();
    let gateway = scene.serve(&[]).await;
    let authority = gateway.authority();
    let host = format!("Host: {authority}");
    // Two requests on one connection: the second does not live on the first's credentials.
    let mut both = http_request("GET", "/health", &[&host, &format!("Authorization: {ALICE}")], "");
    both.extend(http_request("GET", "/health", &[&host, "Connection: close"], ""));
    let answers = String::from_utf8_lossy(&raw_socket(authority, &both).await).into_owned();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).filter_map(|one| one.get(..3)).collect();
    assert_eq!(statuses, ["200", "401"], "{answers}");

    for (line, wanted) in [
        (format!("aUtHoRiZaTiOn:   {ALICES_TOKEN}   "), "200"),
        (format!("Authorization: {}", ALICES_TOKEN.to_uppercase()), "401"),
        ("Authorization: bEARER looking-glass".to_owned(), "200"),
        ("Authorization:".to_owned(), "401"),
        ("Authorization: Bearer \u{ff}\u{fe}".to_owned(), "401"),
    ] {
        let request = http_request("GET", "/health", &[&host, &line, "Connection: close"], "");
        let answer = String::from_utf8_lossy(&raw_socket(authority, &request).await).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted} ")), "{line}: {answer}");
    }
    let absolute = format!("http://{authority}/health");
    let request = http_request("GET", &absolute, &[&host, "Connection: close"], "");
    assert!(raw_socket(authority, &request).await.starts_with(b"HTTP/1.1 401 "));
}

//! How things end, and how they go on after that.

use http::{Method, StatusCode};
use janua_testkit::client::Client;
use janua_testkit::client::message::Message;
use janua_testkit::process;

use super::kinds::{ClientKind, Make, ServerKind};
use super::link::{Link, SOON, Wire};
use super::scene::{Scene, Verdict};
use super::talk::{steps, with_token};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

pub(crate) async fn resume(scene: &mut Scene) -> Verdict {
    match scene.client {
        ClientKind::Sse2024 => {
            let (client, target) = drop_stream(scene);
            gone(&client, &target).await;
            Verdict::Refused("the stream is the session; its address is gone (HTTP 404)".to_owned())
        }
        ClientKind::Stdio | ClientKind::Stdio2026 => {
            let status = scene.link.hang_up().await.expect("it ends");
            assert!(status.success(), "{status}");
            Verdict::Refused("the pipe is the session; Janua ends with it".to_owned())
        }
        ClientKind::WebSocket | ClientKind::WebSocket2026 => {
            scene.link.wire = Wire::Gone;
            let kept = usize::from(scene.is_union());
            let left = process::eventually(SOON, || scene.server.sessions() <= kept).await;
            assert!(left || scene.client.is_modern(), "the server's session goes on");
            Verdict::Refused("the socket is the session; it ends with it".to_owned())
        }
        ClientKind::Sessionless | ClientKind::Http2026 => {
            let client = posting(&scene.link);
            let version = ("mcp-protocol-version", scene.client.version());
            let headers = [("accept", "text/event-stream"), ("last-event-id", "1-1"), version];
            Verdict::status(client.get(client.path(), &headers).await.status.as_u16())
        }
        ClientKind::Http202503 | ClientKind::Http202506 | ClientKind::Http202511 => resumed(scene).await,
    }
}

fn posting(link: &Link) -> Client {
    match &link.wire {
        Wire::Http(http) => http.client(),
        _ => panic!("not a link over Streamable HTTP"),
    }
}

async fn resumed(scene: &Scene) -> Verdict {
    if !scene.server.kind.says_besides() {
        // There is only the answer, and that is no stream.
        return Verdict::not_offered();
    }
    let session = scene.link.session();
    let params = with_token(&scene.server.progress(), "7");
    let mut exchange = session.open_id("900", "tools/call", &params).await;
    let first = exchange.message().await;
    let last = exchange.events().and_then(|events| events.last_id()).expect("events have ids").to_owned();
    drop(exchange);
    let mut rest = session.resume(&last).await;
    let mut told = vec![first];
    let answer = loop {
        let message = rest.message(SOON).await;
        if message.answers("900") {
            break message;
        }
        told.push(message);
    };
    answer.result();
    assert_eq!(steps(&told, "7"), [1, 2, 3, 4, 5]);
    assert_eq!(rest.next(SOON).await, Ok(None), "the stream ends with the answer");
    Verdict::Works
}

/// Closes the stream of a session over HTTP+SSE; gives where its messages went.
fn drop_stream(scene: &mut Scene) -> (Client, String) {
    let Wire::Sse(session) = &mut scene.link.wire else { panic!("not HTTP+SSE") };
    let place = (session.client.clone(), session.target.clone());
    scene.link.wire = Wire::Gone;
    place
}

async fn gone(client: &Client, target: &str) {
    let json = [("content-type", "application/json")];
    let ended = process::eventually_with(SOON, || async {
        client.post(target, PING, &json).await.status == StatusCode::NOT_FOUND
    });
    assert!(ended.await, "the session outlives its stream");
}

pub(crate) async fn death(scene: &mut Scene) -> Verdict {
    if scene.server.kind == ServerKind::Demo {
        return with_gateway(scene).await;
    }
    let id = if scene.server.kind.is_program() {
        scene.link.send_call(&("crash", "{}".to_owned())).await
    } else {
        let slow = scene.server.slow();
        let id = scene.link.send_call(&slow).await;
        scene.server.has_begun(slow.0).await;
        scene.server.end().await;
        id
    };
    let answer = scene.link.answer(&id).await;
    told(&answer, scene.server.kind);
    after_death(scene).await;
    Verdict::Works
}

/// Whether the client's session ends with the server's, or what its next request is told.
async fn after_death(scene: &mut Scene) {
    if scene.is_union() {
        // The session is that of all servers, and so are the lists; the next call opens the server again.
        scene.link.request("tools/list", "").await.result();
        let next = scene.link.call(&("echo", r#"{"text":"again"}"#.to_owned())).await;
        if scene.server.kind.is_program() {
            assert_eq!(next.text(), "again", "{}", next.raw());
        } else {
            // The catalogue may have tried before.
            let code = next.at("/error/data/code");
            assert!(code == "unreachable" || code == "backing_off", "{}", next.raw());
        }
        return;
    }
    // A session that is Janua's own does not end with a server that has none.
    let apart = scene.client.is_modern() || scene.client.is_sessionless() || scene.is_modern_beyond();
    match scene.server.kind {
        _ if apart && scene.server.kind.is_program() => {
            // The next request opens the server again.
            scene.link.request("tools/list", "").await.result();
        }
        ServerKind::Sse | ServerKind::WebSocket if !apart => over(scene).await,
        _ if !scene.server.kind.is_program() => {
            // It may come back with everything it knew, so the session stays; requests say what is wrong.
            let next = scene.link.request("tools/list", "").await;
            let code = next.at("/error/data/code");
            assert!(code == "unreachable" || code == "backing_off", "{}", next.raw());
        }
        _ => over(scene).await,
    }
}

/// Waits until the client's session has ended with the server's.
async fn over(scene: &mut Scene) {
    match &mut scene.link.wire {
        Wire::Stdio(client) => {
            let status = client.wait(SOON).await.expect("it ends");
            assert_eq!(status.code(), Some(1), "{status}");
        }
        Wire::Sse(session) => assert!(session.events().closed(SOON).await, "the stream goes on"),
        Wire::Socket(socket) => drop(socket.end().await),
        Wire::Http(http) => {
            let session = http.stateful();
            let lost =
                process::eventually_with(SOON, || async { session.post(PING).await.status == StatusCode::NOT_FOUND });
            assert!(lost.await, "the session outlives its server");
        }
        Wire::Gone => panic!("the link is open"),
    }
}

/// What a client is told when the server took its call and died.
fn told(answer: &Message, kind: ServerKind) {
    let data = answer.at("/error/data");
    assert_eq!(data["outcome"], "unknown", "the call may have run: {}", answer.raw());
    assert_eq!(data["retryable"], false, "{}", answer.raw());
    assert_eq!(data["culprit"], "server", "{}", answer.raw());
    if kind.is_program() {
        assert_eq!((&data["code"], answer.error_code()), (&"server_exited".into(), Some(-32603)));
    }
}

async fn with_gateway(scene: &mut Scene) -> Verdict {
    if let Wire::Stdio(client) = &mut scene.link.wire {
        client.signal(rustix::process::Signal::KILL);
        assert_eq!(client.read_line().await, None);
    } else {
        scene.kill_gateway().await;
    }
    match &mut scene.link.wire {
        Wire::Stdio(_) | Wire::Gone => {}
        Wire::Sse(session) => assert!(session.events().closed(SOON).await),
        Wire::Socket(socket) => drop(socket.end().await),
        Wire::Http(http) => {
            let client = http.client();
            let refused = client.try_send(Method::POST, client.path(), PING, &[]).await;
            refused.expect_err("nobody listens");
        }
    }
    Verdict::degrades("it lives inside Janua and dies with it")
}

pub(crate) async fn close(scene: &mut Scene) -> Verdict {
    let pid = if scene.server.kind.is_program() {
        let info = scene.server.info(&mut scene.link).await;
        info.at("/pid").as_u64().and_then(|pid| u32::try_from(pid).ok())
    } else {
        None
    };
    match scene.client {
        ClientKind::Stdio | ClientKind::Stdio2026 => {
            let status = scene.link.hang_up().await.expect("it ends");
            assert!(status.success(), "{status}");
        }
        ClientKind::Sse2024 => {
            let (client, target) = drop_stream(scene);
            gone(&client, &target).await;
        }
        ClientKind::Sessionless | ClientKind::Http2026 => {
            let client = posting(&scene.link);
            let headers = [("mcp-protocol-version", scene.client.version())];
            return Verdict::status(client.send(Method::DELETE, client.path(), "", &headers).await.status.as_u16());
        }
        ClientKind::WebSocket | ClientKind::WebSocket2026 => {
            let slow = scene.server.slow();
            scene.link.send_call(&slow).await;
            scene.server.has_begun(slow.0).await;
            let Wire::Socket(socket) = std::mem::replace(&mut scene.link.wire, Wire::Gone) else {
                panic!("not a WebSocket")
            };
            socket.close().await;
            if scene.client.is_modern() {
                given_up(scene, slow.0, pid).await;
                return Verdict::Works;
            }
        }
        ClientKind::Http202503 | ClientKind::Http202506 | ClientKind::Http202511 => {
            let session = scene.link.session();
            let deleted = session.delete().await;
            assert!(deleted.status.is_success(), "{}", deleted.status);
            let after = session.post(PING).await;
            assert_eq!(after.status, StatusCode::NOT_FOUND);
            assert_eq!(after.message().error_code(), Some(-32002), "{}", after.text());
        }
    }
    // A server without sessions may serve others too.
    if let Some(pid) = pid.filter(|_| scene.client.is_program() || !scene.is_modern_beyond()) {
        assert!(process::wait_gone(pid, SOON).await, "the server's process goes on");
    }
    if scene.server.kind.make() == Make::Scripted {
        // The catalogue keeps a session of its own.
        let kept = usize::from(scene.is_union());
        let left = process::eventually(SOON, || scene.server.sessions() <= kept).await;
        assert!(left, "the server's session goes on");
    }
    Verdict::Works
}

/// Waits until the server knows that nobody waits for its call any more, or has been stopped.
async fn given_up(scene: &Scene, tool: &str, pid: Option<u32>) {
    if let Some(told) = scene.server.has_given_up(tool).await {
        assert!(told, "the call goes on");
    } else if scene.server.kind != ServerKind::Demo {
        let over = process::eventually(SOON, || {
            pid.is_some_and(|pid| !process::alive(pid)) || !scene.server.received("notifications/cancelled").is_empty()
        });
        assert!(over.await, "the call goes on");
    }
}

//! How things end, and how they go on after that.

use http::StatusCode;
use janua_testkit::client::Client;
use janua_testkit::client::message::Message;
use janua_testkit::process;

use super::kinds::{ClientKind, ServerKind};
use super::link::{SOON, Wire};
use super::scene::{Scene, Verdict};
use super::talk::{steps, with_token};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

pub(crate) async fn resume(mut scene: Scene) -> Verdict {
    match scene.client {
        ClientKind::Sse2024 => {
            let (client, target) = drop_stream(&mut scene);
            gone(&client, &target).await;
            Verdict::Refused("the stream is the session; its address is gone (HTTP 404)".to_owned())
        }
        ClientKind::Stdio => {
            let status = scene.link.hang_up().await.expect("it ends");
            assert!(status.success(), "{status}");
            Verdict::Refused("the pipe is the session; Janua ends with it".to_owned())
        }
        ClientKind::Sessionless => {
            let (status, ..) = scene.link.session().open_get(Some("1-1")).await;
            Verdict::status(status.as_u16())
        }
        ClientKind::Http202503 | ClientKind::Http202506 | ClientKind::Http202511 => resumed(scene).await,
    }
}

async fn resumed(scene: Scene) -> Verdict {
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

pub(crate) async fn death(mut scene: Scene) -> Verdict {
    if scene.server.kind == ServerKind::Demo {
        return with_gateway(scene).await;
    }
    let id = if scene.server.kind == ServerKind::Stdio {
        scene.link.send_call(&("crash", "{}".to_owned())).await
    } else {
        let id = scene.link.send_call(&scene.server.slow()).await;
        scene.server.has_heard(&mut scene.link, "tools/call").await;
        scene.server.end();
        id
    };
    let answer = scene.link.answer(&id).await;
    told(&answer, scene.server.kind);
    match scene.server.kind {
        // It may come back with everything it knew, so the session stays; requests say what is wrong.
        ServerKind::Http => {
            let next = scene.link.request("tools/list", "").await;
            assert_eq!(next.at("/error/data/code"), "unreachable", "{}", next.raw());
        }
        _ => over(&mut scene).await,
    }
    Verdict::Works
}

/// Waits until the client's session has ended with the server's.
async fn over(scene: &mut Scene) {
    match &mut scene.link.wire {
        Wire::Stdio(client) => {
            let status = client.wait(SOON).await.expect("it ends");
            assert_eq!(status.code(), Some(1), "{status}");
        }
        Wire::Sse(session) => assert!(session.events().closed(SOON).await, "the stream goes on"),
        Wire::Http(_) if scene.client == ClientKind::Sessionless => {
            // The next request opens the server again, if it can be.
            let again = scene.link.request("ping", "").await;
            assert_eq!(again.error_code().is_none(), scene.server.kind == ServerKind::Stdio, "{}", again.raw());
        }
        Wire::Http(http) => {
            let session = http.session.clone();
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
    if kind == ServerKind::Stdio {
        assert_eq!((&data["code"], answer.error_code()), (&"server_exited".into(), Some(-32603)));
    }
}

async fn with_gateway(mut scene: Scene) -> Verdict {
    if let Wire::Stdio(client) = &mut scene.link.wire {
        client.signal(rustix::process::Signal::KILL);
        assert_eq!(client.read_line().await, None);
    } else {
        scene.kill_gateway().await;
    }
    match &mut scene.link.wire {
        Wire::Stdio(_) | Wire::Gone => {}
        Wire::Sse(session) => assert!(session.events().closed(SOON).await),
        Wire::Http(http) => {
            let session = &http.session;
            let path = session.client.path();
            let refused = session.client.try_send(http::Method::POST, path, PING, &[]).await;
            refused.expect_err("nobody listens");
        }
    }
    Verdict::degrades("it lives inside Janua and dies with it")
}

pub(crate) async fn close(mut scene: Scene) -> Verdict {
    let pid = match scene.server.kind {
        ServerKind::Stdio => {
            let info = scene.server.info(&mut scene.link).await;
            info.at("/pid").as_u64().and_then(|pid| u32::try_from(pid).ok())
        }
        _ => None,
    };
    match scene.client {
        ClientKind::Stdio => {
            let status = scene.link.hang_up().await.expect("it ends");
            assert!(status.success(), "{status}");
        }
        ClientKind::Sse2024 => {
            let (client, target) = drop_stream(&mut scene);
            gone(&client, &target).await;
        }
        ClientKind::Sessionless => {
            return Verdict::status(scene.link.session().delete().await.status.as_u16());
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
    if let Some(pid) = pid {
        assert!(process::wait_gone(pid, SOON).await, "the server's process goes on");
    }
    let left = process::eventually(SOON, || scene.server.sessions() == 0).await;
    assert!(left, "the server's session goes on");
    Verdict::Works
}

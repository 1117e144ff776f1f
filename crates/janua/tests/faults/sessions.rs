//! Sessions and the clients that hold them: clients that vanish, return, collide, pretend, or are there when the
//! gateway stops.

use std::time::{Duration, Instant};

use ::http::Method;
use futures_util::future::join_all;
use janua_testkit::client::events::{Event, Events};
use janua_testkit::client::faults::abort;
use janua_testkit::client::session::Session;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::{JSON_POST, faults, message};
use janua_testkit::gateway::Gateway;
use janua_testkit::process::{eventually, wait_gone};
use rustix::process::Signal;

use crate::scene::{
    SOON, VERSION, arguments, below, echo, failure, hostile, no_sessions, open, probe, seen, server_pid, sessions,
};

const FLOOD: &str = r#"{"name":"progress","arguments":{"n":30,"ms":30},"_meta":{"progressToken":"p"}}"#;

/// The bytes of a POST of this message into a session.
fn post(session: &Session, body: &str) -> Vec<u8> {
    let id = format!("mcp-session-id: {}", session.id.as_deref().expect("an id"));
    let kinds = ["content-type: application/json", "accept: application/json, text/event-stream", &id];
    let mut headers = vec!["host: localhost"];
    headers.extend(kinds);
    faults::http_request("POST", "/mcp", &headers, body)
}

fn call(id: &str, tool: &str, args: &str) -> String {
    message::request(id, "tools/call", &message::call_params(tool, args))
}

/// Data events until there are `count` of them or the stream is over.
async fn take(events: &mut Events, count: usize) -> Vec<Event> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match events.next(SOON).await.expect("no fault on the stream") {
            Some(event) if event.data.as_deref().is_some_and(|data| !data.is_empty()) => {
                taken.push(event);
            }
            Some(_) => {}
            None => break,
        }
    }
    taken
}

#[tokio::test]
async fn check_unknown_session() {
    let gateway = probe("").await;
    for id in ["unknown", "00000000-0000-0000-0000-000000000000", "../../etc/passwd", "%00"] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let mut headers = JSON_POST.to_vec();
            headers.push(("mcp-session-id", id));
            let answer = gateway.client().send(method, "/mcp", call("1", "echo", "{}"), &headers).await;
            assert_eq!(answer.status, 404);
            assert!(answer.message().error_code().is_some());
        }
    }
    assert!(below(&gateway).is_empty());
}

#[tokio::test]
async fn an_id_that_a_client_chose_opens_nothing() {
    let gateway = probe("").await;
    let chosen = "0123456789abcdef0123456789abcdef";
    let opened = gateway.client().header("mcp-session-id", chosen).try_initialize(VERSION, "{}").await;
    let given = opened.headers.get("mcp-session-id").map(|id| id.to_str().expect("text").to_owned());
    assert_ne!(given.as_deref(), Some(chosen));
    let mut headers = JSON_POST.to_vec();
    headers.push(("mcp-session-id", chosen));
    assert_eq!(gateway.client().post("/mcp", call("1", "echo", "{}"), &headers).await.status, 404);
    let target = format!("/messages?session_id={chosen}");
    assert_eq!(gateway.client().post(&target, call("1", "echo", "{}"), &JSON_POST).await.status, 404);
    assert!(below(&gateway).len() <= 1);
}

#[tokio::test]
async fn ids_of_one_transport_open_nothing_on_the_other() {
    let gateway = probe("").await;
    let (http, mut sse) = (open(&gateway).await, SseSession::open(gateway.base(), "/sse").await);
    sse.initialize("2024-11-05", "{}").await;
    let theirs = sse.target.rsplit('=').next().expect("an id").to_owned();
    let mut headers = JSON_POST.to_vec();
    headers.push(("mcp-session-id", &theirs));
    assert_eq!(gateway.client().post("/mcp", call("1", "echo", "{}"), &headers).await.status, 404);
    let target = format!("/messages?session_id={}", http.id.as_deref().expect("an id"));
    assert_eq!(gateway.client().post(&target, call("1", "echo", "{}"), &JSON_POST).await.status, 404);
    assert_eq!(sse.call("echo", &arguments("mine")).await.text(), "mine");
}

#[tokio::test]
async fn check_40_sessions_with_equal_ids() {
    let gateway = hostile("", "plain").await;
    let all = join_all((0..40).map(|_| open(&gateway))).await;
    let calls = all.iter().enumerate().map(|(number, session)| async move {
        for id in 0..10 {
            let text = format!("session {number}, call {id}");
            let params = message::call_params("echo", &arguments(&text));
            let reply = session.request_id(&id.to_string(), "tools/call", &params).await;
            assert_eq!(reply.text(), text);
        }
    });
    join_all(calls).await;
}

#[tokio::test]
async fn two_requests_under_one_id_are_both_answered() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let slow = message::call_params("slow", r#"{"s":1}"#);
    let quick = message::call_params("echo", &arguments("quick"));
    let (slow, quick) =
        tokio::join!(session.request_id("7", "tools/call", &slow), session.request_id("7", "tools/call", &quick));
    assert_eq!((slow.text(), quick.text()), ("slept", "quick"));
}

#[tokio::test]
async fn check_20_clients_vanish_in_a_call() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let requests: Vec<Vec<u8>> =
        (100..120).map(|id| post(&session, &call(&id.to_string(), "slow", r#"{"s":2}"#))).collect();
    join_all(requests.iter().map(|request| abort(gateway.authority(), request, None))).await;
    echo(&session, "the session still works").await;
    // A client that vanishes has cancelled nothing.
    assert!(!seen(&session).await.iter().any(|line| line.starts_with("notifications/cancelled")));
    assert_eq!(sessions(&gateway).await, 1);
}

#[tokio::test]
async fn a_call_goes_on_without_its_client_and_is_there_when_it_comes_back() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let mut exchange = session.open_id("9", "tools/call", FLOOD).await;
    let events = exchange.events().expect("a stream");
    let mut got = take(events, 5).await;
    drop(exchange);
    // Comes and goes, and each time takes some more.
    for portion in [1, 7, 0, 3, 100] {
        let last = got.last().and_then(|event| event.id.clone()).expect("an id");
        let mut resumed = session.resume(&last).await;
        got.extend(take(&mut resumed, portion).await);
    }
    let ids: Vec<&str> = got.iter().filter_map(|event| event.id.as_deref()).collect();
    let data: Vec<message::Message> =
        got.iter().map(|event| message::Message::parse(event.data.as_deref().expect("data")).expect("JSON")).collect();
    assert_eq!(data.len(), 31, "{ids:?}");
    assert!(data[..30].iter().enumerate().all(|(at, message)| message.at("/params/progress") == at + 1), "{data:?}");
    assert!(data[30].answers("9"));
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_on_a_stream_that_is_cut_again_and_again() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    session.request("resources/subscribe", r#"{"uri":"test://a"}"#).await.result();
    let mut stream = session.listen().await;
    let mut ids: Vec<String> = Vec::new();
    for round in 0..20_usize {
        for _ in 0..3 {
            session.call("touch", "{}").await;
        }
        // Reads some of what is there, then the connection goes.
        let events = take(&mut stream, 1 + round % 4).await;
        ids.extend(events.into_iter().filter_map(|event| event.id));
        drop(stream);
        stream = match ids.last() {
            Some(last) => session.resume(last).await,
            None => session.listen().await,
        };
    }
    let left = 60 - ids.len();
    ids.extend(take(&mut stream, left).await.into_iter().filter_map(|event| event.id));
    let mut numbers: Vec<u64> = ids.iter().filter_map(|id| id.rsplit('-').next()?.parse().ok()).collect();
    assert_eq!(numbers.len(), 60);
    numbers.dedup();
    let first = numbers[0];
    assert!(numbers.iter().copied().eq(first..first + 60), "{ids:?}");
    assert!(stream.next_message(Duration::from_millis(200)).await.is_err(), "nothing more");
}

#[tokio::test]
async fn an_unknown_event_id_gives_a_fresh_stream_and_says_so() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    for last in ["no-such-event", "99-1", "-", "1-18446744073709551616", "0-99999"] {
        let mut stream = session.resume(last).await;
        let first = stream.next(SOON).await.expect("no fault").expect("an event");
        let said = first.comment.unwrap_or_default();
        assert!(first.data.is_none() && said.contains("not kept"), "{last}: {said:?}");
        session.request("resources/subscribe", r#"{"uri":"test://a"}"#).await.result();
        session.call("touch", "{}").await;
        assert_eq!(stream.message(SOON).await.method(), Some("notifications/resources/updated"));
    }
}

#[tokio::test]
async fn a_second_stream_takes_over_from_the_first_and_says_so() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let mut first = session.listen().await;
    let mut second = session.listen().await;
    let rest = tokio::time::timeout(SOON, first.rest(SOON)).await;
    let last = rest.expect("an end").pop().expect("a last word");
    assert!(last.comment.is_some_and(|said| said.contains("taken over")));
    session.request("resources/subscribe", r#"{"uri":"test://a"}"#).await.result();
    session.call("touch", "{}").await;
    assert_eq!(second.message(SOON).await.method(), Some("notifications/resources/updated"));
}

#[tokio::test]
async fn more_requests_than_a_session_may_have_are_turned_away() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let replies = join_all((0..70).map(|_| session.call("slow", r#"{"s":2}"#))).await;
    let (slept, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    assert_eq!((slept.len(), refused.len()), (64, 6));
    for reply in refused {
        assert_eq!((reply.status.as_u16(), failure(reply).as_str()), (429, "overloaded"));
        assert!(reply.headers.contains_key("retry-after"));
    }
    echo(&session, "afterwards").await;
}

#[tokio::test]
async fn a_running_call_keeps_its_session_and_an_idle_one_ends() {
    let gateway = probe("--timeout 1").await;
    let session = open(&gateway).await;
    assert_eq!(session.call("slow", r#"{"s":3}"#).await.text(), "slept");
    assert!(no_sessions(&gateway).await);
    assert_eq!(session.request("ping", "").await.status, 404);
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
}

#[tokio::test]
async fn a_session_over_sse_ends_with_its_stream() {
    let gateway = hostile("", "plain").await;
    let mut sse = SseSession::open(gateway.base(), "/sse").await;
    sse.initialize("2024-11-05", "{}").await;
    assert_eq!(sse.call("echo", &arguments("over SSE")).await.text(), "over SSE");
    let pid = below(&gateway)[0];
    drop(sse);
    assert!(wait_gone(pid, SOON).await);
    assert!(no_sessions(&gateway).await);
}

/// Twenty calls that are under way, and the number of those answered properly in the end.
async fn under_way(gateway: &mut Gateway, sessions: &[Session]) -> (usize, Duration) {
    let calls = join_all(sessions.iter().map(|session| session.call("slow", r#"{"s":3}"#)));
    let stopping = async {
        // The calls are sent in the same task, so this comes after them.
        tokio::time::sleep(Duration::from_secs(1)).await;
        gateway.signal(Signal::TERM);
        gateway.wait(SOON).await
    };
    let (replies, stopped) = tokio::join!(calls, stopping);
    assert!(stopped.status.success(), "{stopped:?}");
    let slept = |reply: &&janua_testkit::client::session::Reply| {
        reply.response.as_ref().is_some_and(|response| response.raw().contains("slept"))
    };
    (replies.iter().filter(slept).count(), stopped.took)
}

#[tokio::test]
async fn calls_under_way_are_finished_when_the_gateway_stops() {
    let mut gateway = probe("").await;
    let all = join_all((0..20).map(|_| open(&gateway))).await;
    let (slept, took) = under_way(&mut gateway, &all).await;
    assert_eq!(slept, 20);
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[tokio::test]
async fn calls_without_sessions_are_finished_when_the_gateway_stops() {
    let mut gateway = probe("--stateless").await;
    let client = gateway.client();
    let opened = client.try_initialize("2025-06-18", "{}").await;
    let all: Vec<Session> = (0..20).map(|_| Session::from_reply(client.clone(), &opened)).collect();
    let (slept, _) = under_way(&mut gateway, &all).await;
    assert_eq!(slept, 20);
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let mut gateway = hostile("", "swallow").await;
    let session = open(&gateway).await;
    let pid = server_pid(&session).await;
    let calls = join_all((0..10).map(|_| session.call("act", "{}")));
    let stopping = async {
        echo(&session, "all calls are on their way").await;
        gateway.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(gateway.running(), "it waits for the calls");
        let since = Instant::now();
        gateway.signal(Signal::TERM);
        let stopped = gateway.wait(SOON).await;
        assert!(stopped.status.success() && since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    };
    let (replies, ()) = tokio::join!(calls, stopping);
    assert!(replies.iter().all(|reply| reply.error_code().is_some()), "{replies:?}");
    assert!(wait_gone(pid, Duration::from_secs(1)).await);
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_by_comments() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let mut stream = session.listen().await;
    for _ in 0..2 {
        let event = stream.next(SOON).await.expect("no fault").expect("an event");
        assert!(event.data.is_none() && event.comment.is_some(), "{event:?}");
    }
}

#[tokio::test]
async fn a_batch_has_its_bounds() {
    let gateway = probe("").await;
    let session = gateway.client().initialize("2025-03-26", "{}").await;
    let batch = |count: usize| {
        let all: Vec<String> = (0..count).map(|id| message::request(&id.to_string(), "ping", "")).collect();
        format!("[{}]", all.join(","))
    };
    let answer = session.post(batch(50)).await;
    assert_eq!((answer.status.as_u16(), answer.messages().len()), (200, 50));
    let before = seen(&session).await.len();
    assert_eq!(session.post(batch(51)).await.status, 400);
    assert_eq!(seen(&session).await.len(), before + 1);
}

#[tokio::test]
async fn line_breaks_of_unicode_do_not_break_an_event() {
    let gateway = probe("").await;
    let mut sse = SseSession::open(gateway.base(), "/sse").await;
    sse.initialize("2024-11-05", "{}").await;
    let text = "a\u{2028}b\u{2029}c\u{85}d\r\ne\n\nf";
    let answer = sse.call("echo", &arguments(text)).await;
    assert_eq!(answer.text(), text);
    assert!(!answer.raw().contains(['\u{2028}', '\u{2029}', '\n', '\r']), "{}", answer.raw());
}

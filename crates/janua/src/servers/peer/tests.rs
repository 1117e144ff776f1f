//! What the engine promises, with messages written by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::message::{Message, parse_one};
use janua_wire::version::Version;

use super::{Outbox, Peer};
use crate::call::{Call, Caller, Event, Outcome, Reply, Scope};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use futures_util::FutureExt;

/// Remembers what was sent.
#[derive(Clone, Default)]
struct Sent(Arc<Lock<Vec<String>>>);

impl Outbox for Sent {
    fn send(&self, line: Line, _: Option<LinkId>) -> Result<(), Failure> {
        self.0.lock().push(String::from_utf8_lossy(&line.into_bytes()).into_owned());
        Ok(())
    }
}

fn peer(owned: bool) -> (Arc<Peer>, Sent) {
    let sent = Sent::default();
    (Peer::new(Box::new(sent.clone()), ClientCapabilities::default(), owned), sent)
}

fn call(peer: &Arc<Peer>, session: u64, text: &str) -> Reply {
    let Ok(Message::Request(request)) = parse_one(Bytes::copy_from_slice(text.as_bytes())) else { panic!("{text}") };
    let (version, capabilities) = (Version::NEWEST_LEGACY, ClientCapabilities::default());
    peer.call(&Call {
        request,
        caller: Arc::new(Caller { scope: Scope::Session(session), version, capabilities, user: None }),
    })
}

fn receive(peer: &Arc<Peer>, text: &'static str) {
    assert!(peer.receive(&Bytes::from_static(text.as_bytes()), None).is_none());
}

fn end(reply: &mut Reply) -> String {
    match reply.next().now_or_never() {
        Some(Some(Event::Done(Outcome::Answer(response)))) => String::from_utf8_lossy(response.body()).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn equal_ids_of_several_clients_never_meet() {
    let (peer, sent) = peer(false);
    let mut first = call(&peer, 1, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":1}}"#);
    let mut second = call(&peer, 2, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":2}}"#);
    let mut third = call(&peer, 2, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"x":3}}"#);
    assert!(sent.0.lock()[1].starts_with(r#"{"jsonrpc":"2.0","id":2,"#));
    receive(&peer, r#"{"jsonrpc":"2.0","id":3,"result":{"for":3}}"#);
    receive(&peer, r#"{"jsonrpc":"2.0","id":1,"result":{"for":1}}"#);
    receive(&peer, r#"{"jsonrpc":"2.0","id":2,"result":{"for":2}}"#);
    receive(&peer, r#"{"jsonrpc":"2.0","id":2,"result":{"for":"nobody"}}"#);
    let ends = [&mut first, &mut second, &mut third].map(end);
    assert_eq!(ends, [r#"{"for":1}"#, r#"{"for":2}"#, r#"{"for":3}"#]);
}

#[test]
fn an_error_without_id_belongs_to_the_only_call() {
    let (peer, _) = peer(true);
    let mut one = call(&peer, 1, r#"{"jsonrpc":"2.0","id":"a","method":"x"}"#);
    receive(&peer, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#);
    assert!(end(&mut one).contains("what?"));
    let mut two = [
        call(&peer, 1, r#"{"jsonrpc":"2.0","id":"a","method":"x"}"#),
        call(&peer, 1, r#"{"jsonrpc":"2.0","id":"b","method":"x"}"#),
    ];
    receive(&peer, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}"#);
    assert!(two.iter_mut().all(|reply| reply.next().now_or_never().is_none()), "nobody can say which");
}

#[test]
fn a_dropped_reply_is_a_cancelled_request_and_a_shared_link_asks_nobody() {
    let (peer, sent) = peer(false);
    drop(call(&peer, 1, r#"{"jsonrpc":"2.0","id":9,"method":"tools/call"}"#));
    assert!(sent.0.lock()[1].contains(r#""method":"notifications/cancelled","params":{"requestId":1"#));
    receive(&peer, r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#);
    assert!(sent.0.lock()[2].contains("-32601"), "{:?}", sent.0.lock());
    receive(&peer, r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#);
    assert_eq!(sent.0.lock()[3], r#"{"jsonrpc":"2.0","id":8,"result":{}}"#);
}

/// A link whose client shows folders.
fn peer_with_roots() -> (Arc<Peer>, Sent) {
    let sent = Sent::default();
    let capabilities = ClientCapabilities::of(br#"{"roots":{}}"#);
    (Peer::new(Box::new(sent.clone()), capabilities, true), sent)
}

#[test]
fn a_question_that_nobody_has_read_is_declined_when_nobody_will() {
    let (peer, sent) = peer_with_roots();
    let asking = call(&peer, 1, r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#);
    receive(&peer, r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#);
    drop(asking);
    let listening = peer.listen();
    receive(&peer, r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#);
    drop(listening);
    let sent = sent.0.lock().join("\n");
    for id in [7, 8] {
        assert!(sent.contains(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error""#)), "{id}: {sent}");
    }
}

#[test]
fn a_link_ends_with_questions_that_nobody_has_read() {
    let (peer, _) = peer_with_roots();
    let listening = peer.listen();
    receive(&peer, r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#);
    drop(listening);
    let (done, ended) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        peer.over(&Failure::new(Kind::Stopping, "enough"));
        done.send(())
    });
    ended.recv_timeout(Duration::from_secs(20)).expect("the end of a link waits for nothing");
}

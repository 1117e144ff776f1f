//! More calls at once than there is room for, and more news than anybody reads.

use std::collections::BTreeMap;

use janua::config::{Limits, Server};
use janua::connect;
use janua::proxy::Options;
use janua_testkit::client::message::{Message, call_params, initialize_params, notification, request};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, duplex};

use crate::server::{MOST, start};
use crate::{LEGACY, MODERN};

const CALLS: usize = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_at_once_are_each_answered_once() {
    let limits = Limits::default();
    let (client, server) = duplex(1 << 16);
    let (input, output) = tokio::io::split(server);
    let (reader, mut writer) = tokio::io::split(client);
    let options = Options { limits: limits.clone(), ..Options::new(Server::InProcess("everything".to_owned())) };
    let serving = connect::run(&options, input, output);
    let writing = async {
        let opening = request("\"open\"", "initialize", &initialize_params(LEGACY, "{}"));
        writer.write_all(format!("{opening}\n").as_bytes()).await.expect("written");
        writer
            .write_all(format!("{}\n", notification("notifications/initialized", "")).as_bytes())
            .await
            .expect("written");
        let params = call_params("countdown", r#"{"n":5}"#);
        for id in 0..CALLS {
            let line = request(&id.to_string(), "tools/call", &params);
            writer.write_all(format!("{line}\n").as_bytes()).await.expect("written");
        }
        writer
    };
    let reading = async {
        let mut lines = BufReader::new(reader).lines();
        let (mut answers, mut fine) = (BTreeMap::<String, usize>::new(), 0);
        while answers.len() <= CALLS {
            let line = lines.next_line().await.expect("a line").expect("not the end");
            let answer = Message::parse(&line).expect("JSON");
            *answers.entry(answer.id().expect("an answer")).or_default() += 1;
            match answer.error_code() {
                None => fine += 1,
                Some(_) => assert_eq!(answer.at("/error/data/code"), "overloaded", "{line}"),
            }
        }
        (answers, fine)
    };
    let both = async {
        let (writer, (answers, fine)) = tokio::join!(writing, reading);
        drop(writer);
        assert!(answers.values().all(|times| *times == 1), "answered twice");
        // At any time there was room for so many, and the first had it.
        assert!((limits.session_requests..CALLS).contains(&fine), "{fine} of {CALLS}");
    };
    tokio::select! {
        () = both => {}
        end = serving => panic!("it ended: {end:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_room_for_so_many_calls() {
    let (proxy, client, seen) = start().await;
    let modern = client.modern(MODERN, "{}");
    let most = MOST;
    let mut calls: Vec<_> = (0..most).map(|_| Box::pin(modern.call("hang", "{}"))).collect();
    let begun = |seen: &crate::server::Seen| {
        usize::try_from(seen.hanging.load(std::sync::atomic::Ordering::SeqCst)) == Ok(most)
    };
    tokio::select! {
        _ = futures_util::future::select_all(calls.iter_mut()) => panic!("one has ended"),
        () = seen.until("all begin", begun) => {}
    }
    let refused = modern.call("echo", r#"{"text":"x"}"#).await;
    assert_eq!(refused.response().at("/error/data/code"), "overloaded", "{}", refused.raw());
    drop(calls);
    let gone = |seen: &crate::server::Seen| {
        usize::try_from(seen.dropped.load(std::sync::atomic::Ordering::SeqCst)) == Ok(most)
    };
    seen.until("all are dropped", gone).await;
    assert_eq!(modern.call("echo", r#"{"text":"x"}"#).await.text(), "x");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_progress_ends_in_the_answer() {
    let (proxy, client, _) = start().await;
    let session = client.initialize(LEGACY, "{}").await;
    let params = r#"{"name":"flood","arguments":{},"_meta":{"progressToken":"p"}}"#;
    let reply = session.request("tools/call", params).await;
    assert_eq!(reply.text(), "flooded");
    let steps: Vec<_> = reply.notifications("notifications/progress");
    let steps: Vec<_> = steps.iter().filter_map(|step| step.at("/params/progress").as_f64()).collect();
    assert!(steps.is_sorted_by(|one, next| one < next), "out of order");
    assert_eq!(steps.last(), Some(&19_999.0), "the newest is kept");
    proxy.stop().await;
}

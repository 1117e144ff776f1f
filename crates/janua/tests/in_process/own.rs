//! What a server of somebody's own does wrong, or late, or never, is seen by the call that it happened in alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use janua::config::{Server, ServerSettings, Settings};
use janua::proxy::{self, Options};
use janua::serve::App;
use janua::server::{Factories, Factory};
use janua_testkit::client::Client;

use crate::server::{Difficult, Seen, start};
use crate::{LEGACY, MODERN};

const CAN: &str = r#"{"elicitation":{"form":{}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_of_that_call() {
    let (proxy, client, _) = start().await;
    let session = client.initialize(LEGACY, "{}").await;
    let modern = client.modern(MODERN, "{}");
    for tool in ["panic", "panic-later"] {
        assert_eq!(session.call(tool, "{}").await.error_code(), Some(-32603), "{tool}");
        assert_eq!(modern.call(tool, "{}").await.error_code(), Some(-32603), "{tool}");
    }
    session.notify("acme/panic", "").await;
    assert_eq!(session.call("echo", r#"{"text":"on"}"#).await.text(), "on");
    assert_eq!(modern.call("echo", r#"{"text":"on"}"#).await.text(), "on");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_an_error_of_that_call() {
    let (proxy, client, _) = start().await;
    let session = client.initialize(LEGACY, "{}").await;
    assert_eq!(session.request("tools/list", "").await.error_code(), Some(-32603));
    assert_eq!(session.request("acme/number", "").await.error_code(), Some(-32603));
    assert_eq!(session.request("acme/mirror", r#"{"a":[1.0]}"#).await.result().to_string(), r#"{"a":[1.0]}"#);
    let error = session.request("acme/error", "").await.response().member("error");
    assert_eq!(error.as_deref(), Some(r#"{"code":42,"message":"no","data":true}"#));
    assert_eq!(session.request("prompts/list", "").await.error_code(), Some(-32601), "it has none");
    assert_eq!(session.request("tools/list", r#"{"cursor":"x"}"#).await.error_code(), Some(-32602));
    assert_eq!(session.request("tools/call", r#"{"name":"echo","arguments":[]}"#).await.error_code(), Some(-32602));
    assert_eq!(session.request("tools/call", "{}").await.error_code(), Some(-32602));
    assert_eq!(session.call("echo", r#"{"text":7}"#).await.error_code(), Some(-32602));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_is_dropped_when_it_is_cancelled() {
    let (proxy, client, seen) = start().await;
    let session = client.initialize(LEGACY, "{}").await;
    let exchange = session.open_call("hang", "{}");
    let cancelled = async {
        seen.until("it begins", |seen| seen.hanging.load(Ordering::SeqCst) == 1).await;
        session.cancel("1").await;
    };
    let (exchange, ()) = tokio::join!(exchange, cancelled);
    assert_eq!(exchange.id, "1");
    assert_eq!(exchange.finish().await.error_code(), Some(-32800));
    seen.until("it is dropped", |seen| seen.dropped.load(Ordering::SeqCst) == 1).await;
    seen.until("its task hears of it", |seen| seen.told.load(Ordering::SeqCst) == 1).await;

    // A client without a session cancels by leaving.
    let modern = client.modern(MODERN, "{}");
    tokio::select! {
        _ = modern.call("hang", "{}") => panic!("it ended"),
        () = seen.until("it begins", |seen| seen.hanging.load(Ordering::SeqCst) == 2) => {}
    }
    seen.until("it is dropped", |seen| seen.dropped.load(Ordering::SeqCst) == 2).await;

    // A future that panics when it is dropped takes nobody along.
    tokio::select! {
        _ = modern.call("bomb", "{}") => panic!("it ended"),
        () = seen.until("it begins", |seen| seen.hanging.load(Ordering::SeqCst) == 3) => {}
    }
    seen.until("it is dropped", |seen| seen.dropped.load(Ordering::SeqCst) == 3).await;
    assert_eq!(modern.call("echo", r#"{"text":"on"}"#).await.text(), "on");

    // The end of a session ends its calls.
    let exchange = async { session.open_call("hang", "{}").await.finish().await };
    let ended = async {
        seen.until("it begins", |seen| seen.hanging.load(Ordering::SeqCst) == 4).await;
        session.delete().await;
    };
    let (reply, ()) = tokio::join!(exchange, ended);
    assert!(reply.response.is_none_or(|response| response.error_code().is_some()), "it was answered");
    seen.until("it is dropped", |seen| seen.dropped.load(Ordering::SeqCst) == 4).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_declined_refused_and_withdrawn() {
    let (proxy, client, _) = start().await;
    let ask = r#"{"name":"ask","arguments":{}}"#;
    let session = client.initialize(LEGACY, CAN).await;
    for (said, text) in [
        (r#"{"action":"accept","content":{"x":1.0}}"#, r#"{"x":1.0}"#),
        (r#"{"action":"decline"}"#, "Declined"),
        (r#"{"action":"cancel"}"#, "Cancelled"),
    ] {
        let reply = session.request_answering("tools/call", ask, |_| said.to_owned()).await;
        assert_eq!(reply.text(), text);
        let modern = client.modern(MODERN, CAN);
        let answered = modern.call_answering("ask", "{}", |_, _| said.to_owned()).await;
        assert_eq!((answered.reply.text(), answered.asked.len()), (text, 1));
    }
    // The client's error is the call's, unless the server makes something else of it.
    let mut exchange = session.open_call("ask", "{}").await;
    let question = exchange.message().await;
    assert_eq!(question.method(), Some("elicitation/create"));
    session.respond_error(&question.id().expect("an id"), -32099, "not now").await;
    assert_eq!(exchange.finish().await.error_code(), Some(-32099));

    // Who cannot be asked is not.
    let mute = client.initialize(LEGACY, "{}").await;
    assert_eq!(mute.call("ask", "{}").await.error_code(), Some(-32601));
    assert_eq!(client.modern(MODERN, "{}").call("ask", "{}").await.error_code(), Some(-32601));
    assert_eq!(session.call("ask-strangely", "{}").await.error_code(), Some(-32601));

    // A question that the server does not wait for any more is withdrawn.
    let mut exchange = session.open_call("ask-briefly", "{}").await;
    let question = exchange.message().await;
    let withdrawn = exchange.message().await;
    assert_eq!(withdrawn.method(), Some("notifications/cancelled"), "{}", withdrawn.raw());
    assert_eq!(withdrawn.at("/params/requestId").to_string(), question.id().expect("an id"));
    assert_eq!(exchange.finish().await.text(), "too late");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_knows_whom_it_serves() {
    let (proxy, client, _) = start().await;
    let (one, two) = (client.initialize(LEGACY, "{}").await, client.initialize(LEGACY, "{}").await);
    let who = |reply: janua_testkit::client::session::Reply| reply.result()["structuredContent"].clone();
    let (first, second) = (who(one.call("who", "{}").await), who(two.call("who", "{}").await));
    assert_eq!((&first["serves"], &second["serves"]), (&"session".into(), &"session".into()));
    assert_ne!(first["instance"], second["instance"]);
    assert_eq!(first, who(one.call("who", "{}").await), "it stays the same");
    assert!(first["client"]["name"].is_string(), "{first}");
    let plain = client.modern(MODERN, "{}");
    let shared = who(plain.call("who", "{}").await);
    assert_eq!((&shared["serves"], &shared["client"]["name"]), (&"class".into(), &"janua".into()));
    assert_eq!(shared, who(client.modern(MODERN, "{}").call("who", "{}").await), "they share one");
    assert_ne!(shared["instance"], who(client.modern(MODERN, CAN).call("who", "{}").await)["instance"]);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_a_failed_start() {
    let mut options = Options::new(Server::InProcess("nobody".to_owned())).port(0);
    options.factories = Factories::none().with("difficult", Factory::new(|_| -> Difficult { panic!("on purpose") }));
    let proxy = proxy::start(options.clone()).await.expect("a free port");
    let client = Client::new(&format!("http://{}/mcp", proxy.address()));
    let refused = client.try_initialize(LEGACY, "{}").await;
    let error = refused.response().at("/error").clone();
    assert_eq!(error["data"]["code"], "start_failed", "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(r#""nobody""#) && message.contains("difficult"), "{message}");
    proxy.stop().await;

    // So is a server that panics when it is made.
    options.server = Server::InProcess("difficult".to_owned());
    let proxy = proxy::start(options).await.expect("a free port");
    let client = Client::new(&format!("http://{}/mcp", proxy.address()));
    let refused = client.try_initialize(LEGACY, "{}").await;
    assert_eq!(refused.response().at("/error/data/code"), "start_failed", "{}", refused.raw());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_many_has_them_beside_the_built_in_ones() {
    let seen = Arc::new(Seen::default());
    let factory = Factory::new(move |user| Difficult { user, seen: seen.clone() });
    let mut settings = Settings { port: 0, ..Settings::default() };
    for (name, server) in [("mine", "difficult"), ("data", "simple-tools-server")] {
        settings.servers.insert(name.to_owned(), ServerSettings::new(Server::InProcess(server.to_owned())));
    }
    let app = App::builder().settings(settings).factory("difficult", factory).build();
    let running = app.serve().await.expect("a free port");
    for (name, tool, args, text) in
        [("mine", "echo", r#"{"text":"on"}"#, "on"), ("data", "list-data", "{}", "No data stored")]
    {
        let client = Client::new(&format!("http://{}/mcp/{name}", running.address()));
        assert_eq!(client.initialize(LEGACY, "{}").await.call(tool, args).await.text(), text);
        assert_eq!(client.modern(MODERN, "{}").call(tool, args).await.text(), text);
    }
    running.stop().await;
}

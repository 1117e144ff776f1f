//! Calls through the union: progress, log messages, cancellation, headers, and whose answer is whose.

use janua_testkit::client::message::{call_params, notification};
use janua_testkit::process::eventually;
use serde_json::json;

use crate::scene::{Folder, SOON, Scene, everything, heard, script, scripted};
use janua_testkit::gateway::program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_comes_under_the_clients_own_token() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything("--era modern")})).await;
    let session = scene.session("/mcp").await;
    let mut modern = scene.modern("/mcp");
    modern.envelope.meta = r#""progressToken":"own""#.to_owned();
    for server in ["a", "b"] {
        let tool = format!("{server}__report");
        let params = format!(r#"{{"name":"{tool}","arguments":{{}},"_meta":{{"progressToken":"own"}}}}"#);
        let with = session.request("tools/call", &params).await;
        let without = modern.call(&tool, "{}").await;
        for reply in [with, without] {
            assert_eq!(reply.text(), "Reported five times.");
            let told = reply.notifications("notifications/progress");
            let steps: Vec<_> = told.iter().map(|said| said.at("/params/progress").clone()).collect();
            assert_eq!(steps, [1, 2, 3, 4, 5], "{server}");
            assert!(told.iter().all(|said| said.at("/params/progressToken") == "own"), "{server}: {told:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_log_messages_reaches_links_that_are_opened_later() {
    let folder = Folder::new();
    let servers = json!({
        "old": folder.journaled("old", ""), "new": folder.journaled("new", "--era modern"),
        "used": folder.journaled("used", ""),
    });
    let scene = folder.serve(&json!({"servers": servers})).await;
    let session = scene.session("/mcp").await;
    let logs = async |server: &str| {
        let reply = session.call(&format!("{server}__test_logging_tool"), "{}").await;
        assert_eq!(reply.text(), "Logged one message.");
        reply.notifications("notifications/message").len()
    };
    assert_eq!(logs("used").await, 1);
    session.request("logging/setLevel", r#"{"level":"error"}"#).await.result();
    for server in ["used", "old", "new"] {
        assert_eq!(logs(server).await, 0, "{server} heard of it");
    }
    session.request("logging/setLevel", r#"{"level":"info"}"#).await.result();
    for server in ["used", "old", "new"] {
        assert_eq!(logs(server).await, 1, "{server} heard of it");
    }
    let refused = session.request("logging/setLevel", r#"{"level":"loud"}"#).await;
    assert_eq!(refused.error_code(), Some(-32602), "{}", refused.raw());
    let others = scene.session("/mcp").await.call("old__test_logging_tool", "{}").await;
    assert_eq!(others.notifications("notifications/message").len(), 1, "another session has a level of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_call_is_cancelled_at_its_server() {
    let folder = Folder::new();
    let servers = json!({"a": folder.journaled("a", ""), "b": folder.journaled("b", "--era modern")});
    let scene = folder.serve(&json!({"servers": servers})).await;
    let session = scene.session("/mcp").await;
    let modern = scene.modern("/mcp");
    let slow = |message: &janua_testkit::client::message::Message| message.at("/params/name") == "slow_compute";
    for server in ["a", "b"] {
        let params = call_params(&format!("{server}__slow_compute"), r#"{"seconds":600}"#);
        let cancels = || scene.folder.seen(server, "notifications/cancelled").len();
        let calling = session.open_id("77", "tools/call", &params);
        let cancelling = async {
            scene.folder.reached(server, slow).await;
            session.cancel("77").await;
        };
        let (exchange, ()) = tokio::join!(calling, cancelling);
        assert!(eventually(SOON, || cancels() == 1).await, "{server}: {:?}", scene.folder.lines(server));
        drop(exchange);

        let calls = scene.folder.seen(server, "tools/call").len();
        {
            let open = modern.open("tools/call", &params);
            tokio::pin!(open);
            tokio::select! {
                _ = &mut open => panic!("it cannot be answered"),
                there = eventually(SOON, || scene.folder.seen(server, "tools/call").len() > calls) => assert!(there),
            }
        }
        assert!(eventually(SOON, || cancels() == 2).await, "{server}: a client that leaves gives up its call");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_cancelled_while_its_server_still_starts() {
    let folder = Folder::new();
    let gate = folder.path("gate");
    let journal = folder.path("late");
    let text = format!(
        "while [ ! -e {} ]; do sleep 0.05; done\nexec {} --journal {}\n",
        gate.display(),
        program("everything").display(),
        journal.display()
    );
    let late = script(&folder.write("late.sh", &text));
    // Nothing is known of it yet, so the call waits for it.
    let scene = folder.serve(&json!({"servers": {"late": late, "a": everything("")}})).await;
    let quick = scene.session("/mcp").await;
    let params = call_params("late__echo", r#"{"text":"never"}"#);
    let calling = quick.open_id("9", "tools/call", &params);
    let cancelling = async {
        // Another call of the same session is not held up, and comes after the one that waits.
        assert_eq!(quick.call("a__echo", r#"{"text":"meanwhile"}"#).await.text(), "meanwhile");
        quick.cancel("9").await;
    };
    let (exchange, ()) = tokio::join!(calling, cancelling);
    drop(exchange);
    std::fs::write(&gate, "").expect("opened");
    let late = scene.session("/mcp/late").await;
    assert_eq!(late.call("echo", r#"{"text":"here"}"#).await.text(), "here");
    let calls = scene.folder.seen("late", "tools/call");
    assert!(calls.iter().all(|call| call.at("/params/arguments/text") == "here"), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_travel_as_headers_are_held_against_the_shown_name() {
    let folder = Folder::new();
    let mut renamed = folder.journaled("b", "--era modern");
    renamed["tools"] = json!({"rename": {"test_x_mcp_header": "where"}});
    let servers = json!({"a": everything("--era modern"), "b": renamed});
    let scene = folder.serve(&json!({"servers": servers})).await;
    let modern = scene.modern("/mcp");
    modern.request("tools/list", "").await.result();
    for tool in ["a__test_x_mcp_header", "b__where"] {
        let params = call_params(tool, r#"{"region":"eu"}"#);
        let matching = [("mcp-param-region", "eu")];
        let done = modern.open_with("tools/call", &params, &matching).await.finish().await;
        assert_eq!(done.text(), "region=eu", "{tool}");
        for wrong in [&[("mcp-param-region", "us")][..], &[]] {
            let refused = modern.open_with("tools/call", &params, wrong).await.finish().await;
            assert_eq!(refused.status, 400, "{tool} {wrong:?}: {}", refused.body);
            assert_eq!(refused.error_code(), Some(-32020), "{tool} {wrong:?}: {}", refused.body);
        }
        let misnamed = [("mcp-param-region", "eu"), ("mcp-name", "test_x_mcp_header")];
        let refused = modern.open_with("tools/call", &params, &misnamed).await.finish().await;
        assert_eq!(refused.error_code(), Some(-32020), "{tool}: {}", refused.body);
    }
    assert_eq!(scene.folder.seen("b", "tools/call").len(), 1, "nothing of it reached the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_under_the_same_ids_get_their_own_answers() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything("--era modern")})).await;
    let one = async |number: usize| {
        let session = scene.session("/mcp").await;
        let modern = scene.modern("/mcp");
        for round in 0..20 {
            let text = format!("{number}/{round}");
            let args = json!({"text": text}).to_string();
            let params = [call_params("a__echo", &args), call_params("b__echo", &args)];
            let (a, b, c, d) = tokio::join!(
                session.request_id("1", "tools/call", &params[0]),
                session.request_id("2", "tools/call", &params[1]),
                async { modern.open_id("1", "tools/call", &params[0], &[]).await.finish().await },
                async { modern.open_id("2", "tools/call", &params[1], &[]).await.finish().await },
            );
            for reply in [a, b, c, d] {
                assert_eq!(reply.text(), text);
            }
        }
    };
    tokio::join!(one(1), one(2), one(3), one(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_answers_passes_as_it_stands() {
    let odd = r#"{ "content" : [ ], "n" : 1.0,"big":12345678901234567890123, "s":"\u00e9\/\t" }"#;
    let (server, a) = scripted(&[("tools/list", &crate::scene::tools(&["odd"])), ("tools/call", odd)]).await;
    let scene = Scene::of(json!({"a": a, "b": everything("")})).await;
    let session = scene.session("/mcp").await;
    let args = r#"{ "n" : 1.0, "big":12345678901234567890123, "s":"\u00e9\/" }"#;
    let reply = session.call("a__odd", args).await;
    assert!(reply.raw().contains(odd), "{}", reply.raw());
    let seen = server.seen_rpc("tools/call");
    assert!(seen[0].raw().contains(args), "{}", seen[0].raw());
    assert_eq!(seen[0].at("/params/name"), "odd");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_name_nothing_are_for_a_lone_server_only() {
    let (_a, a) = scripted(&[("acme/thing", r#"{"acme":true}"#)]).await;
    let (_b, b) = scripted(&[("acme/thing", r#"{"acme":true}"#)]).await;
    let scene = Scene::of(json!({"a": a, "b": b})).await;
    let lone = scene.session("/mcp/a").await.request("acme/thing", "").await;
    assert_eq!(lone.result()["acme"], true);
    let refused = scene.session("/mcp").await.request("acme/thing", "").await;
    assert_eq!(refused.error_code(), Some(-32601), "{}", refused.raw());
    let said = refused.response().at("/error/message").as_str().expect("a reason");
    assert!(said.contains("use the address of the server"), "{said}");
    assert_eq!(scene.session("/mcp").await.request("ping", "").await.result(), &json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_beside_its_calls_reaches_the_session_that_uses_it() {
    let (server, a) = scripted(&[]).await;
    let scene = Scene::of(json!({"a": a, "b": everything("")})).await;
    let session = scene.session("/mcp").await;
    let mut stream = session.listen().await;
    assert_eq!(session.call("a__echo", r#"{"text":"x"}"#).await.text(), "x");
    server.push(&notification("notifications/message", r#"{"level":"info","data":"aside"}"#)).await;
    let said = heard(&mut stream, "notifications/message").await;
    assert_eq!(said.at("/params/data"), "aside", "{}", said.raw());
}

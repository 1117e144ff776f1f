//! The tools of `probe`.

use janua_testkit::process::{alive, eventually_sync, stat};
use serde_json::{Value, json};

use crate::drive::{DEADLINE, Driven, Leftover, ignores_term, text_of};

fn start(words: &[&str]) -> Driven {
    Driven::start(env!("CARGO_BIN_EXE_probe"), words)
}

fn ready() -> Driven {
    let mut server = start(&[]);
    server.initialize();
    server
}

fn info(server: &mut Driven) -> Value {
    serde_json::from_str(&server.call("info", &json!({}))).expect("JSON")
}

/// Calls a tool with a progress token and gives the text of the answer.
fn call_with_token(server: &mut Driven, tool: &str, arguments: &Value, token: &Value) -> String {
    let meta = json!({"progressToken": token});
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    let id = server.request("tools/call", &params);
    text_of(&server.answer(id))
}

fn skipped(server: &mut Driven) -> Vec<Value> {
    let lines = std::mem::take(&mut server.skipped);
    lines.iter().map(|line| serde_json::from_slice(line).expect("JSON")).collect()
}

#[test]
fn it_greets_and_lists() {
    let mut server = start(&[]);
    let greeting = server.initialize()["result"].clone();
    assert_eq!(
        greeting,
        json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}, "logging": {}},
            "serverInfo": {"name": "probe", "version": "1.0"},
        })
    );
    let id = server.request("tools/list", &json!({}));
    let tools = server.answer(id)["result"]["tools"].clone();
    let bare = tools.as_array().expect("a list").iter().find(|tool| tool["name"] == "bare/name");
    assert!(bare.expect("it is listed").get("description").is_none());
    let stderr = std::sync::Arc::clone(&server.stderr);
    let one_line = || stderr.lock().expect("whole").as_slice() == b"probe: started\n";
    assert!(eventually_sync(DEADLINE, one_line));
    let full = start(&["--full"]).initialize()["result"]["capabilities"].clone();
    assert_eq!(full["resources"], json!({"subscribe": true, "listChanged": true}));
    assert_eq!(full["tools"], json!({"listChanged": true}));
}

#[test]
fn every_listed_tool_but_one_is_known() {
    let listed: Value = serde_json::from_str(include_str!("../../src/servers/probe/tools.json")).expect("JSON");
    for tool in listed.as_array().expect("a list") {
        let name = tool["name"].as_str().expect("a name");
        let mut server = ready();
        let id = server.begin(name, &json!({}));
        server.close();
        let rest = server.rest();
        if name == "crash" {
            assert!(rest.is_empty());
            assert_eq!(server.status().code(), Some(3));
            continue;
        }
        let rest = String::from_utf8(rest).expect("text");
        let answer = rest.lines().filter(|line| line.starts_with('{')).find_map(|line| {
            let message: Value = serde_json::from_str(line).expect("JSON");
            (message["id"] == id && message.get("method").is_none()).then_some(message)
        });
        let answer = answer.unwrap_or_else(|| panic!("no answer of {name} in {rest}"));
        let unknown = format!("Unknown tool: {name}");
        assert_eq!(answer["error"]["message"] == unknown.as_str(), name == "bare/name", "{name}");
        if let ("spawn" | "daemon", Ok(pid)) = (name, text_or_empty(&answer).parse()) {
            drop(Leftover(pid));
        }
    }
}

fn text_or_empty(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn plain_answers() {
    let mut server = ready();
    assert_eq!(server.call("echo", &json!({"text": "hi \u{2028}\u{1f600}"})), "hi \u{2028}\u{1f600}");
    let id = server.begin("echo", &json!({}));
    let result = server.answer(id)["result"].clone();
    assert_eq!((&result["isError"], text_or_empty(&json!({"result": result}))), (&json!(true), "text is required"));
    let id = server.begin("rpcerror", &json!({}));
    let expected = json!({"code": -32602, "message": "bad params", "data": {"x": 1}});
    assert_eq!(server.answer(id)["error"], expected);
    assert_eq!(server.call("garbage", &json!({})), "printed garbage");
    assert_eq!(server.skipped.len(), 1);
    assert!(serde_json::from_slice::<Value>(&server.skipped[0]).is_err());
    let id = server.request("ping", &json!({}));
    assert_eq!(server.answer(id)["result"], json!({}));
    let id = server.request("nope/nope", &json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32601);
    server.send(r#"[{"jsonrpc":"2.0","id":900,"method":"ping"}]"#);
    assert_eq!(server.message()["error"]["code"], -32600);
    server.send("{bad");
    assert_eq!(server.message()["error"]["code"], -32700);
    server.check_alive();
}

#[test]
fn bytes_pass_untouched() {
    let mut server = ready();
    let line = r#"{ "id":98765432109876543210 ,"zzz":1.0,"method":"tools/call","params":{"name":"raw","arguments":{"n":12345678901234567890123,"a":1e3,"a":-0}},"jsonrpc":"2.0" }"#;
    server.send(line);
    let answer = server.line().expect("an answer");
    assert!(answer.starts_with(br#"{"jsonrpc":"2.0","id":98765432109876543210,"result":"#));
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(text_of(&answer), line);
    let arguments = json!({"json": r#"{"b":1.0,"a":12345678901234567890123}"#, "extra": r#""x":1e2"#});
    let id = server.begin("rawresult", &arguments);
    let raw = server.line().expect("an answer");
    let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"b":1.0,"a":12345678901234567890123}},"x":1e2}}"#);
    assert_eq!(String::from_utf8(raw).expect("text"), expected);
}

#[test]
fn info_shows_what_arrived() {
    let program = env!("CARGO_BIN_EXE_probe");
    let mut server = Driven::start_with(program, &["--alpha", "1", "pos"], "PROBE_X_Y", "z");
    server.initialize();
    server.send(r#"{"jsonrpc":"2.0","id":"abc","method":"ping"}"#);
    server.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":98765432109876543210,"reason":"r"}}"#);
    let id = server.begin("info", &json!({}));
    let text = text_of(&server.answer(id));
    assert!(text.contains(r#""cancelled":[{"requestId":98765432109876543210,"reason":"r"}]"#));
    let info: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(info["pid"], server.pid());
    assert_eq!(info["argv"], json!(["--alpha", "1", "pos"]));
    assert_eq!(info["probe_env"], json!({"PROBE_X_Y": "z"}));
    let cwd = std::env::current_dir().expect("a directory");
    assert_eq!(info["cwd"], cwd.to_str().expect("text"));
    let seen = ["initialize#1", "notifications/initialized", "ping#abc", "notifications/cancelled", "tools/call#2"];
    assert_eq!(info["seen"], json!(seen));
    let environment: Value = serde_json::from_str(&server.call("env", &json!({}))).expect("JSON");
    assert_eq!(environment["PROBE_X_Y"], "z");
    assert!(environment.get("PATH").is_some());
}

#[test]
fn calls_run_in_parallel_and_end_with_the_input() {
    let mut server = ready();
    let long = server.begin("slow", &json!({"s": 3600}));
    let short = server.begin("slow", &json!({"s": 0.05}));
    assert_eq!(text_of(&server.answer(short)), "slept");
    server.check_alive();
    assert!(server.skipped.is_empty());
    server.close();
    assert_eq!(text_of(&server.answer(long)), "interrupted");
    assert_eq!(server.status().code(), Some(0));
}

#[test]
fn notifications_come_before_the_result() {
    let mut server = ready();
    assert_eq!(call_with_token(&mut server, "noisy", &json!({}), &json!("p")), "noised");
    let progress = json!({"progressToken": "p", "progress": 1, "total": 2});
    assert_eq!(
        skipped(&mut server),
        [
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "hello"}}),
            json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}),
        ]
    );
    assert_eq!(server.call("noisy", &json!({})), "noised");
    assert_eq!(skipped(&mut server).len(), 1);
    call_with_token(&mut server, "progress", &json!({"n": 5}), &json!(7));
    let reports = skipped(&mut server);
    assert_eq!(reports.len(), 5);
    for (number, report) in (1..).zip(&reports) {
        let expected = json!({"progressToken": 7, "progress": number, "total": 5});
        assert_eq!(report["params"], expected);
    }
    server.call("flood", &json!({"n": 20, "size": 30_000}));
    let flood = skipped(&mut server);
    assert_eq!(flood.len(), 20);
    for (number, message) in (1..).zip(&flood) {
        assert_eq!(message["method"], "notifications/message");
        assert_eq!(message["params"]["data"]["number"], number);
        assert_eq!(message["params"]["data"]["fill"].as_str().map(str::len), Some(30_000));
    }
}

#[test]
fn questions_return_the_raw_answer() {
    let mut server = ready();
    for (tool, method) in [
        ("sample", "sampling/createMessage"),
        ("elicit", "elicitation/create"),
        ("roots", "roots/list"),
        ("pingclient", "ping"),
    ] {
        for answer in [r#""result":{ "n":12345678901234567890123,"n":1.0}"#, r#""error":{"code":-1,"message":"no"}"#] {
            let call = server.begin(tool, &json!({}));
            let question = server.message();
            assert_eq!(question["method"], method);
            server.send(&format!(r#"{{"jsonrpc":"2.0","id":{},{answer}}}"#, question["id"]));
            assert_eq!(text_of(&server.answer(call)), format!("{{{answer}}}"));
        }
        let call = server.begin(tool, &json!({"params": {"own": [1.5]}}));
        let question = server.message();
        assert_eq!(question["params"], json!({"own": [1.5]}));
        server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {}}).to_string());
        server.answer(call);
    }
    let call = server.begin("ask2", &json!({}));
    let (first, second) = (server.message(), server.message());
    assert_ne!(first["id"], second["id"]);
    for question in [second, first] {
        let result = json!({"to": question["params"]["message"]});
        server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string());
    }
    assert_eq!(text_of(&server.answer(call)), r#"[{"result":{"to":"First?"}},{"result":{"to":"Second?"}}]"#);
}

#[test]
fn ask_has_a_fixed_id_and_waits_for_nothing() {
    let mut server = ready();
    let call = server.begin("ask", &json!({}));
    let question = server.message();
    assert_eq!(question, json!({"jsonrpc": "2.0", "id": "srv-1", "method": "roots/list"}));
    let seen = format!("asked; client messages so far: initialize#1,notifications/initialized,tools/call#{call}");
    assert_eq!(text_of(&server.answer(call)), seen);
    server.send(r#"{"jsonrpc":"2.0","id":"srv-1","result":{"roots":[]}}"#);
    let seen = info(&mut server)["seen"].clone();
    assert_eq!(seen[3], "None#srv-1");
}

#[test]
fn lists_and_resources_change() {
    let mut server = ready();
    server.call("listchanged", &json!({"add": "extra"}));
    let methods: Vec<Value> = skipped(&mut server).iter().map(|message| message["method"].clone()).collect();
    let expected = ["tools", "prompts", "resources"].map(|list| format!("notifications/{list}/list_changed"));
    assert_eq!(json!(methods), json!(expected));
    let id = server.request("tools/list", &json!({}));
    assert!(server.answer(id)["result"]["tools"].to_string().contains(r#""name":"extra""#));
    assert_eq!(server.call("extra", &json!({})), "extra was added");
    for (method, heard) in [("resources/subscribe", 1), ("resources/unsubscribe", 0)] {
        let id = server.request(method, &json!({"uri": "test://a"}));
        assert_eq!(server.answer(id)["result"], json!({}));
        server.call("touch", &json!({}));
        let updates = skipped(&mut server);
        assert_eq!(updates.len(), heard);
        assert!(updates.iter().all(|update| update["params"]["uri"] == "test://a"));
    }
    let id = server.request("resources/read", &json!({"uri": "test://a"}));
    assert_eq!(server.answer(id)["result"]["contents"][0]["text"], "content of a");
    let id = server.request("resources/read", &json!({"uri": "test://b"}));
    assert_eq!(server.answer(id)["error"]["code"], -32002);
}

#[test]
fn descendants_outlive_the_server() {
    let mut server = ready();
    let mut start =
        |tool: &str, arguments: Value| Leftover(server.call(tool, &arguments).parse().expect("a process id"));
    let child = start("spawn", json!({}));
    let tough = start("spawn", json!({"ignore_term": true}));
    let daemon = start("daemon", json!({}));
    assert_eq!(stat(child.0).expect("it runs").parent, server.pid());
    assert!(eventually_sync(DEADLINE, || ignores_term(tough.0)));
    assert!(!ignores_term(child.0));
    let found = stat(daemon.0).expect("it runs");
    assert_ne!(found.parent, server.pid());
    assert_ne!(found.session, stat(server.pid()).expect("it runs").session);
    server.finish();
    assert!(alive(child.0) && alive(tough.0) && alive(daemon.0));
}

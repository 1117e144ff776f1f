//! What `everything` does beyond what the conformance suite looks at.

use serde_json::{Value, json};

use crate::drive::{Driven, text_of};

fn everything(version: &str, capabilities: &Value) -> (Driven, Value) {
    let mut server = Driven::start(env!("CARGO_BIN_EXE_everything"), &[]);
    let client = json!({"name": "driver", "version": "1"});
    let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": client});
    let id = server.request("initialize", &params);
    let greeting = server.answer(id)["result"].clone();
    (server, greeting)
}

#[test]
fn the_version_is_the_asked_one_or_the_latest() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        assert_eq!(everything(version, &json!({})).1["protocolVersion"], version);
    }
    assert_eq!(everything("1999-01-01", &json!({})).1["protocolVersion"], "2025-11-25");
}

#[test]
fn every_listed_entry_can_be_had() {
    let (mut server, _) = everything("2025-11-25", &json!({}));
    let id = server.request("tools/list", &json!({}));
    let tools = server.answer(id)["result"]["tools"].clone();
    let tools = tools.as_array().expect("a list");
    assert!(tools.len() > 30);
    assert!(tools.iter().all(|tool| tool["inputSchema"]["type"] == "object"));
    let id = server.request("resources/list", &json!({}));
    let resources = server.answer(id)["result"]["resources"].clone();
    for resource in resources.as_array().expect("a list") {
        let id = server.request("resources/read", &json!({"uri": resource["uri"]}));
        let contents = server.answer(id)["result"]["contents"][0].clone();
        assert!(contents.get("text").or(contents.get("blob")).is_some(), "{contents}");
        assert_eq!((&contents["uri"], &contents["mimeType"]), (&resource["uri"], &resource["mimeType"]));
    }
    let id = server.request("resources/read", &json!({"uri": "test://template/7/data"}));
    let text = server.answer(id)["result"]["contents"][0]["text"].clone();
    let document: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
    assert_eq!(document, json!({"id": "7", "templateTest": true, "data": "Data for ID: 7"}));
    let id = server.request("resources/read", &json!({"uri": "test://template/7/8/data"}));
    assert_eq!(server.answer(id)["error"]["code"], -32002);
}

#[test]
fn lists_change_and_subscribers_hear_of_updates() {
    let (mut server, _) = everything("2025-11-25", &json!({}));
    for (list, tool, hidden) in [
        ("tools", "test_trigger_tool_change", "test_dynamic_tool"),
        ("prompts", "test_trigger_prompt_change", "test_dynamic_prompt"),
    ] {
        for expected in [true, false] {
            server.begin(tool, &json!({}));
            let method = format!("notifications/{list}/list_changed");
            assert_eq!(server.message()["method"], method.as_str());
            let id = server.request(&format!("{list}/list"), &json!({}));
            let listed = server.answer(id)["result"][list].to_string();
            assert_eq!(listed.contains(hidden), expected);
        }
    }
    let watched = json!({"uri": "test://watched-resource"});
    for (method, heard) in [("resources/subscribe", 1), ("resources/unsubscribe", 0)] {
        let id = server.request(method, &watched);
        server.answer(id);
        server.skipped.clear();
        server.call("test_touch_resource", &json!({}));
        // Answers to the tools above may still come in between.
        let is_update = |line: &&Vec<u8>| String::from_utf8_lossy(line).contains("notifications/resources/updated");
        let updates = server.skipped.iter().filter(is_update);
        assert_eq!(updates.count(), heard, "{method}");
    }
}

#[test]
fn log_messages_below_the_level_are_not_sent() {
    let (mut server, _) = everything("2025-11-25", &json!({}));
    for (level, heard) in [("debug", 1), ("warning", 0), ("info", 1)] {
        let id = server.request("logging/setLevel", &json!({"level": level}));
        assert_eq!(server.answer(id)["result"], json!({}));
        server.skipped.clear();
        server.call("test_logging_tool", &json!({}));
        assert_eq!(server.skipped.len(), heard, "{level}");
    }
    let id = server.request("logging/setLevel", &json!({"level": "loud"}));
    assert_eq!(server.answer(id)["error"]["code"], -32602);
}

#[test]
fn the_client_is_asked_in_the_words_of_its_revision() {
    for (version, mode) in [("2025-06-18", Value::Null), ("2025-11-25", json!("form"))] {
        let (mut server, _) = everything(version, &json!({"elicitation": {}}));
        let call = server.begin("test_elicitation", &json!({"message": "who?"}));
        let question = server.message();
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(question["params"]["mode"], mode);
        assert_eq!(question["params"]["message"], "who?");
        let result = json!({"action": "accept", "content": {"username": "u", "email": "e"}});
        server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string());
        let text = text_of(&server.answer(call));
        assert_eq!(text, r#"User response: action=accept, content={"email":"e","username":"u"}"#);
        let refused = server.begin("test_elicitation", &json!({"message": "again?"}));
        let question = server.message();
        let error = json!({"code": -1, "message": "no"});
        server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": error}).to_string());
        assert_eq!(server.answer(refused)["result"]["isError"], true);
    }
    let (mut server, _) = everything("2025-06-18", &json!({}));
    let id = server.begin("test_sampling", &json!({"prompt": "x"}));
    assert_eq!(server.answer(id)["result"]["isError"], true);
}

#[test]
fn what_is_asked_together_comes_in_one_piece() {
    let (mut server, _) = everything("2025-11-25", &json!({"elicitation": {}}));
    let call = server.begin("multi_input", &json!({}));
    let before = server.chunk_count;
    let questions = [server.message(), server.message()];
    assert_eq!(server.chunk_count, before + 1);
    for question in questions.iter().rev() {
        let result = json!({"action": "accept", "content": {"name": "n"}});
        server.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string());
    }
    assert_eq!(text_of(&server.answer(call)), "got 2 answers");
}

#[test]
fn a_cancelled_call_is_not_answered() {
    let (mut server, _) = everything("2025-11-25", &json!({}));
    let slow = server.begin("slow_compute", &json!({"seconds": 3600}));
    let params = json!({"requestId": slow, "reason": "test"});
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string());
    assert_eq!(server.call("slow_compute", &json!({"seconds": 0.01})), "computed for 0.01 s");
    assert!(server.skipped.is_empty());
    assert!(server.finish().is_empty());
}

//! Messages of clients that are none, or that only look like one: refused, and never seen by a server.

use crate::scene::{assert_nothing_passed, assert_refused, open, probe};

/// Posts these bodies into a session: each must be refused with that code, and none reach the server.
async fn refuses(bodies: &[(&[u8], i64)]) {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    for (body, code) in bodies {
        let what = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let answer = session.post(body.to_vec()).await;
        assert_refused(&answer, &what);
        assert_eq!((answer.status.as_u16(), answer.message().error_code()), (400, Some(*code)), "{what}");
    }
    assert_nothing_passed(&session).await;
}

#[tokio::test]
async fn check_malformed_json() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list""#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"} {}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list",}"#,
        "{'jsonrpc':'2.0','id':1,'method':'tools/list'}",
        r#"{"jsonrpc":"2.0","id":01,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":NaN}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools\nlist\"}",
        "not JSON",
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32700))).await;
}

#[tokio::test]
async fn check_invalid_utf8_in_a_request_body() {
    let call = |text: &[u8]| [br#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":""#, text, br#""}}"#].concat();
    let wrong: [&[u8]; 6] = [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"\xe2\x82"];
    let bodies: Vec<Vec<u8>> = wrong.iter().map(|text| call(text)).chain([call(b"\0")]).collect();
    let bodies: Vec<(&[u8], i64)> = bodies.iter().map(|body| (body.as_slice(), -32700)).collect();
    refuses(&bodies).await;
}

#[tokio::test]
async fn check_100000_deep_nesting() {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"a":{open}{close}}}}}"#)
    };
    refuses(&[(deep(100_000).as_bytes(), -32600), (deep(1_000_000).as_bytes(), -32600)]).await;
    let gateway = probe("").await;
    let session = open(&gateway).await;
    // The object and its params are the first two levels. (The server's own parser takes 127.)
    assert_eq!(session.post(deep(125)).await.status, 200);
    assert_refused(&session.post(deep(127)).await, "one level too many");
}

#[tokio::test]
async fn check_empty_body() {
    refuses(&[(b"", -32700), (b" \r\n ", -32700)]).await;
}

#[tokio::test]
async fn check_body_is_not_an_object() {
    refuses(&[(b"42", -32600), (b"\"text\"", -32600), (b"null", -32600), (b"true", -32600)]).await;
}

#[tokio::test]
async fn check_wrong_jsonrpc_version() {
    let bodies = [
        r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"tools/list"}"#,
        r#"{"id":1,"method":"tools/list"}"#,
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn check_id_null() {
    refuses(&[(br#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, -32600)]).await;
}

#[tokio::test]
async fn check_id_object() {
    let ids = ["{}", "[1]", "true", "1.5", "1.0", "1e3"];
    let bodies = ids.map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
    refuses(&bodies.each_ref().map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn check_duplicate_method_key() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","\u006dethod":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"},"params":{"name":"crash"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"crash"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":1,"progressToken":2}}}"#,
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn keys_that_only_look_like_the_protocols_are_refused() {
    let bodies = [
        r#"{"jsonrpc":"2.0","id":1,"Method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","paramſ":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Params":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"tools/list"}"#,
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn messages_that_are_none_are_refused() {
    let bodies = [
        r#"{"jsonrpc":"2.0"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"text"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"both"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#,
        "[]",
    ];
    refuses(&bodies.map(|body| (body.as_bytes(), -32600))).await;
}

#[tokio::test]
async fn check_20_digit_id() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let ids = [
        "98765432109876543210",
        "9007199254740993",
        "-9007199254740993",
        "-0",
        r#""98765432109876543210""#,
        r#""\u0061\"/""#,
    ];
    for id in ids {
        let reply = session.request_id(id, "tools/list", "").await;
        assert_eq!(reply.response().id().as_deref(), Some(id));
        assert!(reply.result()["tools"].is_array());
    }
}

#[tokio::test]
async fn a_request_reaches_the_server_byte_for_byte_on_one_line() {
    let gateway = probe("").await;
    let session = open(&gateway).await;
    let params = "{\"name\" : \"raw\",\r\n \"arguments\": {\"a\":1,\"a\":1.0e+2, \"big\":12345678901234567890123,\"\\u00e4\":\"\\ud83d\\ude00\u{2028}\"}}";
    let reply = session.request("tools/call", params).await;
    let line = reply.text().to_owned();
    assert!(!line.contains(['\n', '\r']));
    let blanked = params.replace(['\r', '\n'], " ");
    assert!(line.contains(&blanked), "{line}");
}

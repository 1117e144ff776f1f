//! Messages that are taken: their parts, what they become, and batches of them.

use bytes::Bytes;
use janua_wire::id::{ClientId, LinkId};
use janua_wire::message::{Incoming, Invalid, MAX_BATCH, Message, Notification, Request, Response, parse, parse_one};
use janua_wire::method::Method;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn read(text: &str) -> Message {
    parse_one(bytes(text)).unwrap_or_else(|refused| panic!("{}: {text}", refused.why))
}

fn read_request(text: &str) -> Request {
    let Message::Request(request) = read(text) else { panic!("no request: {text}") };
    request
}

fn read_response(text: &str) -> Response {
    let Message::Response(response) = read(text) else { panic!("no response: {text}") };
    response
}

fn text_of(message: &Message) -> &Bytes {
    match message {
        Message::Request(request) => request.text(),
        Message::Notification(notification) => notification.text(),
        Message::Response(response) => response.text(),
    }
}

#[test]
fn every_legal_id_is_kept_and_given_back() {
    let ids = [
        "0",
        "-0",
        "1",
        "-1",
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551616",
        "123456789012345678901234567890",
        r#""""#,
        r#""1""#,
        r#""a b""#,
        r#""\u0061""#,
        r#""\ud800""#,
        r#""\"\\\/\n""#,
        "\"\u{1f600}\u{2028}\"",
        r#""null""#,
    ];
    for id in ids {
        let request = read_request(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}"));
        assert_eq!(request.id().raw(), id.as_bytes());
        assert_eq!(request.id().detached(), request.id());
        assert_eq!(format!("{:?}", request.id()), id);
        for kind in ["result", "error"] {
            let response = read_response(&format!("{{\"jsonrpc\":\"2.0\",\"id\" : {id} ,\"{kind}\":{{}}}}"));
            assert_eq!(response.id(), Some(id.as_bytes()));
            assert_eq!(response.is_error(), kind == "error");
        }
        let refused = parse_one(bytes(&format!("{{\"id\":{id}}}"))).expect_err("no version");
        assert_eq!(refused.id.expect("an id").raw(), id.as_bytes());
    }
}

#[test]
fn what_lies_deeper_and_what_is_unknown_pass_untouched() {
    let inside = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":{"a":1,"a":{"b":1,"b":2}},"_meta":{"own":{"c":1,"c":2}}}}"#;
    assert_eq!(text_of(&read(inside)), inside);
    assert_eq!(&read_request(inside).stamped(LinkId(1)).into_bytes(), inside);
    let untouched = [
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"Name\":1,\"ids\":1,\"m\u{e9}thod\":1,\"\":1,\"NAME\":2}",
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"Name":"n","Method":1,"arguments":{"_Meta":1,"ID":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"Method":1,"ID":1,"_Meta":{"PROGRESSTOKEN":1}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":["progresstoken"]}}"#,
    ];
    for text in untouched {
        assert_eq!(text_of(&read(text)), text);
    }
    let request = read_request(r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1,{"a":1,"a":2}]}"#);
    assert_eq!(request.params(), br#"[1,{"a":1,"a":2}]"#);
}

#[test]
fn a_request_of_the_modern_era_is_taken() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol\/clientCapabilities":{},"progressToken":"t","com.example/x":1}}}"#;
    let request = read_request(text);
    assert_eq!(request.text(), text);
    assert_eq!(request.progress_token().as_deref(), Some(&b"\"t\""[..]));
}

#[test]
fn escaped_keys_are_the_keys_they_spell() {
    let text = r#"{"\u006asonrpc":"2.0","\u0069d":7,"met\u0068od":"notifications\/progress","p\u0061rams":{"\u005fmeta":{"progress\u0054oken":"t"}}}"#;
    let request = read_request(text);
    assert_eq!((request.method(), &*request.name()), (Method::Progress, "notifications/progress"));
    assert_eq!(&request.stamped(LinkId(5)).into_bytes(), &text.replace(":7,", ":5,").replace("\"t\"", "5"));
}

#[test]
fn a_pretty_text_becomes_one_line_and_its_parts_stay() {
    let text = "\r\n{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\":\n7,\n\t\"method\": \"tools/call\",\r  \"params\": {\n \"_meta\": {\n  \"progressToken\":\n \"t\"\n } }\n}\r\n";
    let flat = text.replace(['\r', '\n'], " ");
    let request = read_request(text);
    assert_eq!(request.text(), flat.as_bytes());
    assert_eq!((request.id().raw(), &*request.name()), (&bytes("7"), "tools/call"));
    assert_eq!(request.params(), b"{  \"_meta\": {   \"progressToken\":  \"t\"  } }");
    assert_eq!(request.progress_token().as_deref(), Some(&b"\"t\""[..]));
    let stamped = request.stamped(LinkId(12)).into_bytes();
    assert_eq!(stamped, flat.replace('7', "12").replace("\"t\"", "12"));

    let response = read_response("{\n\"jsonrpc\":\"2.0\",\n\"result\":[\n1\n],\n\"id\":\n\"x\"\n}");
    assert_eq!(response.body(), b"[ 1 ]");
    assert_eq!(response.answering(b"3").into_bytes(), "{ \"jsonrpc\":\"2.0\", \"result\":[ 1 ], \"id\": 3 }");
}

#[test]
fn errors_without_an_id_can_be_answered() {
    for (text, wanted) in [
        (r#" {"jsonrpc":"2.0","error":{"code":1},"x":2}"#, r#" {"id":"q","jsonrpc":"2.0","error":{"code":1},"x":2}"#),
        (
            r#"{"jsonrpc":"2.0","error":{"code":1},"id" : null ,"x":2}"#,
            r#"{"jsonrpc":"2.0","error":{"code":1},"id" : "q" ,"x":2}"#,
        ),
    ] {
        let response = read_response(text);
        assert!(response.is_error());
        assert_eq!(response.id(), None);
        assert_eq!(response.body(), br#"{"code":1}"#);
        assert_eq!(response.answering(b"\"q\"").into_bytes(), wanted);
    }
}

#[test]
fn batches_hold_one_to_fifty_messages_each_for_itself() {
    let of = |count: usize| format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#; count].join(" ,\n"));
    let Ok(Incoming::Batch(all)) = parse(bytes(&of(MAX_BATCH))) else { panic!("no batch") };
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), MAX_BATCH);
    let alone = parse_one(bytes(&of(1))).expect_err("a batch is no message");
    assert_eq!((alone.why, alone.id.is_none()), (Invalid::NotObject, true));

    let text = "[{\"jsonrpc\":\"2.0\",\n\"id\":1,\"method\":\"a\"},[{}],5,{\"id\":2,\"id\":3},{\"jsonrpc\":\"2.0\",\"id\":\"r\",\"result\":1}]";
    let Ok(Incoming::Batch(all)) = parse(bytes(text)) else { panic!("no batch") };
    let told: Vec<(String, Option<String>)> = all
        .iter()
        .map(|one| match one {
            Ok(message) => (String::from_utf8_lossy(text_of(message)).into_owned(), None),
            Err(refused) => {
                let id = refused.id.as_ref().map(|id| String::from_utf8_lossy(id.raw()).into_owned());
                (format!("{:?} {}", refused.why, refused.why.code()), id)
            }
        })
        .collect();
    let wanted = [
        (r#"{"jsonrpc":"2.0", "id":1,"method":"a"}"#, None),
        ("NotObject -32600", None),
        ("NotObject -32600", None),
        ("Json(Duplicate(9)) -32600", Some("2")),
        (r#"{"jsonrpc":"2.0","id":"r","result":1}"#, None),
    ];
    let wanted = wanted.map(|(what, id)| (what.to_owned(), id.map(str::to_owned)));
    assert_eq!(told, wanted);
}

#[test]
fn messages_of_our_own_are_whole_and_on_one_line() {
    let id = ClientId::number(4);
    let request = Request::new(&id, "a\"\n\u{e9}", Some("{\n\"b\":1}")).expect("a request");
    assert_eq!(request.text(), "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"a\\\"\\n\u{e9}\",\"params\":{ \"b\":1}}");
    assert_eq!((request.id(), &*request.name()), (id.clone(), "a\"\n\u{e9}"));
    assert_eq!(Request::new(&id, "ping", None).expect("a request").params(), b"{}");
    assert_eq!(Request::new(&id, "ping", Some("1")).expect_err("bad params").why, Invalid::Params);
    assert!(Request::new(&id, "ping", Some("{},\"id\":5")).is_err());
    let notification = Notification::new("notifications/cancelled", Some("{\"requestId\":1}")).expect("one");
    assert_eq!(notification.param("requestId"), Some(&b"1"[..]));
    assert!(Notification::new("a", Some("{},\"id\":5")).is_err());
    assert!(Response::result("{}}").is_err());
    assert!(Response::result("{},\"error\":{}").is_err());
    let result = Response::result("[\n1]").expect("a result");
    assert_eq!(result.answering(b"\"x\"").into_bytes(), "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":[ 1]}");
    let error = Response::error(-32000, "no\nway", Some("{\r\n\"a\":1}"));
    assert_eq!(error.body(), b"{\"code\":-32000,\"message\":\"no\\nway\",\"data\":{  \"a\":1}}");
    assert_eq!((error.id(), error.is_error()), (Some(&b"0"[..]), true));
}

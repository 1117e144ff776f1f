//! Messages that are refused: the reason, the code and the id told.

use bytes::Bytes;
use janua_wire::error::{INVALID_REQUEST, PARSE_ERROR};
use janua_wire::json::{Fault, MAX_DEPTH};
use janua_wire::message::{Invalid, MAX_BATCH, parse, parse_one};

/// Why a text is refused; a fault's place is marked with `^` in the text.
type Reason = fn(usize) -> Invalid;

/// A marked text, the reason, and the id told.
type Case = (&'static str, Reason, Option<&'static str>);

const SYNTAX: Reason = |at| Invalid::Json(Fault::Syntax(at));
const DUPLICATE: Reason = |at| Invalid::Json(Fault::Duplicate(at));
const LOOKALIKE: Reason = |at| Invalid::Json(Fault::Lookalike(at));
const ID: Reason = |_| Invalid::Id;
const VERSION: Reason = |_| Invalid::Version;
const METHOD: Reason = |_| Invalid::Method;
const PARAMS: Reason = |_| Invalid::Params;
const SHAPE: Reason = |_| Invalid::Shape;
const NOT_OBJECT: Reason = |_| Invalid::NotObject;
const EMPTY: Reason = |_| Invalid::Empty;
const BATCH: Reason = |_| Invalid::Batch;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn refused(marked: &str, reason: Reason, code: i32, id: Option<&str>) {
    let place = marked.find('^').unwrap_or_default();
    let text = marked.replacen('^', "", 1);
    let refused = parse(bytes(&text)).err().unwrap_or_else(|| panic!("taken: {text}"));
    assert_eq!(refused.why, reason(place), "{marked}");
    assert_eq!(refused.why.code(), code, "{marked}");
    let told = refused.id.map(|id| String::from_utf8_lossy(id.raw()).into_owned());
    assert_eq!(told.as_deref(), id, "{marked}");
}

/// All of these are refused with -32600.
fn invalid(cases: &[(&str, Reason, Option<&str>)]) {
    for (marked, reason, id) in cases {
        refused(marked, *reason, INVALID_REQUEST, *id);
    }
}

#[test]
fn other_ids_are_refused_and_not_told() {
    for id in ["null", "1.0", "1.5", "1e3", "-1E-3", "true", "false", "{}", "{\"a\":1}", "[]", "[1]"] {
        let request = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}");
        refused(&request, ID, INVALID_REQUEST, None);
        let result = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}");
        refused(&result, ID, INVALID_REQUEST, None);
        if id != "null" {
            let error = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{}}}}");
            refused(&error, ID, INVALID_REQUEST, None);
        }
    }
    for id in ["01", "+1", "-", ".5", "1.", "NaN", "'a'", "\"\\x\""] {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}");
        let refused = parse(bytes(&text)).expect_err(id);
        assert!(matches!(refused.why, Invalid::Json(Fault::Syntax(_))), "{id}");
        assert!(refused.id.is_none(), "{id}");
    }
}

/// Texts that are no JSON.
const BROKEN: [Case; 18] = [
    ("", EMPTY, None),
    (" \t\r\n", EMPTY, None),
    ("^nope", SYNTAX, None),
    ("^\u{feff}{}", SYNTAX, None),
    ("\"a\" ^\"b\"", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"method\":\"a\"^", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"id\":12^", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"id\":1 ^2,\"method\":\"a\"}", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"id\":\"7\"^7\"}", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":^", SYNTAX, Some("7")),
    ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"a\"} ^x", SYNTAX, Some("7")),
    ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"a\"}^{}", SYNTAX, Some("7")),
    ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"a^\nb\"}", SYNTAX, Some("7")),
    ("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"b\":\"^\r\"}}", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"method\":\"a^\0\"}", SYNTAX, None),
    ("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"b\":1,^}}", SYNTAX, None),
    ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"},^]", SYNTAX, None),
    ("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}^", SYNTAX, None),
];

#[test]
fn broken_texts_are_parse_errors() {
    for (marked, reason, id) in BROKEN {
        refused(marked, reason, PARSE_ERROR, id);
    }
    for text in [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"[..], b"\xed\xa0\x80", b"[\xc0\xaf]"] {
        let refused = parse(Bytes::copy_from_slice(text)).expect_err("no UTF-8");
        assert_eq!((refused.why, refused.why.code()), (Invalid::Json(Fault::Utf8), PARSE_ERROR));
    }
}

/// JSON that is no message.
const SHAPES: [Case; 22] = [
    ("1", NOT_OBJECT, None),
    (" \"a\" ", NOT_OBJECT, None),
    ("null", NOT_OBJECT, None),
    ("{}", VERSION, None),
    (r#"{"id":1,"method":"a"}"#, VERSION, Some("1")),
    (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, VERSION, Some("1")),
    (r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, VERSION, Some("1")),
    (r#"{"jsonrpc":"2.0 ","id":1,"method":"a"}"#, VERSION, Some("1")),
    (r#"{"jsonrpc":null,"id":1,"method":"a"}"#, VERSION, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1}"#, SHAPE, Some("1")),
    (r#"{"jsonrpc":"2.0"}"#, SHAPE, None),
    (r#"{"jsonrpc":"2.0","result":{}}"#, SHAPE, None),
    (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, SHAPE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, SHAPE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#, SHAPE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","error":{}}"#, SHAPE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, METHOD, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, METHOD, Some("1")),
    (r#"{"jsonrpc":"2.0","method":["a"]}"#, METHOD, None),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":null}"#, PARAMS, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":"b"}"#, PARAMS, Some("1")),
    (r#"{"jsonrpc":"2.0","method":"a","params":3}"#, PARAMS, None),
];

#[test]
fn messages_of_a_wrong_shape() {
    invalid(&SHAPES);
}

/// One key twice, in one object that the gateway reads.
const DUPLICATES: [Case; 12] = [
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","^method":"b"}"#, DUPLICATE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","^meth\u006Fd":"b"}"#, DUPLICATE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"a","^method":"b"}"#, DUPLICATE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"^id":2,"method":"a"}"#, DUPLICATE, Some("1")),
    (r#"{"jsonrpc":"2.0","method":"a","x":1,"^x":1,"id":"late"}"#, DUPLICATE, Some("\"late\"")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{},"^params":{}}"#, DUPLICATE, Some("1")),
    (r#"{"method":"a","params":{"n":1,"^n":2},"jsonrpc":"2.0","id":9}"#, DUPLICATE, Some("9")),
    (r#"{"method":"a","params":{"/":1,"^\/":2},"jsonrpc":"2.0","id":9}"#, DUPLICATE, Some("9")),
    (r#"{"method":"a","params":{"_meta":{},"^_meta":{}},"jsonrpc":"2.0","id":9}"#, DUPLICATE, Some("9")),
    (r#"{"id":1,"params":{"_meta":{"k":1,"^\u006b":2}}}"#, DUPLICATE, Some("1")),
    (r#"{"id":1,"params":{"_meta":{"progressToken":1,"^progressToken":2}}}"#, DUPLICATE, Some("1")),
    ("{\"id\":1,\"\u{1f600}\":1,\"^\\ud83d\\ude00\":2}", DUPLICATE, Some("1")),
];

#[test]
fn duplicate_keys_are_refused_where_the_gateway_reads() {
    invalid(&DUPLICATES);
}

/// Twelve keys are compared in place, more through a set.
#[test]
fn duplicates_are_found_among_any_number_of_keys() {
    for count in [1, 2, 11, 12, 13, 14, 40] {
        for twin in [0, count / 2, count - 1] {
            for escaped in [None, Some(0), Some(count / 2), Some(count)] {
                let spell = |key: usize, at: usize| {
                    if escaped == Some(at) { format!("\\u006b{key}") } else { format!("k{key}") }
                };
                let mut members: Vec<String> = (0..count).map(|at| format!("\"{}\":{at}", spell(at, at))).collect();
                let text = |members: &[String]| {
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{{{}}}}}", members.join(","))
                };
                assert!(parse_one(bytes(&text(&members))).is_ok());
                members.push(format!("\"^{}\":0", spell(twin, count)));
                refused(&text(&members), DUPLICATE, INVALID_REQUEST, Some("1"));
            }
        }
    }
}

/// Keys that only a parser which folds case takes for the protocol's.
const LOOKALIKES: [Case; 17] = [
    (r#"{"jsonrpc":"2.0","id":1,"^Method":"a"}"#, LOOKALIKE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","^METHOD":"b"}"#, LOOKALIKE, Some("1")),
    (r#"{"^JSONRPC":"2.0","jsonrpc":"2.0","id":1,"method":"a"}"#, LOOKALIKE, Some("1")),
    (r#"{"jsonrpc":"2.0","^ID":2,"method":"a","id":1}"#, LOOKALIKE, Some("1")),
    (r#"{"jsonrpc":"2.0","^iD":2,"method":"a"}"#, LOOKALIKE, None),
    (r#"{"jsonrpc":"2.0","id":1,"^m\u0045thod":"a"}"#, LOOKALIKE, Some("1")),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"^param\u{17f}\":{}}", LOOKALIKE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"method":"a","^param\u017f":{}}"#, LOOKALIKE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"^re\u017fult":{}}"#, LOOKALIKE, Some("1")),
    (r#"{"jsonrpc":"2.0","id":1,"^Error":{}}"#, LOOKALIKE, Some("1")),
    (r#"{"id":1,"params":{"^_Meta":{"progressToken":1}}}"#, LOOKALIKE, Some("1")),
    (r#"{"id":1,"params":{"_meta":{"^progresstoken":1}}}"#, LOOKALIKE, Some("1")),
    ("{\"id\":1,\"params\":{\"_meta\":{\"^progressTo\u{212a}en\":1}}}", LOOKALIKE, Some("1")),
    (r#"{"id":1,"params":{"_meta":{"^progre\u017f\u017fTo\u212aen":1}}}"#, LOOKALIKE, Some("1")),
    (r#"{"id":1,"params":{"_meta":{"^io.modelcontextprotocol/ProtocolVersion":1}}}"#, LOOKALIKE, Some("1")),
    (r#"{"id":1,"params":{"_meta":{"^IO.modelcontextprotocol/clientInfo":1}}}"#, LOOKALIKE, Some("1")),
    (r#"{"id":1,"params":{"_meta":{"^io.modelcontextprotocol\/clientcapabilities":1}}}"#, LOOKALIKE, Some("1")),
];

#[test]
fn keys_that_a_lenient_parser_would_take_are_refused() {
    invalid(&LOOKALIKES);
}

#[test]
fn batches_of_none_and_of_too_many() {
    let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#; MAX_BATCH + 1].join(" ,\n"));
    invalid(&[("[]", BATCH, None), (" [ \n ] ", BATCH, None), (&many, BATCH, None)]);
}

#[test]
fn nesting_is_counted_from_the_outermost_value() {
    let most = MAX_DEPTH as usize;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let message = |depth: usize| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":{{\"a\":{}}}}}", nested(depth - 2))
    };
    for depth in [most - 1, most] {
        assert!(parse_one(bytes(&message(depth))).is_ok());
    }
    for depth in [most + 1, 1_000_000] {
        refused(&message(depth), |_| Invalid::Json(Fault::Depth), INVALID_REQUEST, Some("1"));
        refused(&nested(depth), |_| Invalid::Json(Fault::Depth), INVALID_REQUEST, None);
    }
    // In a batch the array counts too.
    assert!(parse(bytes(&format!("[{}]", message(most - 1)))).is_ok());
    refused(&format!("[{}]", message(most)), |_| Invalid::Json(Fault::Depth), INVALID_REQUEST, None);
}

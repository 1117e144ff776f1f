//! Parameter headers: definitions, the values of a call, and what a server accepts.

use janua_wire::mirror::{Defect, Flaw, Mirror, Sifted, decode, encode, read, sift};
use proptest::proptest;
use serde_json::{Value, json};

type Headers<'a> = &'a [(&'a str, &'a str)];

fn mirror(properties: &Value) -> Result<Mirror, Defect> {
    Mirror::of_schema(json!({"type": "object", "properties": properties}).to_string().as_bytes())
}

fn of(schema: &Value) -> Result<Mirror, Defect> {
    Mirror::of_schema(schema.to_string().as_bytes())
}

/// Name, type and annotation of one property.
fn annotated(kind: &Value, name: &Value) -> Result<Mirror, Defect> {
    mirror(&json!({"p": {"type": kind, "x-mcp-header": name}}))
}

fn deep() -> Mirror {
    mirror(&json!({
        "region": {"type": "string", "x-mcp-header": "Region"},
        "limit": {"type": "integer", "x-mcp-header": "X-Limit"},
        "dry": {"x-mcp-header": "dry_run", "type": "boolean"},
        "query": {"type": "string"},
        "who": {"type": "object", "properties": {"id/n": {"properties": {
            "tenant": {"type": "string", "x-mcp-header": "Tenant"},
        }}}},
    }))
    .expect("a valid schema")
}

/// What is wrong with these headers for these arguments.
fn judged(mirror: &Mirror, arguments: &str, headers: &[(&str, &str)]) -> Option<(String, Flaw)> {
    let values = |name: &str| {
        let name = name.to_owned();
        headers.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_bytes())
    };
    mirror.check(arguments.as_bytes(), values).err().map(|mismatch| (mismatch.header, mismatch.flaw))
}

#[test]
fn values_are_written_as_the_specification_shows() {
    for (value, written) in [
        ("us-west1", "us-west1"),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("", ""),
        (" ", "=?base64?IA==?="),
        ("x ", "=?base64?eCA=?="),
        ("\tx", "=?base64?CXg=?="),
        ("a\tb", "=?base64?YQli?="),
        ("\u{7f}", "=?base64?fw==?="),
        ("\0", "=?base64?AA==?="),
        ("a b~!", "a b~!"),
        ("é", "=?base64?w6k=?="),
        ("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
        ("=?base64?YQ==", "=?base64?YQ=="),
        ("YQ==?=", "YQ==?="),
        ("=?base64??=", "=?base64?PT9iYXNlNjQ/Pz0=?="),
    ] {
        assert_eq!(encode(value), written);
        assert_eq!(decode(written.as_bytes()).as_deref(), Ok(value));
    }
    // Opening and closing share a mark: readers differ on it, so it is never sent.
    assert_eq!(encode("=?base64?="), "=?base64?PT9iYXNlNjQ/PQ==?=");
}

#[test]
fn only_the_whole_base64_form_is_decoded() {
    for (header, value) in [
        (&b"=?base64??="[..], Ok("")),
        (b" \t us-west1 \t", Ok("us-west1")),
        (b" =?base64?IA==?= ", Ok(" ")),
        (b"=?base64?=", Ok("=?base64?=")),
        (b"=?Base64?IA==?=", Ok("=?Base64?IA==?=")),
        (b"=?base64?IA==?= x", Ok("=?base64?IA==?= x")),
        (b"a\tb", Ok("a\tb")),
        (b"=?base64?IA?=", Err(Flaw::Encoding)),
        (b"=?base64?I A==?=", Err(Flaw::Encoding)),
        (b"=?base64?!!!!?=", Err(Flaw::Encoding)),
        (b"=?base64?_-8=?=", Err(Flaw::Encoding)),
        (b"=?base64?/w==?=", Err(Flaw::Encoding)),
        (b"a\x01", Err(Flaw::Characters)),
        (b"a\xe9", Err(Flaw::Characters)),
        (b"a\n", Err(Flaw::Characters)),
        (b" ", Ok("")),
    ] {
        assert_eq!(decode(header), value.map(str::to_owned), "{}", header.escape_ascii());
    }
}

#[test]
fn what_is_mirrored_is_found_along_properties() {
    let mirror = deep();
    let parameters: Vec<_> = mirror.parameters().iter().map(|p| (p.header.as_str(), p.path.join("."))).collect();
    let wanted = [
        ("mcp-param-dry_run", "dry"),
        ("mcp-param-x-limit", "limit"),
        ("mcp-param-region", "region"),
        ("mcp-param-tenant", "who.id/n.tenant"),
    ];
    for (header, path) in wanted {
        assert!(parameters.contains(&(header, path.to_owned())), "{parameters:?}");
    }
    assert_eq!(parameters.len(), wanted.len());
    for schema in ["{}", "true", r#"{"type":"object"}"#, r#"{"properties":{"a":{"type":"string"}}}"#] {
        assert_eq!(Mirror::of_schema(schema.as_bytes()), Ok(Mirror::default()));
    }
    let escaped = br#"{"properties":{"\u0061":{"type":"string","x\u002dmcp-header":"A"}}}"#;
    assert_eq!(Mirror::of_schema(escaped).expect("valid").parameters()[0].path, ["a"]);
}

#[test]
fn names_and_types_that_are_not_allowed() {
    for name in ["A", "a-b", "!#$%&'*+-.^_`|~09", "x-mcp-header"] {
        assert!(annotated(&json!("string"), &json!(name)).is_ok(), "{name}");
    }
    for name in [json!(""), json!("a b"), json!("a\r\nb"), json!("ä"), json!("a:b"), json!(7), json!(null)] {
        assert_eq!(annotated(&json!("string"), &name), Err(Defect::Name), "{name}");
    }
    for kind in ["string", "integer", "boolean"] {
        assert!(annotated(&json!(kind), &json!("A")).is_ok(), "{kind}");
    }
    for kind in [json!("number"), json!("object"), json!("array"), json!("null"), json!(["string"]), json!(1)] {
        assert_eq!(annotated(&kind, &json!("A")), Err(Defect::Type("A".to_owned())), "{kind}");
    }
    assert_eq!(mirror(&json!({"p": {"x-mcp-header": "A"}})), Err(Defect::Type("A".to_owned())));
    let double = json!({
        "p": {"type": "string", "x-mcp-header": "Region"},
        "o": {"properties": {"q": {"type": "string", "x-mcp-header": "REGION"}}},
    });
    assert!(matches!(mirror(&double), Err(Defect::Double(_))));
}

#[test]
fn only_properties_lead_to_an_annotation() {
    let here = || json!({"type": "string", "x-mcp-header": "A"});
    for schema in [
        json!({"type": "object", "x-mcp-header": "A"}),
        json!({"properties": {"p": {"type": "array", "items": here()}}}),
        json!({"properties": {"p": {"type": "array", "prefixItems": [here()]}}}),
        json!({"oneOf": [{"properties": {"p": here()}}]}),
        json!({"properties": {"p": {"anyOf": [here()]}}}),
        json!({"allOf": [{"properties": {"p": here()}}]}),
        json!({"not": {"properties": {"p": here()}}}),
        json!({"if": {"properties": {"p": here()}}, "then": {}, "else": {}}),
        json!({"then": {"properties": {"p": here()}}}),
        json!({"else": {"properties": {"p": here()}}}),
        json!({"properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": here()}}),
        json!({"definitions": {"P": {"properties": {"q": here()}}}}),
        json!({"additionalProperties": here()}),
        json!({"patternProperties": {"^a": here()}}),
        json!({"dependentSchemas": {"a": {"properties": {"p": here()}}}}),
    ] {
        assert_eq!(of(&schema), Err(Defect::Place), "{schema}");
    }
    // Names and data that look like one.
    for schema in [
        json!({"properties": {"x-mcp-header": {"type": "number"}}, "required": ["x-mcp-header"]}),
        json!({"properties": {"p": {"type": "object", "default": {"x-mcp-header": "A"}}}}),
        json!({"properties": {"p": {"const": {"x-mcp-header": 1}, "description": "x-mcp-header"}}}),
        json!({"properties": {"p": {"enum": [{"x-mcp-header": 1}], "examples": [{"x-mcp-header": 1}]}}}),
    ] {
        assert_eq!(of(&schema), Ok(Mirror::default()), "{schema}");
    }
    let bottomless = format!("{}{}", "{\"items\":".repeat(500), "\"x-mcp-header\"");
    assert_eq!(Mirror::of_schema(bottomless.as_bytes()), Err(Defect::Unreadable));
}

#[test]
fn headers_of_a_call() {
    let mirror = deep();
    let headers = |arguments: &str| {
        let mut found = mirror.headers(arguments.as_bytes());
        found.sort();
        found.iter().map(|(name, value)| format!("{}: {value}", &name[10..])).collect::<Vec<_>>()
    };
    for (arguments, wanted) in [
        (r#"{"region":"us","limit":42,"dry":true,"query":"q"}"#, &["dry_run: true", "region: us", "x-limit: 42"][..]),
        (r#"{"region":null,"limit":null,"dry":false}"#, &["dry_run: false"]),
        (r#"{"who":{"id/n":{"tenant":"t\u00e9"}}}"#, &["tenant: =?base64?dMOp?="]),
        (r#"{"who":{"id\/n":{"tenant":""}}}"#, &["tenant: "]),
        (r#"{"who":"nobody"}"#, &[]),
        (r#"{"region":["us"],"dry":{}}"#, &[]),
        (r#"{"limit":9007199254740991}"#, &["x-limit: 9007199254740991"]),
        (r#"{"limit":-9007199254740991}"#, &["x-limit: -9007199254740991"]),
        (r#"{"limit":1e2}"#, &["x-limit: 100"]),
        (r#"{"limit":-0.0}"#, &["x-limit: 0"]),
        (r#"{"limit":42.0}"#, &["x-limit: 42"]),
        (r#"{"limit":120E-1}"#, &["x-limit: 12"]),
        (r#"{"limit":0.5}"#, &["x-limit: 0.5"]),
        (r#"{"limit":1e999999999999999999999}"#, &["x-limit: 1e999999999999999999999"]),
        (r#"{"limit":"7"}"#, &["x-limit: 7"]),
        // Most readers take the last of two.
        (r#"{"region":"us","region":"eu"}"#, &["region: eu"]),
        ("{}", &[]),
        ("null", &[]),
    ] {
        assert_eq!(headers(arguments), wanted, "{arguments}");
    }
}

#[test]
fn what_a_server_refuses() {
    let mirror = deep();
    let told = |arguments: &str, headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (format!("mcp-param-{name}"), *value)).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&name[..], *value)).collect();
        judged(&mirror, arguments, &headers).map(|(name, flaw)| (name["mcp-param-".len()..].to_owned(), flaw))
    };
    let region = r#"{"region":"us"}"#;
    let accepted: [(&str, Headers<'_>); 12] = [
        ("{}", &[]),
        ("{}", &[("unknown", "x"), ("Region", "x")]),
        (r#"{"region":null}"#, &[]),
        (region, &[("region", "us")]),
        (region, &[("region", " us ")]),
        (region, &[("region", "us"), ("region", "=?base64?dXM=?=")]),
        (r#"{"region":""}"#, &[("region", "")]),
        (r#"{"limit":42}"#, &[("x-limit", "42.0")]),
        (r#"{"limit":1e2}"#, &[("x-limit", "100")]),
        (r#"{"limit":-9007199254740991}"#, &[("x-limit", "-9007199254740991")]),
        (r#"{"dry":false}"#, &[("dry_run", "false")]),
        (r#"{"region":["us"]}"#, &[]),
    ];
    for (arguments, headers) in accepted {
        assert_eq!(told(arguments, headers), None, "{arguments} {headers:?}");
    }
    let refused: [(&str, Headers<'_>, &str, Flaw); 16] = [
        (region, &[], "region", Flaw::Missing),
        (r#"{"region":""}"#, &[], "region", Flaw::Missing),
        ("{}", &[("region", "us")], "region", Flaw::Unexpected),
        (r#"{"region":null}"#, &[("region", "null")], "region", Flaw::Unexpected),
        (region, &[("region", "eu")], "region", Flaw::Different),
        (region, &[("region", "US")], "region", Flaw::Different),
        (region, &[("region", "us"), ("region", "eu")], "region", Flaw::Repeated),
        (region, &[("region", "=?base64?dXM?=")], "region", Flaw::Encoding),
        (region, &[("region", "us\u{1}")], "region", Flaw::Characters),
        (r#"{"region":"=?base64?dXM=?="}"#, &[("region", "=?base64?dXM=?=")], "region", Flaw::Different),
        (r#"{"limit":42}"#, &[("x-limit", "43")], "x-limit", Flaw::Different),
        (r#"{"limit":42}"#, &[("x-limit", "042")], "x-limit", Flaw::Different),
        (r#"{"limit":9007199254740992}"#, &[("x-limit", "9007199254740992")], "x-limit", Flaw::Range),
        (r#"{"limit":-1e16}"#, &[("x-limit", "-1e16")], "x-limit", Flaw::Range),
        (r#"{"dry":true}"#, &[("dry_run", "True")], "dry_run", Flaw::Different),
        (r#"{"region":"us","region":"eu"}"#, &[("region", "eu")], "region", Flaw::Ambiguous),
    ];
    for (arguments, headers, name, flaw) in refused {
        assert_eq!(told(arguments, headers), Some((name.to_owned(), flaw)), "{arguments} {headers:?}");
    }
}

#[test]
fn a_refusal_shows_no_value() {
    let other = |name: &str| (name == "mcp-param-region").then_some(&b"other"[..]);
    let told = deep().check(br#"{"region":"secret"}"#, other).expect_err("a mismatch").to_string();
    assert_eq!(told, "header mcp-param-region does not match the body");
}

#[test]
fn a_name_is_read_from_any_number_of_headers() {
    assert_eq!(read([]), Ok(None));
    assert_eq!(read([&b"echo"[..], b"echo"]), Ok(Some("echo".to_owned())));
    assert_eq!(read([&b"echo"[..], b"other"]), Err(Flaw::Repeated));
}

#[test]
fn tools_that_are_not_valid_go_from_the_list() {
    let tool = |name: &str, kind: &str| {
        json!({"name": name, "inputSchema": {"type": "object", "properties": {
            "p": {"type": kind, "x-mcp-header": "P"},
        }}})
    };
    let sifted = |tools: &[Value]| {
        let list = json!({"tools": tools, "nextCursor": "n", "x": [1]}).to_string();
        sift(list.as_bytes()).map(|Sifted { edits, dropped }| {
            let left: Value = serde_json::from_slice(&edits.apply(list.as_bytes())).expect("JSON");
            assert_eq!((&left["nextCursor"], &left["x"]), (&json!("n"), &json!([1])));
            let names = |list: &Value| list["tools"].as_array().expect("a list").clone();
            (names(&left), dropped.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        })
    };
    let (good, bad, worse) = (tool("good", "string"), tool("bad", "number"), tool("worse", "array"));
    assert_eq!(sifted(&[]), None);
    assert_eq!(sifted(&[good.clone(), json!({"name": "plain"}), json!(7)]), None);
    assert_eq!(sifted(std::slice::from_ref(&bad)), Some((vec![], vec!["bad".to_owned()])));
    let mixed = [bad, good.clone(), worse, good.clone()];
    assert_eq!(sifted(&mixed), Some((vec![good.clone(), good], vec!["bad".to_owned(), "worse".to_owned()])));
    assert_eq!(sift(br#"{"tools":"x-mcp-header"}"#), None);
}

proptest! {
    #[test]
    fn what_is_encoded_is_a_header_and_comes_back(value in "\\PC{0,12}|[\\x00-\\x7f]{0,12}|=\\?base64\\?[a-zA-Z=]{0,9}\\?=") {
        let header = encode(&value);
        assert!(header.bytes().all(|b| (0x20..=0x7e).contains(&b)));
        assert_eq!(header.trim(), header);
        assert_eq!(decode(header.as_bytes()), Ok(value));
    }

    #[test]
    fn own_headers_pass_the_own_check(region in "\\PC{0,9}", limit in -9_007_199_254_740_991_i64..=9_007_199_254_740_991, dry: bool) {
        let arguments = json!({"region": region, "limit": limit, "dry": dry}).to_string();
        let mirror = deep();
        let headers = mirror.headers(arguments.as_bytes());
        assert_eq!(headers.len(), 3);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(judged(&mirror, &arguments, &headers), None);
        assert!(judged(&mirror, &arguments, &headers[1..]).is_some());
    }

    #[test]
    fn no_text_is_too_odd(schema in "[\\[\\]{}\",:a-z0-9\\\\-]{0,40}", header in proptest::collection::vec(proptest::num::u8::ANY, 0..20)) {
        let text = format!("{{\"x-mcp-header\":{schema}}}");
        let _ = Mirror::of_schema(text.as_bytes());
        let _ = sift(text.as_bytes());
        let _ = deep().headers(schema.as_bytes());
        let _ = decode(&header);
    }
}

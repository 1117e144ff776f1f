//! Strict JSON, held against serde_json and against its own limits.

#[path = "targets/oracle.rs"]
mod oracle;
#[path = "targets/texts.rs"]
mod texts;

use janua_wire::json::{Fault, MAX_DEPTH, Scanner, check, quote, unescape};
use oracle::agree;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::{Index, select};
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

/// A change to a text at some place.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Add(Index, u8),
    Drop(Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let byte = || {
        let telling = b"[]{}:,\"\\/u0123456789-+.eEtrufalsn \t\r\n\0\x1f\x7f\x80\xc3\xe2\xef\xff";
        prop_oneof![select(telling.to_vec()), any::<u8>()]
    };
    let change = prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Add(at, byte)),
        any::<Index>().prop_map(Change::Drop),
    ];
    vec(change, 1..5)
}

fn changed(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Put(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Change::Add(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Change::Drop(at) => drop(bytes.remove(at.index(bytes.len()))),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn generated_texts_are_taken(before in texts::white(), text in texts::value(), after in texts::white()) {
        let whole = format!("{before}{text}{after}");
        prop_assert!(agree(whole.as_bytes()).is_some(), "{}", whole);
        let mut scanner = Scanner::new(whole.as_bytes());
        let span = scanner.value().expect("a value");
        prop_assert_eq!(&whole[span.range()], text);
        prop_assert_eq!(scanner.offset(), span.end);
        prop_assert_eq!(scanner.end(), Ok(()));
    }

    #[test]
    fn changed_texts_are_judged_alike(text in texts::value(), changes in changes()) {
        agree(&changed(&text, &changes));
    }

    #[test]
    fn cut_texts_are_judged_alike(text in texts::value(), at in any::<Index>()) {
        agree(&text.as_bytes()[..at.index(text.len() + 1)]);
    }

    #[test]
    fn arbitrary_bytes_are_judged_alike(
        bytes in vec(any::<u8>(), 0..40), telling in "[\\[\\]{}:,\"\\\\u0-9eE.+\\-a \n]{0,24}",
    ) {
        agree(&bytes);
        agree(telling.as_bytes());
    }

    #[test]
    fn strings_are_read_as_serde_reads_them(text in texts::string()) {
        let theirs: String = serde_json::from_str(&text).expect("a string");
        prop_assert_eq!(unescape(&text.as_bytes()[1..text.len() - 1]), theirs.as_bytes());
    }

    #[test]
    fn what_is_quoted_reads_back(text in prop_oneof![any::<String>(), "[\0-\x7f\u{2028}\u{2029}]{0,40}"]) {
        let quoted = quote(&text);
        prop_assert_eq!(check(quoted.as_bytes()), Ok(()));
        prop_assert_eq!(unescape(&quoted.as_bytes()[1..quoted.len() - 1]), text.as_bytes());
        let breaks = quoted.contains(['\r', '\n', '\u{2028}', '\u{2029}']);
        prop_assert!(!breaks, "{:?}", quoted);
        let theirs: String = serde_json::from_str(&quoted).expect("a string");
        prop_assert_eq!(theirs, text);
    }

    #[test]
    fn unescaping_never_fails(bytes in vec(prop_oneof![Just(b'\\'), Just(b'u'), Just(b'd'), any::<u8>()], 0..30)) {
        prop_assert!(unescape(&bytes).len() <= bytes.len() * 3);
    }
}

#[test]
fn characters_and_their_encodings() {
    let good: [&[u8]; 12] = [
        b"\"\"",
        b"\"\x7f\"",
        "\"\u{80}\u{7ff}\u{800}\u{fffd}\u{ffff}\u{10000}\u{10ffff}\"".as_bytes(),
        "\"\u{feff}\"".as_bytes(),
        "\"\u{2028}\u{2029}\u{85}\"".as_bytes(),
        br#""\u0000""#,
        br#""\ud83d\uDE00""#,
        br#""\ud800""#,
        br#""\udc00\ud800""#,
        br#""\ud800\u0041\ud800x""#,
        b" \t\r\n0\n",
        br#""\/""#,
    ];
    for text in good {
        assert_eq!(check(text), Ok(()), "{}", text.escape_ascii());
        agree(text);
    }
    let bad: [(&[u8], Fault); 22] = [
        ("\u{feff}{}".as_bytes(), Fault::Syntax(0)),
        ("{}\u{feff}".as_bytes(), Fault::Syntax(2)),
        ("\u{a0}1".as_bytes(), Fault::Syntax(0)),
        (b"\x0b1", Fault::Syntax(0)),
        (b"\x0c1", Fault::Syntax(0)),
        (b"\0", Fault::Syntax(0)),
        (b"1\0", Fault::Syntax(1)),
        (b"\"\0\"", Fault::Syntax(1)),
        (b"\"a\x1f\"", Fault::Syntax(2)),
        (b"\"a\nb\"", Fault::Syntax(2)),
        (b"\"\\x41\"", Fault::Syntax(1)),
        (b"\"\\u12g4\"", Fault::Syntax(1)),
        (b"\"\\u+123\"", Fault::Syntax(1)),
        (b"\"\\u12", Fault::Syntax(1)),
        (b"\"\\", Fault::Syntax(1)),
        (b"'a'", Fault::Syntax(0)),
        (b"\"\xff\"", Fault::Utf8),
        (b"\"\x80\"", Fault::Utf8),
        (b"\"\xc0\x80\"", Fault::Utf8),
        (b"\"\xed\xa0\x80\"", Fault::Utf8),
        (b"\"\xf4\x90\x80\x80\"", Fault::Utf8),
        (b"\"\xe2\x82", Fault::Utf8),
    ];
    for (text, fault) in bad {
        assert_eq!(check(text), Err(fault), "{}", text.escape_ascii());
        agree(text);
    }
}

#[test]
fn halves_of_surrogate_pairs_become_replacement_characters() {
    for (inside, wanted) in [
        (r"\ud83d\ude00", "\u{1f600}"),
        (r"\uDBFF\uDFFF\ud800\udc00", "\u{10ffff}\u{10000}"),
        (r"\ud800", "\u{fffd}"),
        (r"\udc00\ud800", "\u{fffd}\u{fffd}"),
        (r"\ud800\ud800\udc00", "\u{fffd}\u{10000}"),
        (r"\ud800abdc00", "\u{fffd}abdc00"),
        (r"\ud800\ndc00", "\u{fffd}\ndc00"),
        (r"\ud800\u0041", "\u{fffd}A"),
        (r"\ud800\uE000", "\u{fffd}\u{e000}"),
    ] {
        assert_eq!(String::from_utf8(unescape(inside.as_bytes())).as_deref(), Ok(wanted), "{inside}");
    }
}

#[test]
fn numbers_words_and_structure() {
    let good = "0 -0 0.0 -0e0 1E+2 1e-2 10 1e999 123456789012345678901234567890 true [] {} [[],{}]";
    for text in good.split(' ') {
        assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        agree(text.as_bytes());
    }
    let bad = r#" - +1 01 -01 1. .1 1e 1e+ 1.e1 0x1 1_0 --1 NaN Infinity tru True nul truefalse [ ] { } [1 [1,
        [1,] [,1] [1]] [} {"a"} {"a":} {"a":1,} {,} {a:1} {1:1} {"a":1] [1]// /**/1 {"a"::1} [[] {"a":[}"#;
    let spaced = ["", " ", "1 2", "[1 2]", "{\"a\":1 \"b\":2}", "- 1", "1 .0", "t rue"];
    for text in bad.split_whitespace().chain(spaced) {
        assert!(matches!(check(text.as_bytes()), Err(Fault::Syntax(_))), "{text}");
        agree(text.as_bytes());
    }
}

#[test]
fn nesting_ends_at_its_limit() {
    let most = MAX_DEPTH as usize;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let levels = open.matches(['[', '{']).count();
        let nested = |depth: usize| {
            let count = depth / levels;
            format!("{}1{}", open.repeat(count), close.repeat(count))
        };
        for (depth, wanted) in [
            (most - levels, Ok(())),
            (most, Ok(())),
            (most + levels, Err(Fault::Depth)),
            (1_000_000, Err(Fault::Depth)),
        ] {
            let text = nested(depth);
            assert_eq!(check(text.as_bytes()), wanted, "{open} {depth}");
            assert!(check(&text.as_bytes()[..text.len() - 1]).is_err(), "{open} {depth}");
        }
        // serde_json goes one level less far.
        assert!(agree(nested(most - levels).as_bytes()).is_some());
    }
    let side_by_side = format!("[{}[]]", "[[[]],{\"a\":[]}],".repeat(10_000));
    assert_eq!(check(side_by_side.as_bytes()), Ok(()));
    assert_eq!(check("[".repeat(1_000_000).as_bytes()), Err(Fault::Depth));
}

/// Strings are skipped eight bytes at a time, and by 64 when they are long.
#[test]
fn every_byte_at_every_offset_of_a_string() {
    for filler in ["a", "\u{e9}", "\u{7f}", "\u{10ffff}", "!#[]"] {
        for offset in (0..200).step_by(filler.len()) {
            for byte in 0..0x80u8 {
                let mut text = filler.repeat(200 / filler.len()).into_bytes();
                text.insert(0, b'"');
                text.push(b'"');
                text.insert(offset + 1, byte);
                let wanted = match byte {
                    b'"' => Err(Fault::Syntax(offset + 2)),
                    // At the end of the string it is the closing quote that is escaped.
                    b'\\' if offset + 3 == text.len() => Err(Fault::Syntax(text.len())),
                    0..0x20 | b'\\' => Err(Fault::Syntax(offset + 1)),
                    _ => Ok(()),
                };
                assert_eq!(check(&text), wanted, "{byte:#x} at {offset} among {filler}");
            }
        }
    }
}

//! URI templates read backwards: the expansions of RFC 6570 fit, what no values can give does not, and nothing is slow.

use janua_wire::uri_template::Template;
use proptest::proptest;

fn fits(template: &str, uri: &str) -> bool {
    Template::parse(template).unwrap_or_else(|| panic!("{template} is a template")).fits(uri)
}

/// Each template with what it does and does not give.
fn hold(cases: &[(&str, &[&str], &[&str])]) {
    for (template, good, bad) in cases {
        for uri in *good {
            assert!(fits(template, uri), "{template} gives {uri}");
        }
        for uri in *bad {
            assert!(!fits(template, uri), "{template} does not give {uri}");
        }
    }
}

/// The expansions in RFC 6570, sections 1.2 and 3.2.
const EXPANSIONS: &[(&str, &str)] = &[
    ("{count}", "one,two,three"),
    ("{count*}", "one,two,three"),
    ("{/count}", "/one,two,three"),
    ("{/count*}", "/one/two/three"),
    ("{;count}", ";count=one,two,three"),
    ("{;count*}", ";count=one;count=two;count=three"),
    ("{?count}", "?count=one,two,three"),
    ("{?count*}", "?count=one&count=two&count=three"),
    ("{&count*}", "&count=one&count=two&count=three"),
    ("{var}", "value"),
    ("{hello}", "Hello%20World%21"),
    ("{half}", "50%25"),
    ("O{empty}X", "OX"),
    ("O{undef}X", "OX"),
    ("{x,y}", "1024,768"),
    ("{x,hello,y}", "1024,Hello%20World%21,768"),
    ("?{x,empty}", "?1024,"),
    ("?{x,undef}", "?1024"),
    ("?{undef,y}", "?768"),
    ("{var:3}", "val"),
    ("{var:30}", "value"),
    ("{list}", "red,green,blue"),
    ("{list*}", "red,green,blue"),
    ("{keys}", "semi,%3B,dot,.,comma,%2C"),
    ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
    ("{+var}", "value"),
    ("{+hello}", "Hello%20World!"),
    ("{+half}", "50%25"),
    ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"),
    ("{+base}index", concat!("http://example.com/home", "/index")),
    ("O{+empty}X", "OX"),
    ("O{+undef}X", "OX"),
    ("{+path}/here", "/foo/bar/here"),
    ("here?ref={+path}", "here?ref=/foo/bar"),
    ("up{+path}{var}/here", "up/foo/barvalue/here"),
    ("{+x,hello,y}", "1024,Hello%20World!,768"),
    ("{+path,x}/here", "/foo/bar,1024/here"),
    ("{+path:6}/here", "/foo/b/here"),
    ("{+list}", "red,green,blue"),
    ("{+list*}", "red,green,blue"),
    ("{+keys}", "semi,;,dot,.,comma,,"),
    ("{+keys*}", "semi=;,dot=.,comma=,"),
    ("{#var}", "#value"),
    ("{#hello}", "#Hello%20World!"),
    ("{#half}", "#50%25"),
    ("foo{#empty}", "foo#"),
    ("foo{#undef}", "foo"),
    ("{#x,hello,y}", "#1024,Hello%20World!,768"),
    ("{#path,x}/here", "#/foo/bar,1024/here"),
    ("{#path:6}/here", "#/foo/b/here"),
    ("{#list}", "#red,green,blue"),
    ("{#list*}", "#red,green,blue"),
    ("{#keys}", "#semi,;,dot,.,comma,,"),
    ("{#keys*}", "#semi=;,dot=.,comma=,"),
    ("{.who}", ".fred"),
    ("{.who,who}", ".fred.fred"),
    ("{.half,who}", ".50%25.fred"),
    ("www{.dom*}", "www.example.com"),
    ("X{.var}", "X.value"),
    ("X{.empty}", "X."),
    ("X{.undef}", "X"),
    ("X{.var:3}", "X.val"),
    ("X{.list}", "X.red,green,blue"),
    ("X{.list*}", "X.red.green.blue"),
    ("X{.keys}", "X.semi,%3B,dot,.,comma,%2C"),
    ("X{.keys*}", "X.semi=%3B.dot=..comma=%2C"),
    ("X{.empty_keys}", "X"),
    ("X{.empty_keys*}", "X"),
    ("{/who}", "/fred"),
    ("{/who,who}", "/fred/fred"),
    ("{/half,who}", "/50%25/fred"),
    ("{/who,dub}", "/fred/me%2Ftoo"),
    ("{/var}", "/value"),
    ("{/var,empty}", "/value/"),
    ("{/var,undef}", "/value"),
    ("{/var,x}/here", "/value/1024/here"),
    ("{/var:1,var}", "/v/value"),
    ("{/list}", "/red,green,blue"),
    ("{/list*}", "/red/green/blue"),
    ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
    ("{/keys}", "/semi,%3B,dot,.,comma,%2C"),
    ("{/keys*}", "/semi=%3B/dot=./comma=%2C"),
    ("{;who}", ";who=fred"),
    ("{;half}", ";half=50%25"),
    ("{;empty}", ";empty"),
    ("{;v,empty,who}", ";v=6;empty;who=fred"),
    ("{;v,bar,who}", ";v=6;who=fred"),
    ("{;x,y}", ";x=1024;y=768"),
    ("{;x,y,empty}", ";x=1024;y=768;empty"),
    ("{;x,y,undef}", ";x=1024;y=768"),
    ("{;hello:5}", ";hello=Hello"),
    ("{;list}", ";list=red,green,blue"),
    ("{;list*}", ";list=red;list=green;list=blue"),
    ("{;keys}", ";keys=semi,%3B,dot,.,comma,%2C"),
    ("{;keys*}", ";semi=%3B;dot=.;comma=%2C"),
    ("{?who}", "?who=fred"),
    ("{?half}", "?half=50%25"),
    ("{?x,y}", "?x=1024&y=768"),
    ("{?x,y,empty}", "?x=1024&y=768&empty="),
    ("{?x,y,undef}", "?x=1024&y=768"),
    ("{?var:3}", "?var=val"),
    ("{?list}", "?list=red,green,blue"),
    ("{?list*}", "?list=red&list=green&list=blue"),
    ("{?keys}", "?keys=semi,%3B,dot,.,comma,%2C"),
    ("{?keys*}", "?semi=%3B&dot=.&comma=%2C"),
    ("{&who}", "&who=fred"),
    ("{&half}", "&half=50%25"),
    ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
    ("{&x,y,empty}", "&x=1024&y=768&empty="),
    ("{&x,y,undef}", "&x=1024&y=768"),
    ("{&var:3}", "&var=val"),
    ("{&list}", "&list=red,green,blue"),
    ("{&list*}", "&list=red&list=green&list=blue"),
    ("{&keys}", "&keys=semi,%3B,dot,.,comma,%2C"),
    ("{&keys*}", "&semi=%3B&dot=.&comma=%2C"),
];

#[test]
fn the_expansions_of_the_rfc_fit() {
    for (template, uri) in EXPANSIONS {
        assert!(fits(template, uri), "{template} gives {uri}");
        assert!(!fits(&format!("x:{template}|"), &format!("x:{uri}")), "{template}: the rest is missing");
        assert!(!fits(&format!("x:{template}"), &format!("y:{uri}")), "{template}: the start is another");
    }
}

#[test]
fn what_no_values_give_does_not_fit() {
    hold(&[
        ("file:///{name}", &["file:///a.txt", "file:///", "file:///a%2Fb"], &["file:///a/b", "file://a", "File:///a"]),
        ("file:///{+path}", &["file:///a/b?c#d", "file:///"], &["file://a"]),
        ("s://{a}/{b}", &["s://1/2", "s:///"], &["s://1", "s://1/2/3"]),
        ("s://x{/p}", &["s://x", "s://x/", "s://x/1"], &["s://x1", "s://x/1/2", "s://x/a=b"]),
        ("s://x{/p,q}", &["s://x/1/2"], &["s://x/1/2/3"]),
        ("s://x{.p}", &["s://x.a.b"], &["s://xa"]),
        ("s://x{?q,lang}", &["s://x", "s://x?q=1&lang=de", "s://x?lang=de"], &["s://x?", "s://x?other=1"]),
        (
            "s://x{?q,lang}",
            &["s://x?q="],
            &["s://x?q", "s://x?lang=de&q=1", "s://x?q=1&q=2", "s://x?q=1&", "s://x&q=1"],
        ),
        ("s://x{?all*}", &["s://x?a=1&b=&c=2"], &["s://x?a", "s://x?a=1&b", "s://x?a=b=c", "s://x?a=1;b=2"]),
        ("s://x{;p}", &["s://x", "s://x;p", "s://x;p=1"], &["s://x;q", "s://x;p1"]),
        ("s://x{#f}", &["s://x#", "s://x#a/b?c"], &["s://xa"]),
        ("{v:3}", &["", "abc", "%C3%A9%C3%A9%C3%A9", "%E5%90%8D%E5%90%8D%E5%90%8D"], &["abcd", "a,b", "ab%C3%A9c"]),
        ("{v:2}{w:2}", &["abcd", "ab"], &["abcde"]),
        ("{v:2}-{w}", &["ab-c-d"], &["abc-d"]),
    ]);
}

#[test]
fn texts_that_are_the_same_uri_fit_alike() {
    hold(&[
        ("s://a%20b/{x}", &["s://a%20b/1", "s://a b/1"], &["s://a+b/1", "s://ab/1"]),
        ("s://a b/é", &["s://a%20b/%c3%A9", "s://a b/é"], &["s://a%20b/e"]),
        ("s://%7Euser", &["s://~user", "s://%7euser"], &["s://user"]),
        ("s://a%2fb", &["s://a%2Fb"], &["s://a/b"]),
        ("s://{x}", &["s://new york", "s://名前", "s://100%", "s://%zz"], &["s://new/york"]),
        ("s://100%/{x}", &["s://100%/1"], &["s://100/1"]),
    ]);
}

#[test]
fn what_is_no_template_is_none() {
    for bad in
        ["{", "}", "{}", "a}b", "{a", "{a}}", "{{a}}", "{a,}", "{,a}", "{a b}", "{a:0}", "{a:}", "{a:x}", "{a:+1}"]
    {
        assert_eq!(Template::parse(bad), None, "{bad}");
    }
    for bad in ["{a:10000}", "{a:3*}", "{a**}", "{*}", "{=a}", "{!a}", "{@a}", "{|a}", "{+}", "{ä}", "{a/b}"] {
        assert_eq!(Template::parse(bad), None, "{bad}");
    }
    for good in ["", "a", "{a}", "{a.b_c}", "{user-id}", "{a%20b}", "{a:9999}", "{+a*,b:2}", "%{a}"] {
        assert!(Template::parse(good).is_some(), "{good}");
    }
}

#[test]
fn the_template_that_says_most_weighs_most() {
    let weight = |template: &str| Template::parse(template).expect("a template").weight();
    assert_eq!(weight("file:///{+path}"), 8);
    assert_eq!(weight("file:///logs/{name}.txt"), 17);
    assert_eq!(weight("{+any}"), 0);
    assert_eq!(weight("a%20é"), 4);
}

#[test]
fn many_ways_to_fit_are_not_tried_one_by_one() {
    let uri = "a,".repeat(4000);
    for template in ["{a}{b}{c}", "{+a,b,c}", "{a*}{b}-", "{a:9999}{b:9999}{c:9999}x", "{.a*}{/b*}{c}"] {
        let template = template.repeat(10);
        assert_eq!(fits(&template, &uri), template.ends_with('}'));
        assert!(!fits(&format!("{template}!"), &uri));
    }
    let pairs = "&a=1".repeat(2000);
    assert!(fits(&"{&a*}".repeat(30), &pairs));
    assert!(!fits(&"{&a*}".repeat(30), &format!("{pairs}&")));
    assert!(!fits(&format!("{}b", "a{+x}".repeat(60)), &"a".repeat(5000)));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(template in "[a{}+#./;?&,*:%1é =-]{0,24}", uri in "\\PC{0,24}") {
        if let Some(template) = Template::parse(&template) {
            template.fits(&uri);
        }
    }

    #[test]
    fn a_value_that_is_encoded_fits_everywhere(value in "\\PC{0,8}") {
        let encoded = value.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        for (template, before) in [
            ("x:{v}y", ""), ("x:{+v}y", ""), ("x:{#v}y", "#"), ("x:{.v}y", "."),
            ("x:{/v}y", "/"), ("x:{;v}y", ";v="), ("x:{?v*}y", "?v="), ("x:{&v:8}y", "&v="),
        ] {
            assert!(fits(template, &format!("x:{before}{encoded}y")), "{template} {encoded}");
        }
    }
}

#[test]
fn what_a_template_resembles_is_what_loose_servers_read() {
    for (template, uri, wanted) in [
        ("notes://{name}", "notes://a@b:c", true),
        ("notes://{name}", "notes://a/b", false),
        ("notes://{name}/{part}", "notes://a?x=1/b,c", true),
        ("notes://{+path}", "notes://a/b", true),
        ("notes://{name}", "other://a", false),
    ] {
        let read = Template::parse(template).expect("a template");
        assert_eq!(read.resembles(uri), wanted, "{template} {uri}");
    }
    let strict = Template::parse("notes://{name}").expect("a template");
    assert!(!strict.fits("notes://a@b:c") && strict.fits("notes://ab"));
}

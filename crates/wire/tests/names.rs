//! Names in a gateway of many servers: legal, stable, one for each, whatever the servers call themselves.

use std::collections::{HashMap, HashSet};

use janua_wire::names::{LONGEST, legal, shown};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::{prop_oneof, proptest};

/// Names as servers give them, and such as end where others begin.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z_.]{1,4}",
        2 => "[A-Za-z0-9_-]{1,80}",
        1 => "\\PC{0,90}",
        1 => Just("x".repeat(70)),
    ]
}

/// What everything is shown as, in this order.
fn all(pairs: &[(String, String)]) -> HashMap<(String, String), String> {
    let mut names = HashSet::new();
    let mut out = HashMap::new();
    for (server, name) in pairs {
        let pair = (server.clone(), name.clone());
        if out.contains_key(&pair) {
            continue;
        }
        let given = shown(Some(server), name, |name| names.contains(name));
        assert!(names.insert(given.clone()), "twice: {given}");
        out.insert(pair, given);
    }
    out
}

proptest! {
    #[test]
    fn names_with_a_server_are_legal_and_always_the_same(server in name(), name in name(), taken in vec(name(), 0..3)) {
        let is_taken = |name: &str| taken.iter().any(|taken| taken == name);
        let given = shown(Some(&server), &name, is_taken);
        assert!(legal(&given), "{given}");
        assert_eq!(given, shown(Some(&server), &name, is_taken));
        let other = shown(Some(&server), &name, |name| name == given);
        assert!(legal(&other) && other != given, "{other}");
    }

    #[test]
    fn everything_has_a_name_of_its_own(pairs in vec((name(), name()), 1..60)) {
        all(&pairs);
    }

    #[test]
    fn the_order_is_nothing_to_names_that_would_not_be_the_same(pairs in vec((name(), name()), 1..30)) {
        let alone = |(server, name): &(String, String)| shown(Some(server), name, |_| false);
        let mut count = HashMap::new();
        let distinct: HashSet<_> = pairs.iter().cloned().collect();
        for pair in &distinct {
            *count.entry(alone(pair)).or_insert(0) += 1;
        }
        let mut pairs = pairs;
        let one = all(&pairs);
        pairs.reverse();
        let other = all(&pairs);
        for pair in distinct.iter().filter(|pair| count[&alone(pair)] == 1) {
            assert_eq!(one[pair], alone(pair));
            assert_eq!(other[pair], alone(pair));
        }
    }
}

#[test]
fn a_large_set_has_no_collision() {
    let long = "a_name_that_is_much_longer_than_the_sixty_four_characters_there_are".repeat(2);
    let mut names = HashSet::new();
    for server in 0..50 {
        for name in 0..400 {
            let server = format!("server-{server}");
            assert!(names.insert(shown(Some(&server), &format!("{long}{name}"), |_| false)));
            assert!(names.insert(shown(Some(&server), &format!("tool_{name}"), |_| false)));
        }
    }
    assert!(names.iter().all(|name| legal(name)));
    assert_eq!(names.len(), 40_000);
}

#[test]
fn names_are_these_forever() {
    let long = "x".repeat(60);
    let cases = [
        ("search", "web", "search__web"),
        ("my server", "a.b/c", "my_server__a_b_c"),
        ("größe", "名前", "gr__e____"),
        ("", "", "__"),
        ("abcd", &long[..58], "abcd__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("abcd", &long[..59], "abcd__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_b17f8c61"),
    ];
    for (server, name, wanted) in cases {
        assert_eq!(shown(Some(server), name, |_| false), wanted);
        assert!(wanted.len() <= LONGEST);
    }
    // Two that would be the same: the second has a tail.
    assert_eq!(shown(Some("a__b"), "c", |_| false), "a__b__c");
    assert_eq!(shown(Some("a"), "b__c", |name| name == "a__b__c"), "a__b__c_bbeb6ab7");
    assert_eq!(shown(None, "a.b", |name| name == "a.b"), "a_b_d394a1e4");
}

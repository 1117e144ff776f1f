//! Messages of one revision as peers of another get them: kept before and after, checked against the specification's
//! own schemas.

#[path = "golden/case.rs"]
mod case;

use case::{Case, all};

#[test]
fn every_translation_gives_what_was_written_down() {
    for case in all() {
        let told = case.translate();
        let wanted = match (&case.after, &case.unfit) {
            (Some(after), None) => Ok(after.clone()),
            (None, Some(unfit)) => Err(unfit.clone()),
            _ => panic!("{}: neither one nor the other", case.name),
        };
        assert_eq!(told, wanted, "{}", case.name);
    }
}

#[test]
fn what_comes_out_is_valid_in_its_revision() {
    for Case { name, from, to, before, after, refused, .. } in all() {
        let (version, definition) = &to;
        if let Some((version, definition)) = &from {
            assert_eq!(case::errors(version, definition, &before), [""; 0], "{name}, before");
        }
        if let Some(after) = after {
            assert_eq!(case::errors(version, definition, &after), [""; 0], "{name}, after");
        }
        if refused {
            assert_ne!(case::errors(version, definition, &before), [""; 0], "{name}: it was valid already");
        }
    }
}

#[test]
fn every_revision_is_there_both_ways() {
    let cases = all();
    for version in janua_wire::version::Version::ALL.map(|version| version.name().to_owned()) {
        let from = cases.iter().filter(|case| case.from.as_ref().is_some_and(|(from, _)| *from == version)).count();
        let to = cases.iter().filter(|case| case.to.0 == version).count();
        assert!(from >= 2 && to >= 2, "{version}: {from} from it, {to} to it");
    }
}

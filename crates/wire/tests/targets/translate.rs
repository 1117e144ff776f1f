//! Any JSON text as a message of another revision: what comes out is JSON on one line, and is translated already.

use janua_wire::edits::Edits;
use janua_wire::json::check;
use janua_wire::method::Method;
use janua_wire::mirror::{Mirror, sift};
use janua_wire::translate::shapes::{for_client, question_for_client};
use janua_wire::translate::{errors, results, tasks};
use janua_wire::version::Version;

const METHODS: [Method; 7] = [
    Method::ToolsCall,
    Method::PromptsGet,
    Method::ToolsList,
    Method::ResourcesRead,
    Method::CreateMessage,
    Method::Elicit,
    Method::Other,
];
const INFO: &[u8] = br#"{"name":"n","version":"1"}"#;

/// The whole input is the text of a result, an error or parameters.
pub(crate) fn run(text: &[u8]) {
    if check(text).is_err() || text.iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return;
    }
    for method in METHODS {
        for version in Version::ALL {
            settled(text, |text| for_client(method, text, version));
            settled(text, |text| question_for_client(method, text, version).unwrap_or_default());
        }
        settled(text, |text| results::to_modern(method, text, Some(INFO)));
        settled(text, |text| results::to_modern(method, text, None));
        settled(text, |text| errors::to_legacy(method, text));
    }
    settled(text, results::to_legacy);
    settled(text, errors::to_modern);
    settled(text, |text| tasks::asking(text, Some(5)));
    let sifted = settled(text, |text| sift(text).map(|sifted| sifted.edits).unwrap_or_default());
    assert_eq!(sift(&sifted), None);
    let told = [tasks::Task::announced(text), tasks::Task::told(text)];
    for task in told.iter().flatten() {
        assert_eq!(check(task.params().as_bytes()), Ok(()));
    }
    let _ = tasks::required(text);
    let _ = results::is_complete(text);
    if let Ok(mirror) = Mirror::of_schema(text) {
        let _ = mirror.headers(text);
    }
}

/// The text with its changes made, which must be all there are to make.
pub(crate) fn settled(text: &[u8], changes: impl Fn(&[u8]) -> Edits) -> Vec<u8> {
    let edits = changes(text);
    let out = edits.apply(text);
    assert_eq!(out.len(), text.len().saturating_add_signed(edits.growth()));
    assert_eq!(check(&out), Ok(()), "{}", out.escape_ascii());
    assert!(!out.iter().any(|b| matches!(b, b'\r' | b'\n')), "{}", out.escape_ascii());
    let again = changes(&out).apply(&out);
    assert_eq!(again, out, "{} and then {}", out.escape_ascii(), again.escape_ascii());
    out
}

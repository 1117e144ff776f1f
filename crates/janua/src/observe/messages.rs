//! Every message in the log, once in each direction and with secrets masked: only at the level that is asked for by name,
//! `verbose`.

use std::sync::Arc;

/// What the log calls these lines; levels below `verbose` leave them out by it.
const TARGET: &str = "janua::message";
/// Longer messages are cut, in bytes.
const LONGEST: usize = 16 * 1024;
/// A member whose name has one of these in it is taken for a secret.
const WORDS: [&str; 8] = ["token", "secret", "password", "passwd", "authorization", "credential", "api_key", "apikey"];
/// The one member of the protocol that only sounds like one.
const HARMLESS: &str = "progresstoken";
/// Texts that begin so are secrets, wherever they stand.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// Which way a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// From a client to a server.
    ToServer,
    /// From a server to a client.
    ToClient,
}

/// Between whom a message goes.
#[derive(Clone)]
pub(crate) struct Between {
    pub(crate) server: Arc<str>,
    /// Enough of the session's id to tell sessions apart.
    pub(crate) session: Option<String>,
    /// The key of the user in whose name the server is used, which may stand anywhere.
    pub(crate) key: Option<Arc<str>>,
}

/// Whether anybody wants to see messages.
pub(crate) fn are_shown() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::TRACE)
}

/// Logs one message.
pub(crate) fn show(way: Way, between: &Between, text: &[u8]) {
    let way = match way {
        Way::ToServer => "to server",
        Way::ToClient => "to client",
    };
    let Between { server, session, key } = between;
    let mut text = masked(text);
    if let Some(key) = key.as_deref().filter(|key| text.contains(key)) {
        text = text.replace(key, "***");
    }
    tracing::trace!(target: TARGET, server = &**server, session = session.as_deref(), way, %text, "message");
}

/// A JSON text with secrets masked, and cut if it is long.
fn masked(text: &[u8]) -> String {
    let (cut, dots) = if text.len() > LONGEST { (&text[..LONGEST], "…") } else { (text, "") };
    let text = String::from_utf8_lossy(cut);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    // Whether the value that comes next belongs to a member with a secret's name.
    let mut secret = false;
    while let Some(first) = rest.chars().next() {
        let (token, tail) = rest.split_at(token(rest, first));
        match first {
            '"' => {
                let is_name = tail.trim_start().starts_with(':');
                let inner = token.trim_matches('"').to_ascii_lowercase();
                let hidden = !is_name && (secret || SCHEMES.iter().any(|scheme| inner.starts_with(scheme)));
                out.push_str(if hidden { "\"***\"" } else { token });
                secret = is_name && inner != HARMLESS && WORDS.iter().any(|word| inner.contains(word));
            }
            '0'..='9' | '-' => {
                out.push_str(if secret { "\"***\"" } else { token });
                secret = false;
            }
            ':' | ' ' | '\t' => out.push_str(token),
            _ => {
                out.push_str(token);
                secret = false;
            }
        }
        rest = tail;
    }
    out.push_str(dots);
    out
}

/// Where the token that begins with `first` ends: a text, a number, or one character.
fn token(rest: &str, first: char) -> usize {
    match first {
        '"' => {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        }
        '0'..='9' | '-' => rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(rest.len()),
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_all_else_is_as_it_was() {
        for (text, wanted) in [
            (r#"{"id":1,"params":{"text":"hi"}}"#, r#"{"id":1,"params":{"text":"hi"}}"#),
            (r#"{"access_token" : "abc\"def","x":1}"#, r#"{"access_token" : "***","x":1}"#),
            (r#"{"password":12345,"n":-1.5e3}"#, r#"{"password":"***","n":-1.5e3}"#),
            (r#"{"secret":{"a":"b"}}"#, r#"{"secret":{"a":"b"}}"#),
            (r#"{"progressToken":"p"}"#, r#"{"progressToken":"p"}"#),
            (r#"["Bearer abc","plain"]"#, r#"["***","plain"]"#),
            (r#"{"token":null,"next":"é\\"}"#, r#"{"token":null,"next":"é\\"}"#),
            (r#"{"token":"never clo"#, r#"{"token":"***""#),
        ] {
            assert_eq!(masked(text.as_bytes()), wanted);
        }
        let long = format!("\"{}\"", "x".repeat(LONGEST));
        assert!(masked(long.as_bytes()).ends_with("x…"));
    }
}

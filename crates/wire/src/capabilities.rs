//! What a client said it can be asked, held against what a server asks.

use bytes::Bytes;

use crate::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::method::Method;
use crate::raw::{self, peek, peek_string};

/// What a client can be asked, without the details: clients of one class can share a server that was told what it
/// may ask when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Class(u8);

/// The members of `capabilities` that make up a class, with the capabilities a server is told for it.
const CLASSES: [(&[&str], u8); 6] = [
    (&["roots"], 1),
    (&["sampling"], 2),
    (&["sampling", "tools"], 4),
    (&["sampling", "context"], 8),
    (&["elicitation"], 16),
    (&["elicitation", "url"], 32),
];
/// `elicitation` in its form mode, which may go without saying.
const FORM: u8 = 64;

impl Class {
    /// Clients that can be asked everything there is to ask.
    pub const EVERYTHING: Class = Class(1 | 2 | 4 | 8 | 16 | 32 | FORM);

    /// A number for it, the same in every build.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The class of that number.
    pub fn from_bits(bits: u8) -> Class {
        Class(bits & Class::EVERYTHING.0)
    }

    /// Whether such a client can be asked nothing at all.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The capabilities as a client of this class declares them when it opens a session.
    pub fn capabilities(self) -> ClientCapabilities {
        let has = |bit: u8| self.0 & bit != 0;
        let member = |bit, text: &'static str| has(bit).then_some(text);
        let object = |members: &[Option<&str>]| {
            let members: Vec<&str> = members.iter().flatten().copied().collect();
            format!("{{{}}}", members.join(","))
        };
        let roots = member(1, "\"roots\":{\"listChanged\":false}").map(str::to_owned);
        let sampling = has(2).then(|| {
            let inner = object(&[member(4, "\"tools\":{}"), member(8, "\"context\":{}")]);
            format!("\"sampling\":{inner}")
        });
        let elicitation = has(16).then(|| {
            let inner = object(&[member(FORM, "\"form\":{}"), member(32, "\"url\":{}")]);
            format!("\"elicitation\":{inner}")
        });
        let all: Vec<String> = [roots, sampling, elicitation].into_iter().flatten().collect();
        ClientCapabilities(format!("{{{}}}", all.join(",")).into())
    }
}

/// A client's `capabilities`, as raw JSON.
#[derive(Clone, Debug, Default)]
pub struct ClientCapabilities(Bytes);

/// Why a server's question does not reach the client: a JSON-RPC code and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// JSON-RPC error code for the server.
    pub code: i32,
    /// What the client lacks.
    pub message: &'static str,
}

impl ClientCapabilities {
    /// Takes the capabilities out of the raw `params` of an `initialize`.
    pub fn from_initialize(params: &[u8]) -> Self {
        ClientCapabilities(peek(params, "capabilities").map(Bytes::copy_from_slice).unwrap_or_default())
    }

    /// The capabilities as they stand in a request without handshake, raw.
    pub fn of(raw: &[u8]) -> Self {
        ClientCapabilities(Bytes::copy_from_slice(raw))
    }

    /// What these capabilities come to.
    pub fn class(&self) -> Class {
        if self.0.len() <= 2 {
            return Class::default();
        }
        let mut bits = 0;
        for (path, bit) in CLASSES {
            let declared = raw::find_path(&self.0, raw::whole(&self.0), path);
            if declared.is_some_and(|span| !matches!(&self.0[span.range()], b"null" | b"false")) {
                bits |= bit;
            }
        }
        if bits & 16 != 0 && self.elicits(b"{}") {
            bits |= FORM;
        }
        Class(bits)
    }

    /// The raw JSON object; empty if the client declared nothing.
    pub fn raw(&self) -> &Bytes {
        &self.0
    }

    fn has(&self, name: &str) -> bool {
        peek(&self.0, name).is_some_and(|value| value != b"null" && value != b"false")
    }

    /// Whether the client may be asked `method` with `params` (raw JSON); a ping always may.
    ///
    /// Codes as 2025-11-25 has them: method not found for a missing capability (`client/sampling`,
    /// `client/roots`), invalid params for an elicitation mode that was not declared (`client/elicitation`).
    pub fn permit(&self, method: Method, params: &[u8]) -> Result<(), Refusal> {
        let refuse = |code, message| Err(Refusal { code, message });
        match method {
            Method::CreateMessage if !self.has("sampling") => {
                refuse(METHOD_NOT_FOUND, "the client did not declare the capability sampling")
            }
            Method::ListRoots if !self.has("roots") => {
                refuse(METHOD_NOT_FOUND, "the client did not declare the capability roots")
            }
            Method::Elicit if !self.has("elicitation") => {
                refuse(METHOD_NOT_FOUND, "the client did not declare the capability elicitation")
            }
            Method::Elicit if !self.elicits(params) => {
                refuse(INVALID_PARAMS, "the client did not declare this elicitation mode")
            }
            _ => Ok(()),
        }
    }

    /// `elicitation: {}` means form; `url` must be named.
    fn elicits(&self, params: &[u8]) -> bool {
        let declared = peek(&self.0, "elicitation").unwrap_or_default();
        let url = peek(declared, "url").is_some();
        match peek_string(params, "mode").as_deref() {
            Some("url") => url,
            _ => !url || peek(declared, "form").is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(capabilities: &str) -> ClientCapabilities {
        ClientCapabilities::from_initialize(format!("{{\"capabilities\":{capabilities}}}").as_bytes())
    }

    #[test]
    fn a_class_declares_what_its_clients_can_do() {
        for (declared, shown) in [
            ("{}", "{}"),
            (r#"{"roots":{"listChanged":true},"experimental":{}}"#, r#"{"roots":{"listChanged":false}}"#),
            (r#"{"elicitation":{}}"#, r#"{"elicitation":{"form":{}}}"#),
            (r#"{"elicitation":{"url":{}}}"#, r#"{"elicitation":{"url":{}}}"#),
            (
                r#"{"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#,
                r#"{"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#,
            ),
        ] {
            let class = client(declared).class();
            assert_eq!(class.capabilities().raw(), shown, "{declared}");
            assert_eq!(class.capabilities().class(), class);
            assert_eq!(class.is_none(), shown == "{}");
        }
        assert_eq!(Class::EVERYTHING.capabilities().class(), Class::EVERYTHING);
    }

    #[test]
    fn only_what_was_declared_may_be_asked() {
        let form = b"{\"mode\":\"form\"}";
        let url = b"{\"mode\":\"url\"}";
        let cases: [(&str, Method, &[u8], Option<i32>); 9] = [
            ("{}", Method::Ping, b"{}", None),
            ("{}", Method::ListRoots, b"{}", Some(METHOD_NOT_FOUND)),
            ("{\"roots\":{}}", Method::ListRoots, b"{}", None),
            ("{\"sampling\":{}}", Method::CreateMessage, b"{}", None),
            ("{}", Method::Elicit, form, Some(METHOD_NOT_FOUND)),
            ("{\"elicitation\":{}}", Method::Elicit, b"{}", None),
            ("{\"elicitation\":{}}", Method::Elicit, url, Some(INVALID_PARAMS)),
            ("{\"elicitation\":{\"url\":{}}}", Method::Elicit, form, Some(INVALID_PARAMS)),
            ("{\"elicitation\":{\"form\":{},\"url\":{}}}", Method::Elicit, url, None),
        ];
        for (declared, method, params, code) in cases {
            let refused = client(declared).permit(method, params).err().map(|refusal| refusal.code);
            assert_eq!(refused, code, "{declared} {method:?}");
        }
    }
}

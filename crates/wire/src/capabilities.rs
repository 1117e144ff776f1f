//! What a client said it can be asked, held against what a server asks.

use bytes::Bytes;

use crate::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::method::Method;
use crate::raw::{peek, peek_string};

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

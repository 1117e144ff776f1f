//! HTTP Bearer (RFC 6750): a token in the header, and nowhere else.

use http::header::HeaderValue;
use http::request::Parts;

use super::{Scheme, Verdict, shown, sought};
use crate::config::{Credential, Hashed};
use crate::user::Principal;

/// Tokens, and whose they are.
pub(crate) struct Bearer {
    tokens: Vec<(Hashed, Principal)>,
}

impl Bearer {
    pub(crate) fn new(tokens: Vec<(Credential, Principal)>) -> Self {
        Bearer { tokens: tokens.into_iter().map(|(one, principal)| (one.secret, principal)).collect() }
    }
}

impl Scheme for Bearer {
    fn name(&self) -> &'static str {
        "Bearer"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer")
    }

    fn check(&self, parts: &Parts) -> Verdict {
        let Some(token) = shown(parts, self) else { return Verdict::NotMine };
        let given = Hashed::of(token);
        let found = sought(&self.tokens, |token| *token == given);
        found.map_or(Verdict::Refused("a wrong token"), Verdict::Ok)
    }
}

//! HTTP Basic (RFC 7617): a user name and a password in base64.

use http::header::HeaderValue;
use http::request::Parts;
use janua_wire::base64;

use super::{Scheme, Verdict, shown, sought};
use crate::config::{Credential, Hashed};
use crate::user::Principal;

/// Users with passwords.
pub(super) struct Basic {
    /// A user name, also as a digest so that its length is not told by time, and a password.
    users: Vec<((Hashed, Hashed), Principal)>,
}

impl Basic {
    pub(super) fn new(users: Vec<(Credential, Principal)>) -> Self {
        let user =
            |(one, principal): (Credential, Principal)| ((Hashed::of(one.principal.as_bytes()), one.secret), principal);
        Basic { users: users.into_iter().map(user).collect() }
    }
}

impl Scheme for Basic {
    fn name(&self) -> &'static str {
        "Basic"
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Basic realm=\"MCP Gateway\"")
    }

    fn check(&self, parts: &Parts) -> Verdict {
        let Some(coded) = shown(parts, self) else { return Verdict::NotMine };
        let Some(both) = base64::decode(coded) else { return Verdict::Refused("no base64 behind Basic") };
        // A name holds no colon, a password may (RFC 7617, section 2).
        let Some(at) = both.iter().position(|byte| *byte == b':') else {
            return Verdict::Refused("no colon in what Basic holds");
        };
        let (name, password) = (Hashed::of(&both[..at]), Hashed::of(&both[at + 1..]));
        let found = sought(&self.users, |(user, secret)| {
            // Both are always compared.
            let (named, known) = (*user == name, *secret == password);
            named && known
        });
        found.map_or(Verdict::Refused("wrong user name or password"), Verdict::Ok)
    }
}

//! Sealed request states: what a client carries back and forth, and can neither read nor change.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use janua_wire::base64;
use janua_wire::metadata::without;
use janua_wire::raw;

use crate::call::Call;
use crate::error::{Failure, Kind};
use crate::random;

/// What a state leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The parked call; 0: there is none, and the request is to be sent anew.
    pub(super) slot: u64,
    /// Which round of questions it was given out with.
    pub(super) round: u32,
}

/// Seals and opens the states of this process. A state of another process, or of an earlier run, does not open.
pub(super) struct Seal {
    key: RandomizedNonceKey,
}

/// Slot, round, expiry in seconds of Unix time, digest of what was asked.
const LENGTH: usize = 8 + 4 + 8 + 32;
const NONCE: usize = 12;

impl Seal {
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = || Failure::new(Kind::StartFailed, "no key for request states");
        let key = RandomizedNonceKey::new(&AES_256_GCM, &random::bytes::<32>()).map_err(|_| failed())?;
        Ok(Seal { key })
    }

    /// The state that leads `ticket`'s request back, for so long.
    pub(super) fn state(&self, ticket: Ticket, asked: &Call, lives: Duration) -> Option<String> {
        let expiry = (now() + lives).as_secs();
        let mut sealed = Vec::with_capacity(NONCE + LENGTH + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&ticket.slot.to_be_bytes());
        sealed.extend_from_slice(&ticket.round.to_be_bytes());
        sealed.extend_from_slice(&expiry.to_be_bytes());
        sealed.extend_from_slice(&fingerprint(asked));
        let nonce = self.key.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Some(base64::encode(&whole))
    }

    /// What a state leads to, if it is one of ours for this very request and still valid.
    pub(super) fn open(&self, state: &str, asked: &Call) -> Option<Ticket> {
        let mut whole = base64::decode(state.as_bytes())?;
        if whole.len() != NONCE + LENGTH + AES_256_GCM.tag_len() {
            return None;
        }
        let (nonce, sealed) = whole.split_at_mut(NONCE);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        let slot = u64::from_be_bytes(plain.get(..8)?.try_into().ok()?);
        let round = u32::from_be_bytes(plain.get(8..12)?.try_into().ok()?);
        let expiry = u64::from_be_bytes(plain.get(12..20)?.try_into().ok()?);
        let fits = plain.get(20..LENGTH)? == fingerprint(asked);
        (fits && expiry >= now().as_secs()).then_some(Ticket { slot, round })
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Method, parameters, and in whose name, but for what differs from one attempt to the next. Clients write JSON anew with every
/// attempt: the order of members and white space do not count.
fn fingerprint(asked: &Call) -> [u8; 32] {
    let Call { request: asked, caller } = asked;
    let params = asked.params();
    let differs = |key: &[u8]| ["_meta", "inputResponses", "requestState"].iter().any(|name| raw::same(key, name));
    let same = without(params, raw::whole(params), differs);
    let mut text = asked.name().into_owned().into_bytes();
    // No name holds a line break. Nobody is told apart from a user without a name.
    for part in caller.user.iter().flat_map(|user| ["user", &user.id]) {
        text.push(b'\n');
        text.extend_from_slice(part.as_bytes());
    }
    text.push(b'\n');
    raw::canonical(same.as_bytes(), &mut text);
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &text).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Caller, Scope};
    use crate::user::User;
    use janua_wire::capabilities::ClientCapabilities;
    use janua_wire::id::ClientId;
    use janua_wire::message::Request;
    use janua_wire::version::Version;
    use std::sync::Arc;

    const HOUR: Duration = Duration::from_secs(3600);

    fn request(params: &str) -> Call {
        of_user(params, None)
    }

    fn of_user(params: &str, user: Option<&str>) -> Call {
        let capabilities = ClientCapabilities::default();
        let user = user.map(|id| Arc::new(User::new(id)));
        let caller = Arc::new(Caller { scope: Scope::Modern, version: Version::NEWEST, capabilities, user });
        Call { request: Request::new(&ClientId::number(1), "tools/call", Some(params)).expect("valid"), caller }
    }

    #[test]
    fn a_state_opens_for_its_own_user_only() {
        let (seal, ticket) = (Seal::new().expect("a key"), Ticket { slot: 7, round: 2 });
        let users = [None, Some("a"), Some("b"), Some("")];
        for user in users {
            let state = seal.state(ticket, &of_user("{}", user), HOUR).expect("sealed");
            for other in users {
                assert_eq!(seal.open(&state, &of_user("{}", other)).is_some(), user == other, "{user:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_state_opens_for_its_own_request_only() {
        let (seal, other) = (Seal::new().expect("a key"), Seal::new().expect("a key"));
        let asked = request(r#"{"name":"a","arguments":{"x":1,"y":[2]}}"#);
        let ticket = Ticket { slot: 7, round: 2 };
        let state = seal.state(ticket, &asked, HOUR).expect("sealed");
        assert_eq!(seal.open(&state, &asked), Some(ticket));
        let again = r#"{ "requestState":"s","arguments":{"y":[2],"x":1},"name":"a","_meta":{},"inputResponses":{}}"#;
        assert_eq!(seal.open(&state, &request(again)), Some(ticket));
        assert_eq!(seal.open(&state, &request(r#"{"name":"b","arguments":{"x":1,"y":[2]}}"#)), None);
        assert_eq!(other.open(&state, &asked), None, "another process");
        for at in 0..state.len() {
            let mut forged = state.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(seal.open(&String::from_utf8_lossy(&forged), &asked), None, "byte {at}");
        }
        assert_eq!(seal.open("", &asked), None);
        let brief = seal.state(ticket, &asked, Duration::ZERO).expect("sealed");
        assert!(seal.open(&brief, &asked).is_some());
    }
}

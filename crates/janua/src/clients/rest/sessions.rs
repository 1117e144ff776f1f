//! The sessions of plain HTTP requests: which one a request belongs to, and how it is opened.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use janua_wire::capabilities::Class;
use janua_wire::id::ClientId;
use janua_wire::json::quote;
use janua_wire::message::{Notification, Request, Response};
use janua_wire::raw;
use janua_wire::version::Version;
use tokio::sync::OnceCell;

use super::Target;
use super::arguments::Asked;
use crate::admission::Slot;
use crate::call::Caller;
use crate::clients::streamable_http::Opening;
use crate::error::{Failure, Kind};
use crate::gateway::Gateway;
use crate::lock::Lock;
use crate::servers::Refusal;
use crate::sessions::session::{Running, short};
use crate::sessions::{self, Session};
use crate::user::{Principal, User, Visitor};
use crate::{local, pipeline};

/// The longest name of a session.
const LONGEST: usize = 128;

/// Whose a session or a question is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// One who has authenticated, and in whose name servers are used.
    Principal(Principal),
    /// Whoever is at an address.
    Address(IpAddr),
    /// Whoever knows the name.
    Anybody,
}

/// What tells sessions apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) owner: Owner,
    pub(super) user: Option<Arc<User>>,
    pub(super) name: Option<String>,
    pub(super) server: Option<String>,
    /// Whether the server may ask.
    pub(super) asks: bool,
}

/// A session, or one that is being opened.
pub(super) struct Entry {
    /// On whose account it is.
    account: Owner,
    opened: OnceCell<Weak<Session>>,
    /// Whether its server promises to tell when its tools change.
    announces: OnceLock<bool>,
    /// The tools that its server has listed.
    pub(super) tools: Lock<Option<Asked>>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Table(Lock<HashMap<Key, Arc<Entry>>>);

/// A session in use.
pub(super) struct Held {
    pub(super) caller: Arc<Caller>,
    /// `None` where everybody shares one instance.
    pub(super) session: Option<InUse>,
    /// What the call takes up of the gateway, if no session holds that.
    _slot: Option<Slot>,
}

/// A session with a call under way.
pub(super) struct InUse {
    pub(super) session: Arc<Session>,
    pub(super) entry: Arc<Entry>,
    pub(super) is_new: bool,
    running: Option<Running>,
    /// Whether it is there for this call only.
    is_ephemeral: bool,
    gateway: Arc<Gateway>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.running = None;
        if self.is_ephemeral {
            self.gateway.end_session(&self.session);
        }
    }
}

impl Entry {
    pub(super) fn new(account: Owner) -> Arc<Entry> {
        Arc::new(Entry { account, opened: OnceCell::new(), announces: OnceLock::new(), tools: Lock::default() })
    }

    /// Whether its server promises to tell when its tools change.
    pub(super) fn announces(&self) -> bool {
        self.announces.get().copied().unwrap_or(false)
    }

    fn is_alive(&self) -> bool {
        self.opened.get().is_none_or(|session| session.upgrade().is_some_and(|session| !session.is_over()))
    }
}

/// Whether a text can name a session.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-');
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain)
}

impl Table {
    /// The session of that key, opened if need be; several calls at once open one.
    pub(super) async fn enter(
        &self,
        gateway: &Arc<Gateway>,
        target: &Target,
        (key, account): (Key, Owner),
        (visitor, slot): (&Visitor, Slot),
    ) -> Result<Held, Refusal> {
        // The second time is for a session that has ended meanwhile.
        for _ in 0..2 {
            let entry = self.entry(gateway, &key, &account)?;
            let (session, is_new) = if let Some(session) = entry.opened.get() {
                (session.upgrade(), false)
            } else {
                let opening = || async { Ok(Arc::downgrade(&open(gateway, target, visitor, &key, &entry).await?)) };
                let opened = entry.opened.get_or_try_init(opening).await;
                (opened.inspect_err(|_: &Refusal| self.forget(&key, &entry))?.upgrade(), true)
            };
            let usable = session.filter(|session| !session.is_over() && Arc::ptr_eq(&session.place, &target.place));
            if let Some(session) = usable
                && let Some(caller) = session.caller().cloned()
            {
                if target.place.ready(&caller).is_some() {
                    return held(gateway, session, caller, (entry, is_new, false), slot);
                }
                // Its server has ended, and it is about to.
                gateway.end_session(&session);
            }
            self.forget(&key, &entry);
        }
        let message = "the server has ended as soon as it was opened";
        Err(Failure::new(Kind::ServerExited, message).into())
    }

    fn entry(&self, gateway: &Gateway, key: &Key, account: &Owner) -> Result<Arc<Entry>, Failure> {
        let mut entries = self.0.lock();
        if let Some(entry) = entries.get(key) {
            return Ok(entry.clone());
        }
        entries.retain(|_, entry| entry.is_alive());
        let most = gateway.limits.rest_sessions;
        if entries.values().filter(|entry| entry.account == *account).count() >= most {
            let message = format!("you have {most} sessions already, the most there may be");
            return Err(Failure::new(Kind::TooMany, message).retry_after(gateway.limits.rest_idle));
        }
        let entry = Entry::new(account.clone());
        entries.insert(key.clone(), entry.clone());
        Ok(entry)
    }

    fn forget(&self, key: &Key, entry: &Arc<Entry>) {
        let mut entries = self.0.lock();
        if entries.get(key).is_some_and(|held| Arc::ptr_eq(held, entry)) {
            entries.remove(key);
        }
    }

    /// Whether the session of that key is there already.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.0.lock().get(key).is_some_and(|entry| entry.opened.initialized() && entry.is_alive())
    }

    /// Ends the sessions of that name and owner. False if there was none.
    pub(super) fn end(&self, gateway: &Gateway, owner: &Owner, name: &str) -> bool {
        let mut ended = Vec::new();
        self.0.lock().retain(|key, entry| {
            let is_meant = key.owner == *owner && key.name.as_deref() == Some(name);
            if is_meant {
                ended.extend(entry.opened.get().and_then(Weak::upgrade));
            }
            !is_meant
        });
        for session in &ended {
            gateway.end_session(session);
        }
        !ended.is_empty()
    }
}

/// A session for one call.
pub(super) async fn ephemeral(
    gateway: &Arc<Gateway>,
    target: &Target,
    (key, account): (Key, Owner),
    (visitor, slot): (&Visitor, Slot),
) -> Result<Held, Refusal> {
    let entry = Entry::new(account);
    let session = open(gateway, target, visitor, &key, &entry).await?;
    let Some(caller) = session.caller().cloned() else { return Err(crate::bridge::lost().into()) };
    held(gateway, session, caller, (entry, true, true), slot)
}

/// A call where everybody shares one instance, and nobody has a session.
pub(super) fn shared(visitor: &Visitor, slot: Slot) -> Held {
    Held { caller: local::anybody(Version::NEWEST_LEGACY, visitor), session: None, _slot: Some(slot) }
}

fn held(
    gateway: &Arc<Gateway>,
    session: Arc<Session>,
    caller: Arc<Caller>,
    (entry, is_new, is_ephemeral): (Arc<Entry>, bool, bool),
    slot: Slot,
) -> Result<Held, Refusal> {
    let running = session.enter(Some(slot));
    if running.is_none() {
        return Err(session.too_many().into());
    }
    let in_use = InUse { session, entry, is_new, running, is_ephemeral, gateway: gateway.clone() };
    Ok(Held { caller, session: Some(in_use), _slot: None })
}

/// Opens a session in the gateway's own words.
async fn open(
    gateway: &Arc<Gateway>,
    target: &Target,
    visitor: &Visitor,
    key: &Key,
    entry: &Entry,
) -> Result<Arc<Session>, Refusal> {
    let session = gateway.open_session(sessions::Kind::Rest, target.place.clone(), visitor.clone())?;
    let mut opening = Opening { gateway, session: Some(session.clone()) };
    let _running = session.enter(None);
    let response = local::initialize(gateway, &session, &initialize(key.asks)?).await?;
    if let (Some(caller), Ok(said)) = (session.caller(), Notification::new("notifications/initialized", None)) {
        pipeline::notify(&session.place, caller, said).await;
    }
    let _ = entry.announces.set(announces(&response));
    opening.session = None;
    tracing::info!(session = short(&session.id), "session opened");
    Ok(session)
}

/// The request that opens a session, of a client that can be asked everything or nothing.
fn initialize(asks: bool) -> Result<Request, Failure> {
    let class = if asks { Class::EVERYTHING } else { Class::default() };
    let capabilities = class.capabilities();
    let capabilities = String::from_utf8_lossy(capabilities.raw());
    let (version, of) = (Version::NEWEST_LEGACY, quote(env!("CARGO_PKG_VERSION")));
    let params = format!(
        "{{\"protocolVersion\":\"{version}\",\"capabilities\":{capabilities},\
         \"clientInfo\":{{\"name\":\"janua-rest\",\"version\":{of}}}}}"
    );
    let request = Request::new(&ClientId::number(0), "initialize", Some(&params));
    request.map_err(|refused| Failure::new(Kind::Unsupported, refused.why.to_string()))
}

fn announces(response: &Response) -> bool {
    let body = response.body();
    let path = ["capabilities", "tools", "listChanged"];
    raw::find_path(body, raw::whole(body), &path).is_some_and(|at| &body[at.range()] == b"true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "randomSession12345", "0f0e-._~"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a b", "ä", "a/b", &"x".repeat(129)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn what_is_said_to_open_a_session_is_a_request() {
        for asks in [false, true] {
            let request = initialize(asks).expect("a request");
            assert_eq!(
                raw::find_path(request.params(), raw::whole(request.params()), &["capabilities", "roots"]).is_some(),
                asks
            );
        }
    }
}

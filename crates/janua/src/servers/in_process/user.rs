//! For whom an instance is there, and how it tells them what belongs to no call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use janua_wire::capabilities::ClientCapabilities;
use janua_wire::raw;
use janua_wire::version::Version;

use super::exchange::{Level, announced, logged};
use super::instance::Told;
use super::{Json, Object};
use crate::servers::Opening;
use crate::user::User;

/// For whom an instance is made.
#[derive(Clone, Debug)]
pub struct UserContext {
    instance: u64,
    serves: Serves,
    client: Json,
    user: Option<Arc<User>>,
    pub(super) capabilities: ClientCapabilities,
    version: Version,
    news: News,
}

/// How many an instance serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Serves {
    /// One client's session, from its `initialize` on.
    Session,
    /// All clients that can be asked the same: those without sessions (2026-07-28), or that share an instance.
    Class,
}

/// Tells an instance's clients what belongs to no call. Clones tell the same ones; nothing is heard once the instance is
/// closed.
#[derive(Clone)]
pub struct News(pub(super) Arc<Told>);

impl UserContext {
    pub(super) fn of(opening: &Opening, told: &Arc<Told>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let client = raw::peek(&opening.params, "clientInfo").unwrap_or(b"{}");
        UserContext {
            instance: NEXT.fetch_add(1, Ordering::Relaxed),
            serves: if opening.on_own_behalf { Serves::Class } else { Serves::Session },
            client: Json::raw(opening.params.slice_ref(client)),
            user: opening.user.clone(),
            capabilities: opening.capabilities.clone(),
            version: opening.version,
            news: News(told.clone()),
        }
    }

    /// For a server whose notifications go another way: what is told through this one, nobody hears.
    #[cfg(feature = "rmcp")]
    pub(crate) fn apart(opening: &Opening) -> Self {
        UserContext::of(opening, &Arc::default())
    }

    /// A number that no other instance of this process has.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// How many it is for.
    pub fn serves(&self) -> Serves {
        self.serves
    }

    /// The client as it names itself (MCP's `Implementation`); the gateway, where it serves several.
    pub fn client(&self) -> &Json {
        &self.client
    }

    /// In whose name its clients call; `None`: in nobody's. Clients of other users have instances of their own, unless
    /// all share one.
    pub fn user(&self) -> Option<&User> {
        self.user.as_deref()
    }

    /// What those it serves can be asked (MCP's `ClientCapabilities`). See [`Exchange::can_elicit`] and its neighbours
    /// for what the client of one call can.
    ///
    /// [`Exchange::can_elicit`]: super::Exchange::can_elicit
    pub fn capabilities(&self) -> Json {
        let declared = self.capabilities.raw();
        if declared.is_empty() { Object::new().into() } else { Json::raw(declared.clone()) }
    }

    /// The revision in which it is spoken to; clients may speak others.
    pub fn revision(&self) -> &'static str {
        self.version.name()
    }

    /// How to tell them what belongs to no call.
    pub fn news(&self) -> News {
        self.news.clone()
    }
}

impl News {
    /// The list of tools has changed.
    pub fn tools_changed(&self) {
        self.0.tell(announced("notifications/tools/list_changed", Object::new()));
    }

    /// The list of prompts has changed.
    pub fn prompts_changed(&self) {
        self.0.tell(announced("notifications/prompts/list_changed", Object::new()));
    }

    /// The list of resources or that of templates has changed.
    pub fn resources_changed(&self) {
        self.0.tell(announced("notifications/resources/list_changed", Object::new()));
    }

    /// A resource has changed. Those hear it who watch it.
    pub fn resource_updated(&self, uri: &str) {
        if self.0.is_watched(uri) {
            self.0.tell(announced("notifications/resources/updated", Object::new().put("uri", uri)));
        }
    }

    /// Logs something that belongs to no call; `data` is any JSON value.
    pub fn log(&self, level: Level, data: impl Into<Json>) {
        if self.0.wants(level) {
            self.0.tell(logged(level, data.into()));
        }
    }

    /// Any other notification. `params` is an object.
    pub fn notify(&self, method: &str, params: impl Into<Json>) {
        self.0.tell(announced(method, params));
    }
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("News")
    }
}

//! Who is at the other end of a connection, and on whose behalf servers are used.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// Who has authenticated, by name. What one principal has opened, no other can use.
#[derive(Clone)]
pub struct Principal {
    name: Arc<str>,
    rights: Rights,
    lease: Option<CancellationToken>,
}

/// What a principal may do besides using servers in its own name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Administrate the gateway.
    pub admin: bool,
    /// Use servers in the name of other users.
    pub impersonate: bool,
}

/// On whose behalf a server is used: instances of a server that are not shared by all are there for one user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The user's name.
    pub id: Arc<str>,
    /// What the server is to present elsewhere in the user's name.
    pub key: Option<Arc<str>>,
}

/// Who is at the other end of a connection; nobody known by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Who has authenticated; `None` if nobody has to.
    pub principal: Option<Principal>,
    /// In whose name servers are used; `None`: in nobody's.
    pub user: Option<Arc<User>>,
}

/// A principal who may not use servers in the name of the user that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYou;

impl Principal {
    /// The principal of that name, without further rights.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Principal { name: name.into(), rights: Rights::default(), lease: None }
    }

    /// The same with these rights, until `lease` is cancelled.
    #[must_use]
    pub(crate) fn with(mut self, rights: Rights, lease: Option<CancellationToken>) -> Self {
        (self.rights, self.lease) = (rights, lease);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may do besides using servers in its own name.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Is cancelled when what it has opened must end, as it is not admitted any more as it was.
    pub(crate) fn lease(&self) -> Option<&CancellationToken> {
        self.lease.as_ref()
    }
}

/// By name alone: it is the same principal whichever way it has shown who it is.
impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Principal").field(&self.name).finish()
    }
}

impl User {
    /// The user of that name, without a key.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        User { id: id.into(), key: None }
    }
}

/// Without the key.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("key", &self.key.as_ref().map(|_| "***")).finish()
    }
}

impl Visitor {
    /// Who has authenticated as `principal`, and uses servers in its own name.
    pub fn of(principal: Principal) -> Self {
        let user = User::new(principal.name.clone());
        Visitor { principal: Some(principal), user: Some(Arc::new(user)) }
    }

    /// The same visitor, who uses servers in the name of `user`: anybody may where nobody has to authenticate, else
    /// only that user, and who has the right to act for others.
    pub fn acting_for(self, user: User) -> Result<Self, NotYou> {
        let may = |principal: &Principal| principal.rights.impersonate || *principal.name == *user.id;
        if !self.principal.as_ref().is_none_or(may) {
            return Err(NotYou);
        }
        Ok(Visitor { principal: self.principal, user: Some(Arc::new(user)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_name_may_be_used() {
        let acts = |visitor: &Visitor, id: &str| visitor.clone().acting_for(User::new(id)).map(|one| one.user);
        let named = |id: &str| Ok(Some(Arc::new(User::new(id))));
        let (anybody, alice) = (Visitor::default(), Visitor::of(Principal::new("alice")));
        let rights = Rights { impersonate: true, ..Rights::default() };
        let proxy = Visitor::of(Principal::new("proxy").with(rights, None));
        assert_eq!(alice.user.as_ref().map(|user| &*user.id), Some("alice"));
        for (visitor, id, wanted) in [
            (&anybody, "bob", named("bob")),
            (&alice, "alice", named("alice")),
            (&alice, "bob", Err(NotYou)),
            (&alice, "alic", Err(NotYou)),
            (&proxy, "bob", named("bob")),
        ] {
            assert_eq!(acts(visitor, id), wanted, "{id}");
        }
        let administrates = Rights { admin: true, ..Rights::default() };
        let admin = Visitor::of(Principal::new("admin").with(administrates, None));
        assert_eq!(acts(&admin, "bob"), Err(NotYou), "one right is not another");
    }

    #[test]
    fn a_principal_is_its_name() {
        let rights = Rights { admin: true, impersonate: true };
        assert_eq!(Principal::new("a"), Principal::new("a").with(rights, Some(CancellationToken::new())));
        assert_ne!(Principal::new("a"), Principal::new("A"));
    }
}

//! Who is at the other end of a connection, and on whose behalf servers are used.

use std::fmt;
use std::sync::Arc;

/// Who has authenticated, by name. What one principal has opened, no other can use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

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

impl Principal {
    /// The principal of that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Principal(name.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
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

//! Who may use a gateway, and how they show who they are.

use std::fmt;

use crate::secret::Hashed;

/// Who may use a gateway. A scheme without credentials is off; with both off nobody gets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthSettings {
    /// User names and passwords (RFC 7617).
    pub basic: Vec<Credential>,
    /// Bearer tokens (RFC 6750).
    pub bearer: Vec<Credential>,
    /// What is answered to anybody.
    pub open: Vec<OpenRoute>,
}

/// One way for one principal to show who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The name of the principal: the user name, or whose a token is.
    pub principal: String,
    /// The password or token.
    pub secret: Hashed,
    /// Whether the principal may administrate the gateway.
    pub admin: bool,
    /// Whether the principal may act for other users.
    pub impersonate: bool,
}

/// A route that says whether the gateway is well, and nothing of what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRoute {
    /// The report of how full everything is.
    Health,
    /// Whether the process runs.
    Livez,
    /// Whether new work is accepted.
    Readyz,
}

impl OpenRoute {
    /// All there are.
    pub const ALL: [OpenRoute; 3] = [OpenRoute::Health, OpenRoute::Livez, OpenRoute::Readyz];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            OpenRoute::Health => "health",
            OpenRoute::Livez => "livez",
            OpenRoute::Readyz => "readyz",
        }
    }
}

impl Credential {
    /// A credential without further rights.
    pub fn new(principal: impl Into<String>, secret: Hashed) -> Self {
        Credential { principal: principal.into(), secret, admin: false, impersonate: false }
    }
}

/// All but the secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Credential { principal, admin, impersonate, .. } = self;
        let mut shown = f.debug_struct("Credential");
        shown.field("principal", principal).field("admin", admin).field("impersonate", impersonate);
        shown.finish_non_exhaustive()
    }
}

//! Who gets in and who does not, on every route and every transport, and what becomes of those who are shown out.
#![expect(clippy::disallowed_methods, reason = "the bans are about the gateway's own children and tasks")]

#[path = "auth/administration.rs"]
mod administration;
#[path = "auth/clients.rs"]
mod clients;
#[path = "auth/embedded.rs"]
mod embedded;
#[path = "auth/reload.rs"]
mod reload;
#[path = "auth/routes.rs"]
mod routes;
#[path = "auth/scene.rs"]
mod scene;
#[path = "auth/sessions.rs"]
mod sessions;

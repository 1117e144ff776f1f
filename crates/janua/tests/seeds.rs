//! The contracts of guMCP and acehoss/mcp-gateway, one test a row, against the built programs.
#![expect(clippy::disallowed_methods, reason = "the bans are about the gateway's own children and settings")]

#[path = "seeds/acehoss.rs"]
mod acehoss;
#[path = "seeds/all.rs"]
mod all;
#[path = "seeds/auth.rs"]
mod auth;
#[path = "seeds/factory.rs"]
mod factory;
#[path = "seeds/gumcp.rs"]
mod gumcp;
#[path = "seeds/openapi.rs"]
mod openapi;
#[path = "seeds/operator.rs"]
mod operator;
#[path = "seeds/remote.rs"]
mod remote;
#[path = "seeds/rest.rs"]
mod rest;
#[path = "folders/scene.rs"]
mod scene;
#[path = "seeds/stage.rs"]
mod stage;

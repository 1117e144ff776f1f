//! The contracts of guMCP and acehoss/mcp-gateway, one test a row, against the built programs.

#[path = "seeds/rest.rs"]
mod rest;

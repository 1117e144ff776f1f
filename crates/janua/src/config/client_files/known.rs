//! The clients that are known, one entry each.

use super::Place::{DotConfig, Home, Settings, Variable};
use super::{Client, Dialect, Fixed, Kind, Shape, Switch, Words};

/// Our own words.
pub(super) const OURS: Dialect = Dialect {
    command: Words::Apart,
    env: "env",
    url: "url",
    headers: "headers",
    kind: Some(Kind { key: "transport", stdio: None, http: Some("http"), sse: "sse" }),
    switch: Switch::Disabled,
    fixed: &[],
    remote: true,
};

/// Claude's words, which most speak: `type` where a server is remote.
const CLAUDE: Dialect = with_type(Kind { key: "type", stdio: None, http: Some("http"), sse: "sse" });
/// Those that find out by themselves what is behind a URL.
const CURSOR: Dialect = Dialect { kind: None, ..CLAUDE };
const PROGRAMS_ONLY: Dialect = Dialect { remote: false, ..CLAUDE };
const VSCODE_WORDS: Dialect = with_type(Kind { key: "type", stdio: Some("stdio"), http: Some("http"), sse: "sse" });
const SERVER_URL: Dialect = Dialect { url: "serverUrl", ..CURSOR };
/// Gemini takes `url` for HTTP+SSE.
const GEMINI: Dialect = Dialect { url: "httpUrl", ..CURSOR };
const CLINE: Dialect = with_type(Kind { key: "type", stdio: Some("stdio"), http: Some("streamableHttp"), sse: "sse" });
const ROO: Dialect = with_type(Kind { key: "type", stdio: Some("stdio"), http: Some("streamable-http"), sse: "sse" });
const COPILOT: Dialect = Dialect {
    fixed: &[("tools", Fixed::Everything)],
    ..with_type(Kind { key: "type", stdio: Some("local"), http: Some("http"), sse: "sse" })
};
const CODEX: Dialect = Dialect { headers: "http_headers", switch: Switch::Enabled, ..CURSOR };
const GROK: Dialect = Dialect { switch: Switch::Enabled, ..CURSOR };
const ZED: Dialect = Dialect { switch: Switch::Enabled, ..CURSOR };
const OPENCODE: Dialect = Dialect {
    command: Words::Together,
    env: "environment",
    switch: Switch::Enabled,
    fixed: &[("enabled", Fixed::True)],
    ..with_type(Kind { key: "type", stdio: Some("local"), http: Some("remote"), sse: "remote" })
};
const GOOSE: Dialect = Dialect {
    command: Words::Cmd,
    env: "envs",
    url: "uri",
    switch: Switch::Enabled,
    fixed: &[("name", Fixed::Name), ("enabled", Fixed::True)],
    ..with_type(Kind { key: "type", stdio: Some("stdio"), http: Some("streamable_http"), sse: "sse" })
};

const fn with_type(kind: Kind) -> Dialect {
    Dialect {
        command: Words::Apart,
        env: "env",
        url: "url",
        headers: "headers",
        kind: Some(kind),
        switch: Switch::Disabled,
        fixed: &[],
        remote: true,
    }
}

const MCP_SERVERS: &[&str] = &["mcpServers"];
const MCP_SERVERS_TABLE: &[&str] = &["mcp_servers"];
const CONTEXT_SERVERS: &[&str] = &["context_servers"];
const AMP: &[&str] = &["amp.mcpServers"];
const SERVERS: &[&str] = &["servers"];

/// Ours.
pub(super) const OWN: Shape = Shape { section: SERVERS, dialect: &OURS };
/// VS Code's.
pub(super) const VSCODE: Shape = Shape { section: SERVERS, dialect: &VSCODE_WORDS };

/// The shapes that the gateway reads, by where the servers are.
pub(super) const SHAPES: &[Shape] = &[
    Shape { section: MCP_SERVERS, dialect: &CLAUDE },
    Shape { section: MCP_SERVERS_TABLE, dialect: &CODEX },
    Shape { section: CONTEXT_SERVERS, dialect: &ZED },
    Shape { section: AMP, dialect: &CURSOR },
    Shape { section: &["mcp", "servers"], dialect: &VSCODE_WORDS },
    OWN,
];

const fn json(
    id: &'static str,
    title: &'static str,
    dialect: &'static Dialect,
    user: &'static [super::Place],
) -> Client {
    Client { id, title, section: MCP_SERVERS, dialect, writable: true, user, project: &[] }
}

const fn below(mut client: Client, section: &'static [&'static str]) -> Client {
    client.section = section;
    client
}

const fn project(mut client: Client, project: &'static [&'static str]) -> Client {
    client.project = project;
    client
}

/// All clients whose configuration we know.
pub const CLIENTS: &[Client] = &[
    json("claude-desktop", "Claude Desktop", &PROGRAMS_ONLY, &[Settings("Claude/claude_desktop_config.json")]),
    project(
        json(
            "claude-code",
            "Claude Code",
            &CLAUDE,
            &[Variable("CLAUDE_CONFIG_DIR", ".claude.json"), Home(".claude.json")],
        ),
        &[".mcp.json"],
    ),
    project(json("cursor", "Cursor", &CURSOR, &[Home(".cursor/mcp.json")]), &[".cursor/mcp.json"]),
    project(
        below(json("vscode", "VS Code", &VSCODE_WORDS, &[Settings("Code/User/mcp.json")]), SERVERS),
        &[".vscode/mcp.json"],
    ),
    below(
        json("vscode-insiders", "VS Code Insiders", &VSCODE_WORDS, &[Settings("Code - Insiders/User/mcp.json")]),
        SERVERS,
    ),
    below(json("vscodium", "VSCodium", &VSCODE_WORDS, &[Settings("VSCodium/User/mcp.json")]), SERVERS),
    json("windsurf", "Windsurf", &SERVER_URL, &[Home(".codeium/windsurf/mcp_config.json")]),
    project(
        below(
            json("codex", "Codex", &CODEX, &[Variable("CODEX_HOME", "config.toml"), Home(".codex/config.toml")]),
            MCP_SERVERS_TABLE,
        ),
        &[".codex/config.toml"],
    ),
    project(
        below(json("zed", "Zed", &ZED, &[DotConfig("zed/settings.json", "Zed/settings.json")]), CONTEXT_SERVERS),
        &[".zed/settings.json"],
    ),
    project(json("gemini", "Gemini CLI", &GEMINI, &[Home(".gemini/settings.json")]), &[".gemini/settings.json"]),
    json("antigravity", "Antigravity", &SERVER_URL, &[Home(".gemini/antigravity/mcp_config.json")]),
    project(json("qwen", "Qwen Code", &GEMINI, &[Home(".qwen/settings.json")]), &[".qwen/settings.json"]),
    json(
        "copilot-cli",
        "Copilot CLI",
        &COPILOT,
        &[Variable("COPILOT_HOME", "mcp-config.json"), Home(".copilot/mcp-config.json")],
    ),
    json(
        "cline",
        "Cline",
        &CLINE,
        &[Settings("Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json")],
    ),
    project(
        json(
            "roo",
            "Roo Code",
            &ROO,
            &[Settings("Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json")],
        ),
        &[".roo/mcp.json"],
    ),
    project(json("warp", "Warp", &CURSOR, &[Home(".warp/.mcp.json")]), &[".warp/.mcp.json"]),
    project(json("amazon-q", "Amazon Q", &CLAUDE, &[Home(".aws/amazonq/mcp.json")]), &[".amazonq/mcp.json"]),
    project(json("kiro", "Kiro", &CURSOR, &[Home(".kiro/settings/mcp.json")]), &[".kiro/settings/mcp.json"]),
    json("lm-studio", "LM Studio", &CURSOR, &[Home(".lmstudio/mcp.json")]),
    project(json("junie", "Junie", &CURSOR, &[Home(".junie/mcp/mcp.json")]), &[".junie/mcp/mcp.json"]),
    json("boltai", "BoltAI", &PROGRAMS_ONLY, &[Home(".boltai/mcp.json")]),
    project(
        below(
            json("grok", "Grok", &GROK, &[Variable("GROK_HOME", "config.toml"), Home(".grok/config.toml")]),
            MCP_SERVERS_TABLE,
        ),
        &[".grok/config.toml"],
    ),
    project(
        below(
            json(
                "opencode",
                "OpenCode",
                &OPENCODE,
                &[Home(".config/opencode/opencode.json"), Home(".config/opencode/opencode.jsonc")],
            ),
            &["mcp"],
        ),
        &["opencode.json", "opencode.jsonc"],
    ),
    project(
        below(
            json("kilo", "Kilo Code", &OPENCODE, &[Home(".config/kilo/kilo.jsonc"), Home(".config/kilo/kilo.json")]),
            &["mcp"],
        ),
        &["kilo.json", "kilo.jsonc", ".kilo/kilo.json", ".kilo/kilo.jsonc"],
    ),
    // Its servers are a list.
    Client { writable: false, ..json("continue", "Continue", &CURSOR, &[Home(".continue/config.yaml")]) },
    below(
        json("goose", "Goose", &GOOSE, &[DotConfig("goose/config.yaml", "Block/goose/config/config.yaml")]),
        &["extensions"],
    ),
    below(json("hermes", "Hermes", &GROK, &[Home(".hermes/config.yaml")]), MCP_SERVERS_TABLE),
    below(json("amp", "Amp", &CURSOR, &[Home(".config/amp/settings.json")]), AMP),
];

//! Configurations as people and clients write them.

use janua::config::edit::Format;

/// A text, its format, and the keys that lead to its servers.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    pub(crate) section: &'static [&'static str],
    pub(crate) text: &'static str,
}

const fn sample(name: &'static str, format: Format, section: &'static [&'static str], text: &'static str) -> Sample {
    Sample { name, format, section, text }
}

pub(crate) const SAMPLES: &[Sample] = &[
    sample(
        "Claude Desktop, two spaces",
        Format::Json,
        &["mcpServers"],
        "{\n  \"globalShortcut\": \"Ctrl+Space\",\n  \"mcpServers\": {\n    \"filesystem\": {\n      \"command\": \"npx\",\n      \"args\": [\n        \"-y\",\n        \"@modelcontextprotocol/server-filesystem\",\n        \"/Users/zoë/Desktop\"\n      ]\n    }\n  }\n}\n",
    ),
    sample("empty object", Format::Json, &["mcpServers"], "{\n  \"mcpServers\": {}\n}\n"),
    sample("one line", Format::Json, &["mcpServers"], "{\"mcpServers\":{\"a\":{\"command\":\"x\"}},\"n\":1.50}"),
    sample("one line, empty", Format::Json, &["mcpServers"], "{\"mcpServers\":{},\"n\":1e3}"),
    sample(
        "Cursor, tabs, trailing commas, comments",
        Format::Json,
        &["mcpServers"],
        "// mine\n{\n\t\"mcpServers\": { // all of them\n\t\t/* the first */\n\t\t\"git\": { \"command\": \"uvx\", \"args\": [\"mcp-server-git\",], }, // last\n\t\t// \"old\": { \"command\": \"gone\" },\n\t},\n}\n",
    ),
    sample(
        "no trailing comma, a comment after the last",
        Format::Json,
        &["mcpServers"],
        "{\n  \"mcpServers\": {\n    \"a\": { \"url\": \"https://x/mcp\" } // keep, me\n    // and \"me\": {}\n  },\n  \"other\": [1, 2]\n}",
    ),
    sample(
        "VS Code, CRLF, four spaces",
        Format::Json,
        &["servers"],
        "{\r\n    \"inputs\": [\r\n        { \"type\": \"promptString\", \"id\": \"key\", \"password\": true }\r\n    ],\r\n    \"servers\": {\r\n        \"gh\": {\r\n            \"type\": \"http\",\r\n            \"url\": \"https://api.githubcopilot.com/mcp/\",\r\n            \"headers\": { \"Authorization\": \"Bearer ${input:key}\" }\r\n        }\r\n    }\r\n}\r\n",
    ),
    sample(
        "Zed's settings",
        Format::Json,
        &["context_servers"],
        "// Zed settings\n//\n// For information on how to configure Zed, see the documentation.\n{\n  \"ui_font_size\": 16,\n  \"theme\": { \"mode\": \"system\", \"light\": \"One Light\" },\n  \"context_servers\": {\n    \"pg\": {\n      \"source\": \"custom\",\n      \"command\": { \"path\": \"pg-mcp\", \"args\": [], \"env\": null },\n    },\n  },\n}\n",
    ),
    sample(
        "Amp, a key with a dot; a byte order mark",
        Format::Json,
        &["amp.mcpServers"],
        "\u{feff}{\n  \"amp.mcpServers\": {\n    \"x\": {\"command\": \"\\u00e9\\ud83d\\ude00\"}\n  }\n}\n",
    ),
    sample(
        "ours",
        Format::Yaml,
        &["servers"],
        "# the house's servers\nlisten: 127.0.0.1:3000   # loopback\n\nservers:\n  # files first\n  files:\n    command: npx\n    args: [-y, \"@modelcontextprotocol/server-filesystem@2026.8.31\", /srv]\n    env: { TOKEN: \"${file:/run/secrets/token}\" }  # from a file\n\n  search:\n    url: https://example.com/mcp # remote\n\nviews:\n  research: { servers: [search, files] }\n",
    ),
    sample("ours, empty", Format::Yaml, &["servers"], "listen: 1\nservers: {} # none yet\nviews: {}\n"),
    sample("no line break at the end", Format::Yaml, &["servers"], "servers:\n    a:\n        command: x"),
    sample(
        "acehoss, CRLF, long texts, sequences that are not indented",
        Format::Yaml,
        &["servers"],
        "hostname: \"0.0.0.0\"\r\nport: 3000\r\nservers:\r\n  one:\r\n    command: sh\r\n    args:\r\n    - -c\r\n    - |\r\n      echo hi\r\n      echo ho\r\n  # after\r\n# end\r\n",
    ),
    sample("flow", Format::Yaml, &["servers"], "servers: {a: {command: x}, b: {url: 'http://x'}}\n"),
    sample(
        "JSON in YAML",
        Format::Yaml,
        &["servers"],
        "{\n  \"servers\": {\n    \"a\": {\"command\": \"x\"}\n  }\n}\n",
    ),
    sample(
        "Goose",
        Format::Yaml,
        &["extensions"],
        "GOOSE_PROVIDER: anthropic\nextensions:\n  developer:\n    bundled: true\n    enabled: true\n    name: developer\n    type: builtin\n  fetch:\n    cmd: uvx\n    args:\n      - mcp-server-fetch\n    env_keys: []\n    envs: {}\n    timeout: 300\nGOOSE_MODEL: claude\n",
    ),
    sample(
        "merge keys elsewhere",
        Format::Yaml,
        &["servers"],
        "x-base: &base\n  env: {A: 1}\nservers:\n  a:\n    <<: *base\n    command: x\n  b:\n    command: y\n",
    ),
    sample(
        "Codex",
        Format::Toml,
        &["mcp_servers"],
        "model = \"o3\"  # mine\n\n[mcp_servers.docs]\ncommand = \"npx\"\nargs = [\n  \"-y\", # yes\n  \"docs\",\n]\n\n  [mcp_servers.docs.env]\n  KEY = 'v'\n\n# about figma\n[mcp_servers.\"figma x\"]\nurl = \"https://mcp.figma.com/mcp\"\nbearer_token_env_var = \"FIGMA\"\n\n[projects.\"/home/me\"]\ntrust_level = \"trusted\"\n",
    ),
    sample(
        "Codex, CRLF, nothing after",
        Format::Toml,
        &["mcp_servers"],
        "[tui]\r\nx = 0x10\r\n\r\n[mcp_servers.a]\r\ncommand = \"x\"",
    ),
    sample(
        "inline tables",
        Format::Toml,
        &["mcp_servers"],
        "mcp_servers = { a = { command = \"x\" } }\n[other]\ny = 1979-05-27\n",
    ),
    sample(
        "ours in TOML",
        Format::Toml,
        &["servers"],
        "listen = \"127.0.0.1:1\"\n\n[servers]\na = { command = \"x\" }\n\n[views.v]\nservers = [\"a\"]\n",
    ),
    sample("no servers yet", Format::Toml, &["mcp_servers"], "model = \"o3\"\n"),
];

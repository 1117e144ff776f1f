//! `janua tools`: what there is to call.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use super::reach::{Reach, Session, schema, shown};
use super::{Failed, Global};

/// Columns of a line of the table.
const WIDTH: usize = 100;

/// Show the tools of all servers, or those of one with their parameters.
///
/// Servers that are not available are named on standard error, with the reason.
#[derive(Args, Debug)]
pub(super) struct ToolsArgs {
    /// A server or view of the configuration, or one tool: NAME.TOOL
    name: Option<String>,
    /// Print the list as raw JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: ToolsArgs) -> Result<(), Failed> {
    let site = args.reach.site()?;
    let (name, tool) = match args.name.as_deref() {
        None => (None, None),
        Some(name) if site.has(name) => (Some(name), None),
        Some(word) => {
            let (name, tool) = site.split(word);
            (name, Some(tool))
        }
    };
    let (servers, known) = (site.servers(), site.known());
    let disabled = if name.is_none() { site.disabled() } else { Vec::new() };
    args.reach.run(global, site, name, async |session: &mut Session| {
        if let Some(tool) = tool {
            let found = session.find("tool", tool, &known).await?;
            return if args.json {
                shown::put_raw(found.to_string().as_bytes())
            } else {
                shown::put(told(&found).as_bytes())
            };
        }
        let list = session.list("tools/list", "tools").await?;
        session.tell_missing(&list.missing);
        session.tell_missing(&disabled);
        if args.json {
            return shown::put_raw(&list.raw("tools"));
        }
        if name.is_some() {
            return shown::put(list.items.iter().map(told).collect::<Vec<_>>().join("\n").as_bytes());
        }
        shown::put(table(&list.items, &servers).as_bytes())
    })
}

fn text<'a>(tool: &'a Value, key: &str) -> &'a str {
    tool[key].as_str().unwrap_or_default().trim()
}

/// One tool with all that there is to know.
fn told(tool: &Value) -> String {
    let mut out = format!("{}\n", text(tool, "name"));
    for line in text(tool, "description").lines() {
        let _ = writeln!(out, "  {line}");
    }
    for line in schema::parameters(&tool["inputSchema"]).lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}

/// A line for each tool, under the server that it belongs to.
fn table(tools: &[Value], servers: &[String]) -> String {
    let owner = |tool: &Value| {
        let name = text(tool, "name");
        let owners =
            servers.iter().filter(|server| name.strip_prefix(server.as_str()).is_some_and(|r| r.starts_with("__")));
        owners.max_by_key(|server| server.len())
    };
    let wide = tools.iter().map(|tool| text(tool, "name").chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    let mut last = None;
    for tool in tools {
        let owner = owner(tool);
        if let Some(server) = owner.filter(|_| owner != last) {
            let _ = writeln!(out, "{}{server}", if out.is_empty() { "" } else { "\n" });
        }
        last = owner;
        let about = text(tool, "description").lines().next().unwrap_or_default();
        let room = WIDTH.saturating_sub(wide + 4).max(20);
        let short: String = match about.char_indices().nth(room) {
            Some(_) => about.chars().take(room - 1).chain(['…']).collect(),
            None => about.to_owned(),
        };
        let line = format!("  {:wide$}  {short}", text(tool, "name"));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tools_stand_under_their_servers() {
        let tools = [
            json!({"name": "a__one", "description": "First line.\nSecond."}),
            json!({"name": "a__b__two", "description": "x".repeat(200)}),
            json!({"name": "lone"}),
        ];
        let servers = ["a".to_owned(), "a__b".to_owned()];
        let table = table(&tools, &servers);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[..4], ["a", "  a__one     First line.", "", "a__b"]);
        assert!(lines[4].ends_with('…') && lines[4].chars().count() <= WIDTH, "{}", lines[4]);
        assert_eq!(lines[5], "  lone");
    }
}

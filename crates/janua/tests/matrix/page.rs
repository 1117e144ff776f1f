//! `docs/compatibility.md`: the declaration for people to read.

use std::fmt::Write as _;

use super::behaviours::BEHAVIOURS;
use super::declaration::Declaration;
use super::kinds::{ClientKind, ServerKind};
use super::plain::PLAIN;
use super::scene::Way;

const HEAD: &str = "\
<!-- Written by `JANUA_BLESS=1 cargo test -p janua --test matrix`; change `crates/janua/tests/matrix.toml`. -->

# Compatibility

What a client of each kind can do with a server of each kind when Janua stands between them. Every cell is
tried by a test that fails when the cell is anything else than what stands here.

| sign | means |
|---|---|
| ✓ | works, as if the client were connected to the server itself |
| ◐ | degrades: less than that; the note says how |
| – | refused: turned away, or there is nothing to have; the note says with what |
";

/// The whole page.
pub(crate) fn page(declared: &Declaration) -> String {
    let mut page = HEAD.to_owned();
    summary(&mut page, declared);
    page.push_str("\n## Clients\n\n| name | is |\n|---|---|\n");
    for client in ClientKind::ALL {
        let _ = writeln!(page, "| `{}` | {} |", client.name(), client.about());
    }
    page.push_str("\n## Servers\n\n| name | is |\n|---|---|\n");
    for server in ServerKind::ALL {
        let _ = writeln!(page, "| [`{0}`](#server-{0}) | {1} |", server.name(), server.about());
    }
    page.push_str("\n## What is tried\n\n| name | is |\n|---|---|\n");
    for behaviour in BEHAVIOURS {
        let _ = writeln!(page, "| {} | {} |", behaviour.name, behaviour.about);
    }
    for server in ServerKind::ALL {
        table(&mut page, declared, server);
    }
    among_several(&mut page);
    plain(&mut page);
    page
}

/// What programs can do that call tools as plain HTTP.
fn plain(page: &mut String) {
    let declared = Declaration::plain();
    page.push_str("\n## Plain HTTP\n\nWhat a program can do that knows nothing of MCP and calls tools at `/api`:\n\n");
    for behaviour in PLAIN {
        let _ = writeln!(page, "- {}: {}", behaviour.name, behaviour.about);
    }
    page.push_str("\n| server |");
    for behaviour in PLAIN {
        let _ = write!(page, " {} |", behaviour.name);
    }
    let _ = writeln!(page, "\n|---|{}", ":-:|".repeat(PLAIN.len()));
    for server in ServerKind::ALL {
        let _ = write!(page, "| {} |", server.name());
        for behaviour in PLAIN {
            let (sign, note) = sign(declared.plain_cell(behaviour.name, server).unwrap_or("not declared"));
            let _ = write!(page, " {} |", format!("{sign} {note}").trim_end());
        }
        page.push('\n');
    }
}

/// What is otherwise at an address that leads to several servers.
fn among_several(page: &mut String) {
    let (alone, union) = (Declaration::read(), Declaration::of(Way::Union));
    let tried: Vec<_> = ClientKind::ALL.into_iter().filter(|client| client.has_union()).collect();
    let names: Vec<_> = tried.iter().map(|client| format!("`{}`", client.name())).collect();
    let _ = writeln!(
        page,
        "\n## Among several servers\n\nThe same is tried at an address of `janua serve` that leads to the server and two \
         others, by {}. What is otherwise there:\n\n| | server | client | is |\n|---|---|---|---|",
        names.join(", ")
    );
    for (behaviour, server) in BEHAVIOURS.iter().flat_map(|b| ServerKind::ALL.map(|server| (b.name, server))) {
        let cell = |client: &ClientKind| union.cell(behaviour, server, *client).unwrap_or("not declared");
        let differs = |client: &&ClientKind| Some(cell(client)) != alone.cell(behaviour, server, **client);
        for client in tried.iter().filter(differs) {
            let (sign, note) = sign(cell(client));
            let _ = writeln!(page, "| {behaviour} | {} | {} | {sign} {note} |", server.name(), client.name());
        }
    }
}

/// A verdict's sign, and its note where it has one.
fn sign(verdict: &str) -> (&'static str, &str) {
    let (word, note) = verdict.split_once(": ").unwrap_or((verdict, ""));
    match word {
        "works" => ("✓", note),
        "degrades" => ("◐", note),
        "refused" => ("–", note),
        _ => ("not declared", note),
    }
}

fn heads(page: &mut String, first: &str) {
    let _ = write!(page, "\n| {first} |");
    for client in ClientKind::ALL {
        let _ = write!(page, " {} |", client.name());
    }
    let _ = writeln!(page, "\n|---|{}", ":-:|".repeat(ClientKind::ALL.len()));
}

/// How many cells of each pair are what.
fn summary(page: &mut String, declared: &Declaration) {
    let _ =
        writeln!(page, "\n## At a glance\n\nOf {} things that are tried: how many are ✓, ◐ and –.", BEHAVIOURS.len());
    heads(page, "server");
    for server in ServerKind::ALL {
        let _ = write!(page, "| [{0}](#server-{0}) |", server.name());
        for client in ClientKind::ALL {
            let count = |wanted: &str| {
                let cells = BEHAVIOURS.iter().filter_map(|it| declared.cell(it.name, server, client));
                cells.filter(|verdict| sign(verdict).0 == wanted).count()
            };
            let _ = write!(page, " {} / {} / {} |", count("✓"), count("◐"), count("–"));
        }
        page.push('\n');
    }
}

fn table(page: &mut String, declared: &Declaration, server: ServerKind) {
    let _ = writeln!(page, "\n## Server: {}\n\nIt is {}.", server.name(), server.about());
    heads(page, "");
    let mut notes: Vec<&str> = Vec::new();
    for behaviour in BEHAVIOURS {
        let _ = write!(page, "| {} |", behaviour.name);
        for client in ClientKind::ALL {
            let (sign, note) = sign(declared.cell(behaviour.name, server, client).unwrap_or("not declared"));
            let _ = write!(page, " {sign}");
            if !note.is_empty() {
                let at = notes.iter().position(|known| *known == note);
                let at = at.unwrap_or_else(|| {
                    notes.push(note);
                    notes.len() - 1
                });
                let _ = write!(page, "<sup>{}</sup>", at + 1);
            }
            page.push_str(" |");
        }
        page.push('\n');
    }
    for (at, note) in notes.iter().enumerate() {
        let _ = write!(page, "{}{}. {note}", if at == 0 { "\n" } else { "" }, at + 1);
        page.push('\n');
    }
}

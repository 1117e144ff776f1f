//! `docs/compatibility.md`: the declaration for people to read.

use std::fmt::Write as _;

use super::behaviours::BEHAVIOURS;
use super::declaration::Declaration;
use super::kinds::{ClientKind, Closed, ServerKind};

const HEAD: &str = "\
<!-- Written by `JANUA_BLESS=1 cargo test -p janua --test matrix`; change `crates/janua/tests/matrix.toml`. -->

# Compatibility

What a client of each kind can do with a server of each kind when Janua stands between them. Every cell is
tried by a test that fails when the cell is anything else than what stands here.

A cell is **works** (as if the client were connected to the server itself), **degrades** (less than that; the
note says how) or **refused** (turned away; the note says with what).
";

/// The whole page.
pub(crate) fn page(declared: &Declaration) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Clients\n\n| name | is |\n|---|---|\n");
    for client in ClientKind::ALL {
        let _ = writeln!(page, "| `{}` | {} |", client.name(), client.about());
    }
    for server in ServerKind::ALL {
        table(&mut page, declared, server);
    }
    page.push_str("\n## What is tried\n\n| name | is |\n|---|---|\n");
    for behaviour in BEHAVIOURS {
        let _ = writeln!(page, "| {} | {} |", behaviour.name, behaviour.about);
    }
    for (title, clients) in [("Clients", true), ("Servers", false)] {
        let _ = write!(page, "\n## {title} not served yet\n\n| kind | refused with |\n|---|---|\n");
        for kind in Closed::ALL.into_iter().filter(|kind| kind.is_client() == clients) {
            let verdict = declared.closed(kind).unwrap_or("not declared");
            let _ = writeln!(page, "| {} | {} |", kind.about(), verdict.trim_start_matches("refused: "));
        }
    }
    page.push_str(
        "\nA client of both eras, the 2026-07-28 one and the one before, falls back to the handshake and works.\n",
    );
    page
}

fn table(page: &mut String, declared: &Declaration, server: ServerKind) {
    let _ = write!(page, "\n## Server: {}\n\nIt is {}.\n\n| |", server.name(), server.about());
    for client in ClientKind::ALL {
        let _ = write!(page, " {} |", client.name());
    }
    let _ = writeln!(page, "\n|---|{}", "---|".repeat(ClientKind::ALL.len()));
    let mut notes: Vec<&str> = Vec::new();
    for behaviour in BEHAVIOURS {
        let _ = write!(page, "| {} |", behaviour.name);
        for client in ClientKind::ALL {
            let verdict = declared.cell(behaviour.name, server, client).unwrap_or("not declared");
            let (word, note) = verdict.split_once(": ").unwrap_or((verdict, ""));
            let _ = write!(page, " {word}");
            if !note.is_empty() {
                let at = notes.iter().position(|known| *known == note);
                let at = at.unwrap_or_else(|| {
                    notes.push(note);
                    notes.len() - 1
                });
                let _ = write!(page, " <sup>{}</sup>", at + 1);
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

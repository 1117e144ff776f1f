//! One server: whether it is there, starts, answers, and shows what it has.

use std::time::Duration;

use super::note::Note;
use super::{advice, network, program};
use crate::cli::live::{shown, standing};
use janua::config::{Environment, Server, ServerSettings};
use janua::report::{ServerReport, State, Trouble};
use janua::serve::App;
use janua_wire::names;

/// Lines of standard error that are shown.
const LAST: usize = 5;
/// Names that are shown as examples.
const FEW: usize = 3;
/// An opening that takes longer is told of: some clients do not wait so long.
const SLOW: Duration = Duration::from_secs(5);

/// What to do about a server that is silent.
const WAITS: &str = "start it by hand and see what it waits for: a login, a download, the network; if it only is slow, \
                     give it more time with --timeout, and with `start_timeout` in the configuration";

/// One server to be looked at.
pub(super) struct Patient<'a> {
    pub(super) name: &'a str,
    pub(super) settings: &'a ServerSettings,
    /// How it is in the running gateway, if there is one.
    pub(super) live: Option<&'a ServerReport>,
    /// Whether its names are shown with its own before them.
    pub(super) prefixed: bool,
}

/// Looks at one server, for no longer than `patience`.
pub(super) async fn examine(
    patient: &Patient<'_>,
    app: &App,
    environment: &Environment,
    patience: Duration,
) -> Vec<Note> {
    let Patient { name, settings, live, .. } = patient;
    if let Some(why) = &settings.disabled {
        return vec![match why.as_str() {
            why if why.contains("switched off") => Note::ok(name, "switched off in the configuration"),
            why => Note::warn(name, format!("not served: {why}"), "`janua check` shows the place in the file"),
        }];
    }
    if let Server::Command(command) = &settings.server
        && let Err(missing) = program::find(name, command, environment)
    {
        return vec![*missing];
    }
    if let Some(report) = live.filter(|report| report.state == State::Running) {
        let mut notes = vec![Note::ok(name, format!("in the running gateway: {}", standing(report)))];
        notes.extend(naming(patient, report));
        return notes;
    }
    match app.look(name, patience).await {
        Some(report) => judged(patient, &report, patience).await,
        None => vec![Note::fail(name, "it is not in the configuration", "`janua list` shows what is")],
    }
}

async fn judged(patient: &Patient<'_>, report: &ServerReport, patience: Duration) -> Vec<Note> {
    let name = patient.name;
    if let Some(trouble) = &report.trouble {
        return vec![failed(patient, trouble).await];
    }
    let opened = report.opened_ms.map(Duration::from_millis);
    let Some(opened) = opened else {
        return vec![Note::fail(name, format!("it did not answer within {}", span(patience)), WAITS)];
    };
    if report.lists.is_none() {
        let what = format!("it opened in {}, but did not say what it has within {}", span(opened), span(patience));
        return vec![Note::fail(name, what, "look at what it does meanwhile: `janua logs`, its own log")];
    }
    let by = report.transport.as_deref().map(|transport| format!(" over {transport}")).unwrap_or_default();
    let what = format!("{}{by}, opened in {}", standing(report).trim_start_matches("running, "), span(opened));
    let mut notes = vec![if opened > SLOW {
        let next = "keep one ready (`warm: 1`), or install it beforehand, so that no client waits for it";
        Note::warn(name, what, next)
    } else {
        Note::ok(name, what)
    }];
    notes.extend(naming(patient, report));
    notes
}

/// What a failure means, and what to do.
async fn failed(patient: &Patient<'_>, trouble: &Trouble) -> Note {
    let Patient { name, settings, .. } = patient;
    let lines = trouble.stderr.as_deref().unwrap_or_default();
    let mut note = match &settings.server {
        Server::Remote(remote) => match network::obstacle(name, remote).await {
            Some(obstacle) => obstacle,
            None => Note::fail(name, &trouble.message, network::advice(&trouble.message)),
        },
        Server::OpenApi(_) => {
            let next = "correct the document, or the server's `openapi` and `base_url` in the configuration";
            Note::fail(name, &trouble.message, next)
        }
        Server::Folder(_) => {
            let next =
                "mend what it says below, or name another interpreter (`python`); a change of the folder is noticed";
            Note::fail(name, &trouble.message, next)
        }
        server => {
            let by_hand = || format!("start it by hand to see more: `{}`", server.label());
            let waits = || trouble.message.contains("did not answer").then_some(WAITS);
            let next = advice::of_words(lines).or_else(waits).map_or_else(by_hand, str::to_owned);
            Note::fail(name, &trouble.message, next)
        }
    };
    let lines: Vec<&str> = lines.lines().filter(|line| !line.trim().is_empty()).collect();
    note.stderr = lines.iter().skip(lines.len().saturating_sub(LAST)).map(|line| shown(line)).collect();
    note
}

/// What becomes of the names of its tools.
fn naming(patient: &Patient<'_>, report: &ServerReport) -> Vec<Note> {
    let Patient { name, settings, prefixed, .. } = patient;
    let mut notes = Vec::new();
    let rules = &settings.tools;
    let hidden: Vec<&String> = report.tools.iter().filter(|tool| !rules.shows(tool)).collect();
    if !hidden.is_empty() {
        let what =
            format!("{} of its {} tools are hidden by `tools`: {}", hidden.len(), report.tools.len(), few(&hidden));
        notes.push(if hidden.len() == report.tools.len() {
            Note::warn(name, what, "correct the patterns in `allow` and `deny`, or take the server away")
        } else {
            Note::ok(name, what)
        });
    }
    let stale: Vec<&String> = rules.rename.keys().filter(|tool| !report.tools.contains(tool)).collect();
    if !stale.is_empty() {
        let next = "correct the names: the server's own are meant";
        notes.push(Note::warn(name, format!("it has no tools that `rename` names: {}", few(&stale)), next));
    }
    let visible = report.tools.iter().filter(|tool| rules.shows(tool));
    let called = visible.map(|tool| rules.rename.get(tool).unwrap_or(tool));
    let plain = |tool: &str| if *prefixed { format!("{name}__{tool}") } else { tool.to_owned() };
    let odd: Vec<String> = called.map(|tool| plain(tool)).filter(|tool| !names::legal(tool)).collect();
    if !odd.is_empty() {
        let what = format!(
            "{} names of tools are longer than {} characters or hold others than [A-Za-z0-9_-]: {}",
            odd.len(),
            names::LONGEST,
            few(&odd.iter().collect::<Vec<_>>())
        );
        let (fate, next) = if *prefixed {
            ("they are shown changed", "give the server a shorter name, or the tools others (`tools: { rename: … }`)")
        } else {
            ("some models do not take them", "give the tools other names (`tools: { rename: … }`)")
        };
        notes.push(Note::warn(name, format!("{what}; {fate}"), next));
    }
    notes
}

fn span(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn few(names: &[&String]) -> String {
    let shown = names.iter().take(FEW).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if names.len() > FEW { format!("{shown}, …") } else { shown }
}

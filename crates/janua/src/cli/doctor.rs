//! `janua doctor`: what is wrong and what to do about it.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use futures_util::future::join_all;

use super::live::{Which, states};
use super::{Failed, Global, Level, block_on, duration, is_watched};
use janua::config::{self, Environment, Limits, Loaded, Prefix, ServerSettings, Settings};
use janua::running::Gateway;
use janua::serve::App;

mod advice;
mod machine;
mod network;
mod note;
mod ports;
mod program;
mod server;

use note::{Note, Verdict};
use server::{Patient, examine};

/// Find out what is wrong and what to do about it: the configuration, the machine, every server.
///
/// Servers are started as the gateway would start them, all at once, asked what they have, and stopped; those that run
/// in the running gateway are left alone. One line for each finding: `ok`, `warn` or `FAIL`, what it is about, what was
/// found, and what to do next. Ends with 1 if anything fails.
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    which: Which,
    /// Longest time for a server to start and to say what it has
    #[arg(long, value_parser = duration, value_name = "TIME", default_value = "15s")]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// This server only
    name: Option<String>,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: &DoctorArgs) -> Result<(), Failed> {
    let notes = block_on(global, (Level::Off, Level::Off), look(args))??;
    let failed: Vec<&str> = subjects(&notes, Verdict::Fail);
    let warned = subjects(&notes, Verdict::Warn);
    if args.json {
        let counts = serde_json::json!({ "notes": notes, "failed": failed, "warned": warned });
        println!("{counts:#}");
    } else {
        print(&notes);
        println!("\n{}", summary(&notes, &failed, &warned));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failed::Run(anyhow!("not everything works; what to do stands behind the arrows")))
    }
}

async fn look(args: &DoctorArgs) -> Result<Vec<Note>, Failed> {
    let environment = Environment::of_process();
    let path = args.which.path(&environment);
    let mut loaded = match config::load(path.as_deref(), &environment) {
        Ok(loaded) => loaded,
        Err(findings) => return Ok(machine::configuration(&findings)),
    };
    if let Some(folder) = &args.which.data_dir {
        loaded.settings.data_dir = Some(folder.clone());
    }
    if let Some(name) = args.name.as_ref().filter(|name| !loaded.settings.servers.contains_key(*name)) {
        let known = loaded.settings.servers.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Failed::Run(anyhow!("there is no server {name}; there are: {known}")));
    }
    let live = states(loaded.settings.data_dir.as_deref()).await;
    let place = match (&live, loaded.settings.data_dir.as_deref()) {
        (Some((place, _)), _) => Some(place.clone()),
        (None, Some(folder)) => janua::running::find(folder).await,
        (None, None) => None,
    };
    let mut notes = Vec::new();
    let is_meant = |about: Option<&str>| args.name.is_none() || about == args.name.as_deref();
    loaded.findings.retain(|finding| is_meant(machine::about(finding)));
    if args.name.is_none() {
        let status = match &live {
            Some((place, _)) => Gateway::at(place)?.status().await.ok(),
            None => None,
        };
        notes.push(machine::loaded(&loaded));
        notes.extend(machine::gateway(place.as_ref(), status.as_ref()));
        notes.push(machine::address(&loaded.settings, place.as_ref()));
        notes.push(machine::data(loaded.settings.data_dir.as_deref()));
        notes.push(machine::descriptors(&loaded.settings));
    }
    notes.extend(machine::configuration(&loaded.findings));
    let servers = live.map(|(_, servers)| servers).unwrap_or_default();
    notes.extend(everybody(args, &loaded, &environment, &servers).await);
    Ok(notes)
}

/// Looks at all servers, or the one that is meant, at the same time.
async fn everybody(
    args: &DoctorArgs,
    loaded: &Loaded,
    environment: &Environment,
    live: &std::collections::BTreeMap<String, janua::report::ServerReport>,
) -> Vec<Note> {
    let app = App::builder().settings(for_looking(&loaded.settings, args.timeout)).build();
    let servers: Vec<_> = loaded.settings.servers.iter().collect();
    let wanted = |name: &str| args.name.as_deref().is_none_or(|only| only == name);
    let several = servers.len() > 1 && loaded.settings.views.values().all(|view| view.prefix != Prefix::Never);
    if is_watched() {
        let count = servers.iter().filter(|(name, _)| wanted(name)).count();
        eprintln!("looking at {count} servers, for at most {:?} …", args.timeout);
    }
    // Time to tell of a start that was given up.
    let patience = args.timeout + Duration::from_millis(500);
    // What is said of it in the file is said already.
    let told = |name: &str| loaded.findings.iter().any(|finding| machine::about(finding) == Some(name));
    let is_open =
        |(name, settings): &(&String, &ServerSettings)| wanted(name) && !(settings.disabled.is_some() && told(name));
    let looks = servers.into_iter().filter(is_open).map(|(name, settings)| {
        let (app, live) = (&app, live.get(name));
        async move {
            let patient = Patient { name, settings, live, prefixed: several };
            examine(&patient, app, environment, patience).await
        }
    });
    let notes = join_all(looks).await.concat();
    app.stop().await;
    notes
}

/// The same settings, so that every server has its chance within `timeout` and nothing is left behind.
fn for_looking(settings: &Settings, timeout: Duration) -> Settings {
    let mut settings = settings.clone();
    let count = settings.servers.len().max(1);
    let soon = Duration::from_millis(500);
    settings.data_dir = None;
    settings.limits = Limits {
        start: timeout,
        call: timeout,
        starts: count,
        children: settings.limits.children.max(2 * count),
        stop_eof: soon,
        stop_term: soon,
        drain: soon,
        ..settings.limits
    };
    for server in settings.servers.values_mut() {
        (server.start_timeout, server.warm) = (Some(timeout), 0);
    }
    settings
}

/// What the notes of that verdict are about, each once.
fn subjects(notes: &[Note], verdict: Verdict) -> Vec<&str> {
    let mut subjects: Vec<&str> =
        notes.iter().filter(|note| note.verdict == verdict).map(|note| note.subject.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

fn print(notes: &[Note]) {
    let wide = notes.iter().map(|note| note.subject.chars().count()).max().unwrap_or_default().min(24);
    for Note { verdict, subject, what, next, stderr } in notes {
        let next = next.as_ref().map(|next| format!(" → {next}")).unwrap_or_default();
        println!("{verdict:<4}  {subject:<wide$}  {what}{next}");
        for line in stderr {
            println!("      {:wide$}  | {line}", "");
        }
    }
}

fn summary(notes: &[Note], failed: &[&str], warned: &[&str]) -> String {
    let count = |verdict| notes.iter().filter(|note| note.verdict == verdict).count();
    let named = |subjects: &[&str]| match subjects {
        [] => String::new(),
        subjects => format!(" ({})", subjects.join(", ")),
    };
    let (good, warnings, failures) = (count(Verdict::Ok), count(Verdict::Warn), count(Verdict::Fail));
    format!("{good} ok, {warnings} warn{}, {failures} FAIL{}", named(warned), named(failed))
}

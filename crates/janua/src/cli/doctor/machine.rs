//! What surrounds the servers: the configuration, the running gateway, the address, the data folder, the limits.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{Access, access};
use rustix::process::{Resource, getrlimit};

use super::note::Note;
use super::ports;
use janua::config::{Finding, Loaded, Settings, Severity};
use janua::report::Status;
use janua::running::Place;

/// Descriptors of one program, and of one connection.
const EACH: u64 = 4;
/// So many are wanted besides.
const ENOUGH: u64 = 1024;

/// The configuration: what it says of itself.
pub(super) fn configuration(findings: &[Finding]) -> Vec<Note> {
    findings.iter().map(finding).collect()
}

fn finding(finding: &Finding) -> Note {
    let Finding { path, line, column, key, message, hint, .. } = finding;
    let place = match path {
        Some(path) if *line > 0 => format!("{}:{line}:{column}: ", path.display()),
        Some(path) => format!("{}: ", path.display()),
        None => String::new(),
    };
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    let what = format!("{place}{key}{message}");
    let next = hint.as_deref().unwrap_or("correct it; `janua check` says when it is right");
    let subject = about(finding).unwrap_or("configuration");
    match finding.severity {
        Severity::Error => Note::fail(subject, what, next),
        Severity::Warning => Note::warn(subject, what, next),
    }
}

/// The server that a finding is about, if it is about one.
pub(super) fn about(finding: &Finding) -> Option<&str> {
    let below = finding.key.strip_prefix("servers.")?;
    Some(below.split('.').next().unwrap_or(below))
}

/// What was loaded.
pub(super) fn loaded(loaded: &Loaded) -> Note {
    let Settings { servers, views, .. } = &loaded.settings;
    let from =
        loaded.path.as_ref().map_or_else(|| "no file, the demo servers".to_owned(), |path| path.display().to_string());
    Note::ok("configuration", format!("{from}: {} servers, {} views", servers.len(), views.len()))
}

/// The gateway that runs, if one does, and its version.
pub(super) fn gateway(place: Option<&Place>, status: Option<&Status>) -> Vec<Note> {
    const SUBJECT: &str = "gateway";
    let ours = env!("CARGO_PKG_VERSION");
    let Some(place) = place else {
        return vec![Note::ok(SUBJECT, format!("janua {ours}; none runs with this data folder"))];
    };
    let Some(status) = status else {
        let what = format!("process {} at {} does not answer", place.pid, place.address);
        return vec![Note::fail(SUBJECT, what, "look at its log; stop it and start it again if it hangs")];
    };
    let Status { version, sessions, calls, .. } = status;
    let what =
        format!("janua {version} runs at {}, process {}: {sessions} sessions, {calls} calls", place.address, place.pid);
    let mut notes = vec![if version == ours {
        Note::ok(SUBJECT, what)
    } else {
        Note::warn(SUBJECT, format!("{what}; this is janua {ours}"), "restart the gateway to have one version")
    }];
    if let Some(refused) = &status.reload.refused {
        let first = refused.findings.first().map(|finding| format!(": {}", finding.message)).unwrap_or_default();
        let what = format!("the configuration as it is since {} was not taken over{first}", refused.at);
        notes.push(Note::fail(SUBJECT, what, "correct the file; the gateway goes on with the one before"));
    }
    notes
}

/// The address that the gateway listens on, or would.
pub(super) fn address(settings: &Settings, place: Option<&Place>) -> Note {
    const SUBJECT: &str = "address";
    let wanted = SocketAddr::new(settings.host, settings.port);
    if place.is_some_and(|place| place.address == wanted) {
        return Note::ok(SUBJECT, format!("{wanted} is the running gateway's"));
    }
    if !settings.host.is_loopback() && !settings.insecure_no_auth && settings.auth.is_none() {
        let next = "listen on 127.0.0.1, let `auth` say who may use it, or say `insecure_no_auth: true` if that is what you want";
        return Note::fail(SUBJECT, format!("{wanted} is reached by others, and nobody has to authenticate"), next);
    }
    match ports::is_free(wanted) {
        Ok(()) => Note::ok(SUBJECT, format!("{wanted} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let owner = ports::owner(wanted.port());
            let by = owner.map(|owner| format!(" by {} (process {})", owner.name, owner.pid)).unwrap_or_default();
            let next = "end that program, or give the gateway another port (`listen`, --port)";
            Note::fail(SUBJECT, format!("{wanted} is in use{by}"), next)
        }
        Err(error) => Note::fail(SUBJECT, format!("{wanted} cannot be listened on: {error}"), "correct `listen`"),
    }
}

/// The folder of what is kept between runs.
pub(super) fn data(folder: Option<&Path>) -> Note {
    const SUBJECT: &str = "data folder";
    let Some(folder) = folder else {
        let next = "set `data_dir`, so that lists are known at once after a start";
        return Note::warn(SUBJECT, "off: nothing is kept between runs", next);
    };
    let shown = folder.display();
    let Ok(about) = fs::metadata(folder) else {
        let parent = folder.ancestors().skip(1).find(|parent| parent.exists()).unwrap_or(Path::new("/"));
        return match access(parent, Access::WRITE_OK) {
            Ok(()) => Note::ok(SUBJECT, format!("{shown} is not there yet; it is made when it is needed")),
            Err(_) => Note::fail(SUBJECT, format!("{shown} cannot be made"), "set `data_dir` to a folder that can"),
        };
    };
    if !about.is_dir() || access(folder, Access::WRITE_OK | Access::READ_OK | Access::EXEC_OK).is_err() {
        let next = "give it to the user that the gateway runs as, or set `data_dir` to another";
        return Note::fail(SUBJECT, format!("{shown} cannot be read and written"), next);
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("{shown} is open to others (mode {mode:o})");
        return Note::warn(SUBJECT, what, format!("close it: `chmod 700 {shown}`"));
    }
    let kept: Vec<SystemTime> = fs::read_dir(folder.join("catalogue"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok())
        .collect();
    let newest = kept.iter().max().and_then(|time| time.elapsed().ok());
    let newest = newest.map(|age| format!(", the newest {} ago", span(age.as_secs()))).unwrap_or_default();
    Note::ok(SUBJECT, format!("{shown}, mode {mode:o}, {} catalogues{newest}", kept.len()))
}

/// How many descriptors there may be.
pub(super) fn descriptors(settings: &Settings) -> Note {
    const SUBJECT: &str = "descriptors";
    let wanted = ENOUGH + EACH * settings.servers.len() as u64;
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < wanted => {
            let next = "raise it: `ulimit -Hn`, LimitNOFILE= of systemd, --ulimit of Docker";
            Note::warn(SUBJECT, format!("at most {limit}; {wanted} are wanted at the least"), next)
        }
        Some(limit) => Note::ok(SUBJECT, format!("at most {limit}")),
        None => Note::ok(SUBJECT, "no limit"),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

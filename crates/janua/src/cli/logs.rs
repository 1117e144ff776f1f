//! The log: on standard error always, because standard output may carry the protocol; in a file too if asked for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::{Format, Global, Level, env, is_watched};

/// Starts the log at the level asked for, else `usual`. The line of each call is in it from the level `calls` on.
pub(super) fn start(global: &Global, usual: Level, calls: Level) -> anyhow::Result<()> {
    let named = env(&["JANUA_LOG_LEVEL", "MCP_PROXY_LOG_LEVEL"]);
    let named = named.and_then(|name| clap::ValueEnum::from_str(&name, true).ok());
    let chosen = global.log_level.or(named).unwrap_or(usual);
    let level = match chosen {
        Level::Off => "off",
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace | Level::Verbose => "trace",
    };
    // The libraries below say more about content than a gateway should.
    let called = if chosen < calls { ",janua::call=off" } else { "" };
    let said = if chosen < Level::Verbose { ",janua::message=off" } else { "" };
    let filter = EnvFilter::new(format!("off,janua={level}{called}{said}"));
    let file = env(&["LOG_FILE"]).map(|path| open(Path::new(&path))).transpose()?;
    let colour = is_watched() && file.is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Sink(file.map(Mutex::new)));
    let log = log.with_ansi(colour);
    match global.log_format {
        Format::Text => log.with_target(false).compact().init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let open = || {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        File::options().create(true).append(true).open(path)
    };
    open().with_context(|| format!("cannot open the log file {} (LOG_FILE)", path.display()))
}

/// Standard error, and a file beside it.
struct Sink(Option<Mutex<File>>);

struct Line<'a>(&'a Sink);

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = &self.0.0 {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes);
        }
        // Nobody may be reading our standard error any more; that must not stop the work.
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

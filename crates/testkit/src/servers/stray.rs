//! Descendants on demand: sleepers, daemons that left the session, and processes deaf to SIGTERM.
#![expect(clippy::disallowed_methods, reason = "descendants that nobody looks after are what this file is for")]

use std::env;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

/// How a grandchild is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stray {
    /// It calls setsid, forks again and lets its parent die.
    pub daemon: bool,
    /// It keeps the stdio of the server, so that the pipes stay open after the server's death.
    pub inherit: bool,
    /// It ignores SIGTERM.
    pub ignore_term: bool,
}

const SLEEP: &str = "--sleep";
const DAEMON: &str = "--daemon";
const IGNORE_TERM: &str = "--ignore-term";

impl Stray {
    /// Starts the grandchild and says its process id.
    pub fn spawn(self) -> io::Result<u32> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(if self.daemon { DAEMON } else { SLEEP });
        if self.ignore_term {
            command.arg(IGNORE_TERM);
        }
        if self.daemon {
            command.stdin(Stdio::null()).stderr(Stdio::null());
            let said = command.output()?.stdout;
            let pid = String::from_utf8_lossy(&said).trim().parse();
            return pid.map_err(|_| io::Error::other("the daemon said no process id"));
        }
        if !self.inherit {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        }
        Ok(command.spawn()?.id())
    }
}

/// Becomes a sleeper or a daemon and never returns, if the arguments ask for that.
pub fn become_one(arguments: &[String]) {
    let ignore_term = arguments.iter().any(|word| word == IGNORE_TERM);
    match arguments.first().map(String::as_str) {
        Some(SLEEP) if ignore_term => deaf_to_term(&[SLEEP]),
        Some(SLEEP) => forever(),
        Some(DAEMON) => {
            rustix::process::setsid().expect("a freshly spawned process leads no group");
            let stray = Stray { ignore_term, ..Stray::default() };
            let pid = stray.spawn().expect("start the daemon itself");
            println!("{pid}");
            io::stdout().flush().expect("say the process id of the daemon");
            std::process::exit(0);
        }
        _ => {}
    }
}

/// Restarts this program under the same process id with SIGTERM ignored.
///
/// A shell does it, because an ignored signal survives exec and no safe call can ignore one.
pub fn deaf_to_term(arguments: &[&str]) -> ! {
    let program = env::current_exe().expect("the path of this program");
    let error = Command::new("sh").args(["-c", r#"trap "" TERM; exec "$@""#, "sh"]).arg(program).args(arguments).exec();
    panic!("start the shell that ignores SIGTERM: {error}");
}

/// Sleeps until a signal ends the process.
pub fn forever() -> ! {
    loop {
        thread::park();
    }
}

//! A command that runs to its end, and one that a person types into.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use janua_testkit::gateway::program;
use janua_testkit::process::eventually;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::{Child, Command};

/// A deadline that only a broken machine misses.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// What a command left.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command line of one of the scripted servers.
pub(crate) fn scripted(words: &str) -> Vec<String> {
    let (name, rest) = words.split_once(' ').unwrap_or((words, ""));
    let program = program(name).to_str().expect("a path that is text").to_owned();
    std::iter::once(program).chain(rest.split_whitespace().map(str::to_owned)).collect()
}

pub(crate) fn command(words: &[&str], server: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_janua"));
    command.args(words).kill_on_drop(true).env_remove("JANUA_CONFIG");
    if !server.is_empty() {
        command.arg("--").args(server);
    }
    command
}

/// Runs `janua` with these words, and a server behind `--` if there is one.
pub(crate) async fn janua(words: &[&str], server: &[String]) -> Ended {
    let mut command = command(words, server);
    command.stdin(Stdio::null());
    ended(command).await
}

pub(crate) async fn ended(mut command: Command) -> Ended {
    let output = tokio::time::timeout(LONG, command.output()).await.expect("it ends").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ended {
    /// Standard output of a success.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard error of what ended with `code`; nothing was printed.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }
}

/// A person at a terminal, who sees standard error and types into standard input. Standard output is a pipe.
pub(crate) struct Seat {
    keyboard: File,
    screen: Arc<Mutex<String>>,
    child: Child,
    reading: std::thread::JoinHandle<()>,
}

impl Seat {
    pub(crate) fn new(words: &[&str], server: &[String]) -> Seat {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("ours");
        unlockpt(&keyboard).expect("unlocked");
        let name = ptsname(&keyboard, Vec::new()).expect("a name");
        let line = || {
            let path = name.to_str().expect("a path that is text");
            Stdio::from(File::options().read(true).write(true).open(path).expect("the other end"))
        };
        let mut command = command(words, server);
        let child = command.stdin(line()).stderr(line()).stdout(Stdio::piped()).spawn().expect("it runs");
        drop(command);
        let keyboard = File::from(keyboard);
        let (mut seen, screen) = (keyboard.try_clone().expect("a copy"), Arc::new(Mutex::new(String::new())));
        let shown = screen.clone();
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = seen.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                shown.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Seat { keyboard, screen, child, reading }
    }

    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the screen shows `text`.
    pub(crate) async fn sees(&self, text: &str) {
        assert!(eventually(LONG, || self.screen().contains(text)).await, "no {text:?} in {}", self.screen());
    }

    /// Types; `\u{4}` is Ctrl-D.
    pub(crate) fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("typed");
    }

    pub(crate) fn interrupts(&self) {
        interrupt(&self.child);
    }

    /// What the command left, and all that was on the screen.
    pub(crate) async fn leaves(self) -> Ended {
        let output =
            tokio::time::timeout(LONG, self.child.wait_with_output()).await.expect("it ends").expect("it runs");
        // With the last process that has it open, the terminal ends.
        self.reading.join().expect("the screen was read to its end");
        let stderr = self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Ended { code: output.status.code(), stdout, stderr }
    }
}

/// Sends what Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::INT).expect("a signal");
}

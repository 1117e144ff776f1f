//! Modes of a process in trouble: it does not start, dies, hangs, or leaves others behind.
#![expect(
    clippy::disallowed_methods,
    reason = "a misbehaving child sleeps and starts processes on purpose, without a runtime"
)]

use std::env;
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::servers::environment as surroundings;
use crate::servers::hostile::output::{notification, response};
use crate::servers::hostile::{Hostile, greet, write_out};
use crate::servers::message::Message;
use crate::servers::stray::{self, Stray};

/// Last word of a program that was restarted with SIGTERM ignored.
const ARMED: &str = "--armed";

pub(super) fn exit_at_start(hostile: &Hostile) {
    eprintln!("{}", hostile.word(1, "hostile: refusing to start".to_owned()));
    process::exit(hostile.word(0, 1));
}

pub(super) fn slow_start(hostile: &Hostile) {
    let seconds = hostile.word(0, 8.0_f64);
    thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
}

pub(super) fn refuse_initialize(hostile: &Hostile, id: &str, _: &Message) {
    hostile.refuse(id, -32603, "this server does not want to be initialized");
}

pub(super) fn never_initialize(_: &Hostile, _: &str, _: &Message) {}

pub(super) fn exit_idle(hostile: &Hostile, id: &str, message: &Message) {
    greet(hostile, id, message);
    let pause = Duration::from_millis(hostile.word(0, 200));
    thread::spawn(move || {
        thread::sleep(pause);
        process::exit(0);
    });
}

pub(super) fn crash(hostile: &Hostile, _: &str, _: &Message) {
    let raise = |signal| {
        // The first SIGSEGV only takes away the one handler that the standard library installs.
        for _ in 0..2 {
            kill_process(getpid(), signal).expect("a process may signal itself");
        }
        stray::forever();
    };
    match hostile.word(0, "exit".to_owned()).as_str() {
        "abort" => process::abort(),
        "segv" => raise(Signal::SEGV),
        "kill" => raise(Signal::KILL),
        _ => process::exit(hostile.word(1, 3)),
    }
}

pub(super) fn exit_zero(_: &Hostile, _: &str, _: &Message) {
    process::exit(0);
}

pub(super) fn swallow(_: &Hostile, _: &str, _: &Message) {}

pub(super) fn late(hostile: &Hostile, id: &str, _: &Message) {
    let pause = Duration::from_millis(hostile.word(0, 3000));
    let line = response(id, "late");
    thread::spawn(move || {
        thread::sleep(pause);
        write_out(format!("{line}\n").as_bytes());
    });
}

pub(super) fn progress_forever(hostile: &Hostile, _: &str, message: &Message) {
    let Some(token) = message.progress_token().map(str::to_owned) else {
        return;
    };
    let pause = Duration::from_millis(hostile.word(0, 100));
    thread::spawn(move || {
        for count in 1_u64.. {
            let params = format!(r#"{{"progressToken":{token},"progress":{count}}}"#);
            let line = notification("notifications/progress", &params);
            write_out(format!("{line}\n").as_bytes());
            thread::sleep(pause);
        }
    });
}

pub(super) fn stop(hostile: &Hostile, id: &str, _: &Message) {
    kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
    hostile.say(id, "continued");
}

pub(super) fn deaf(hostile: &Hostile, id: &str, message: &Message) {
    greet(hostile, id, message);
    stray::forever();
}

pub(super) fn grandchild(hostile: &Hostile) {
    let inherit = !hostile.words.iter().any(|word| word == "detached");
    hostile.start_stray(Stray { inherit, ..Stray::default() });
}

pub(super) fn daemon(hostile: &Hostile) {
    let ignore_term = hostile.words.iter().any(|word| word == "stubborn");
    hostile.start_stray(Stray { daemon: true, ignore_term, ..Stray::default() });
}

pub(super) fn stubborn(hostile: &Hostile) {
    if !hostile.words.iter().any(|word| word == ARMED) {
        stray::deaf_to_term(&["stubborn", ARMED]);
    }
}

pub(super) fn stay(_: &Hostile) {
    stray::forever();
}

pub(super) fn launcher(hostile: &Hostile) {
    let real = hostile.word(0, "plain".to_owned());
    let program = env::current_exe().expect("the path of this program");
    let status = Command::new(program).arg(real).status().expect("start the real server");
    process::exit(status.code().unwrap_or(1));
}

pub(super) fn environment(hostile: &Hostile, id: &str, _: &Message) {
    hostile.say(id, &surroundings::as_json(""));
}

//! The table of modes: for each its name, what it does, and where it departs from good behaviour.

use crate::servers::hostile::{Hostile, greet, output, trouble, volume};
use crate::servers::message::Message;

/// One way of misbehaving.
pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) says: &'static str,
    /// Before the first line is read.
    pub(super) start: fn(&Hostile),
    pub(super) initialize: fn(&Hostile, &str, &Message),
    /// Writes one finished response: its id and its line.
    pub(super) answer: fn(&Hostile, &str, &str),
    /// Serves the tool `act`.
    pub(super) act: fn(&Hostile, &str, &Message),
    /// After the input has ended.
    pub(super) end: fn(&Hostile),
}

const WELL: Mode = Mode {
    name: "plain",
    says: "does nothing wrong",
    start: |_| {},
    initialize: greet,
    answer: |hostile, _, line| hostile.put_line(line),
    act: |hostile, id, _| hostile.say(id, "acted"),
    end: |_| {},
};

const fn mode(name: &'static str, says: &'static str) -> Mode {
    Mode { name, says, ..WELL }
}

/// All modes, in the order of `--list`.
#[rustfmt::skip]
pub(super) const MODES: &[Mode] = &[
    WELL,
    // How it starts and greets.
    Mode { start: trouble::exit_at_start, ..mode("exit-at-start", "[CODE=1] [TEXT]: says TEXT on stderr and exits at once") },
    Mode { start: trouble::slow_start, ..mode("slow-start", "[SECONDS=8]: reads nothing for that long, then serves") },
    Mode { initialize: trouble::refuse_initialize, ..mode("refuse-initialize", "answers initialize with a JSON-RPC error") },
    Mode { initialize: trouble::never_initialize, ..mode("never-initialize", "does not answer initialize at all") },
    Mode { start: output::early_notification, ..mode("early-notification", "sends notifications and a ping before it is greeted") },
    // How it dies.
    Mode { act: trouble::crash, ..mode("crash", "[exit|abort|segv|kill] [CODE=3]: act ends the process in that way, unanswered") },
    Mode { act: trouble::exit_zero, ..mode("exit-zero", "act exits with code 0, unanswered") },
    Mode { initialize: trouble::exit_idle, ..mode("exit-idle", "[MS=200]: exits with code 0 that long after initialize, asked for nothing") },
    Mode { act: output::answer_then_exit, ..mode("answer-then-exit", "[BYTES=0]: act answers with so much padding and exits at once") },
    Mode { act: output::no_final_newline, ..mode("no-final-newline", "act answers without a line end and exits") },
    // How it hangs.
    Mode { act: trouble::swallow, ..mode("swallow", "act is never answered; other calls are") },
    Mode { act: trouble::late, ..mode("late", "[MS=3000]: act is answered that late; other calls at once") },
    Mode { act: trouble::progress_forever, ..mode("progress-forever", "[MS=100]: act reports progress in that rhythm and is never answered") },
    Mode { act: trouble::stop, ..mode("stop", "act stops the process with SIGSTOP and is answered once it is continued") },
    Mode { initialize: trouble::deaf, ..mode("deaf", "answers initialize and never reads again") },
    Mode { act: volume::full_duplex, ..mode("full-duplex", "[BYTES=10000000]: act writes so much before anything more is read") },
    // What it writes that is not its answer.
    Mode { start: output::banner, answer: output::banner_and_line, ..mode("banner", "prints a banner at the start and log lines before each answer") },
    Mode { answer: output::garbage_and_line, ..mode("garbage", "writes broken and foreign JSON before each answer") },
    Mode { answer: output::unknown_ids_and_line, ..mode("unknown-id", "writes responses to requests that were never sent before each answer") },
    Mode { answer: output::double, ..mode("double", "answers each request twice, differently") },
    Mode { answer: output::ping_same_id, act: output::ask_same_id, ..mode("same-ids", "pings under the id of each request; act asks for roots so and returns the answer") },
    Mode { start: volume::stderr_endless, ..mode("stderr-endless", "writes to stderr without pause") },
    Mode { answer: volume::stderr_and_line, ..mode("stderr-flood", "[BYTES=2000000]: writes so much to stderr before each answer") },
    Mode { act: volume::notification_flood, ..mode("notification-flood", "[BYTES=200000000]: act logs that much before its answer") },
    // How it writes its answer.
    Mode { answer: output::crlf, ..mode("crlf", "ends each line with CR LF") },
    Mode { answer: output::drip, ..mode("drip", "[BYTES=7]: writes in pieces of that size") },
    Mode { answer: output::bad_utf8_and_line, act: output::bad_utf8, ..mode("bad-utf8", "a line of invalid UTF-8 before each answer; act's own answer is invalid, too") },
    Mode { answer: output::nul_and_line, act: output::nul, ..mode("nul", "a line with NUL bytes before each answer; act's own answer has one") },
    Mode { answer: output::bom, ..mode("bom", "[each]: a byte order mark before the first line, or before each") },
    Mode { act: output::pretty, ..mode("pretty", "act is answered with JSON spread over many lines") },
    Mode { act: volume::deep, ..mode("deep", "[LEVELS=100000]: act's result is nested that deep") },
    Mode { act: volume::big_result, ..mode("big-result", "[BYTES=20000000]: act's result is one line of that size") },
    Mode { act: volume::endless_line, ..mode("endless-line", "[head|tail|none] [BYTES=300000000]: act writes a line that long with its id there; 0 never ends") },
    // Who it leaves behind.
    Mode { start: trouble::grandchild, ..mode("grandchild", "[detached]: starts a sleeper that holds its stdio, or that does not") },
    Mode { start: trouble::daemon, ..mode("daemon", "[stubborn]: starts a daemon in a session of its own, deaf to SIGTERM if so") },
    Mode { start: trouble::stubborn, end: trouble::stay, ..mode("stubborn", "ignores SIGTERM and the end of its input") },
    Mode { start: trouble::launcher, ..mode("launcher", "[stubborn]: only starts the real server, on its own stdio, and waits for it") },
    Mode { act: trouble::environment, ..mode("env-canary", "act returns its whole environment") },
];

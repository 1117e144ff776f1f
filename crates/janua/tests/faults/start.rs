//! Servers that do not start, start slowly, or refuse to be opened.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use janua_testkit::client::session::Reply;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{eventually, eventually_with, wait_gone};
use tempfile::TempDir;

use crate::scene::{
    JANUA, SOON, VERSION, below, command_line, echo, failure, health, hostile, no_sessions, open, pids, reason, serves,
    told, try_open,
};

/// The last words of the server in an answer.
fn stderr(reply: &Reply) -> String {
    reply.response().at("/error/data/stderr").as_str().unwrap_or_default().to_owned()
}

/// A gateway in front of a shell script.
async fn script(options: &str, text: &str) -> Gateway {
    command_line(options, &["sh", "-c", text]).await
}

/// A command that notes each of its starts in a file and fails, and how to count the starts.
struct Failing {
    folder: TempDir,
}

impl Failing {
    fn new() -> Self {
        Failing { folder: TempDir::new().expect("a folder") }
    }

    fn notes(&self) -> String {
        format!("{}/starts", self.folder.path().display())
    }

    fn text(&self) -> String {
        format!("echo started >> {}; echo out of luck >&2; exit 9", self.notes())
    }

    fn count(&self) -> usize {
        fs::read_to_string(self.notes()).unwrap_or_default().lines().count()
    }
}

#[tokio::test]
async fn check_child_exits_at_start() {
    let gateway = hostile("", "exit-at-start 7 no-licence-found").await;
    let since = Instant::now();
    let reply = try_open(&gateway).await;
    assert!(since.elapsed() < Duration::from_secs(10));
    assert_eq!((reply.status.as_u16(), failure(&reply).as_str()), (503, "start_failed"));
    assert!(reason(&reply).contains("exited with code 7"), "{}", reason(&reply));
    assert_eq!(stderr(&reply), "no-licence-found");
    assert!(no_sessions(&gateway).await);
}

#[tokio::test]
async fn check_slow_start_of_8_s() {
    let gateway = hostile("", "slow-start 8").await;
    serves(&gateway).await;
}

#[tokio::test]
async fn a_server_without_faults_is_served() {
    serves(&hostile("", "plain").await).await;
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_named_with_the_reason() {
    let folder = TempDir::new().expect("a folder");
    let plain = folder.path().join("not-a-program");
    fs::write(&plain, "just text\n").expect("write a file");
    let directory = folder.path().join("a-directory");
    fs::create_dir(&directory).expect("make a directory");
    let cases: [(&Path, &str); 3] = [
        (Path::new("/nowhere/no-such-program"), "no such file or directory"),
        (&plain, "permission denied"),
        (&directory, "permission denied"),
    ];
    for (path, why) in cases {
        let gateway = command_line("", &[path.to_str().expect("text")]).await;
        let reply = try_open(&gateway).await;
        assert_eq!((reply.status.as_u16(), failure(&reply).as_str()), (503, "start_failed"));
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(reason(&reply).contains(name) && reason(&reply).contains(why), "{}", reason(&reply));
        assert!(!reason(&reply).contains('/'), "directories are nobody's business: {}", reason(&reply));
        assert_eq!(health(&gateway).await["status"], "healthy");
    }
}

#[tokio::test]
async fn a_working_directory_that_is_not_there_is_named() {
    let wrong = Gateway::builder(JANUA).args(&["--cwd", "/nowhere/at-all", "--", "cat"]).try_start().await;
    let fault = wrong.expect_err("refused");
    assert_eq!(fault.status.and_then(|status| status.code()), Some(2));
    assert!(fault.stderr.contains("/nowhere/at-all"), "{}", fault.stderr);
    // It may also go away later.
    let folder = TempDir::new().expect("a folder");
    let place = folder.path().to_str().expect("text").to_owned();
    let gateway = command_line(&format!("--cwd {place}"), &["cat"]).await;
    folder.close().expect("remove the folder");
    let reply = try_open(&gateway).await;
    assert_eq!(failure(&reply), "start_failed");
    assert!(reason(&reply).contains("cannot start cat"), "{}", reason(&reply));
}

#[tokio::test]
async fn starts_that_fail_are_backed_off() {
    let failing = Failing::new();
    let gateway = script("", &failing.text()).await;
    let end = Instant::now() + Duration::from_secs(7);
    let mut slowest = Duration::ZERO;
    let mut last = try_open(&gateway).await;
    while Instant::now() < end {
        let since = Instant::now();
        last = try_open(&gateway).await;
        if failure(&last) == "backing_off" {
            slowest = slowest.max(since.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Five within some seconds, and from then on one a minute: never more than ten in a minute.
    assert!((3..=5).contains(&failing.count()), "{} starts", failing.count());
    assert_eq!(failure(&last), "backing_off");
    assert!(reason(&last).contains("exited with code 9"), "{}", reason(&last));
    assert_eq!(stderr(&last), "out of luck");
    let wait = last.response().at("/error/data/retryAfterMs").as_u64().expect("a time");
    assert!(wait > 30_000, "{wait} ms");
    assert!(last.headers.contains_key("retry-after"));
    assert!(slowest < Duration::from_secs(2), "failing at once took {slowest:?}");
}

#[tokio::test]
async fn many_at_once_do_not_start_a_failing_server_more_often() {
    let failing = Failing::new();
    let gateway = script("", &failing.text()).await;
    let replies = join_all((0..100).map(|_| try_open(&gateway))).await;
    assert!(replies.iter().all(|reply| ["start_failed", "backing_off"].contains(&failure(reply).as_str())));
    assert!(failing.count() <= 10, "{} starts", failing.count());
}

#[tokio::test]
async fn a_server_that_was_repaired_is_started_again() {
    let folder = TempDir::new().expect("a folder");
    let repaired = folder.path().join("repaired");
    let text = format!("[ -e {} ] || exit 1; exec {} plain", repaired.display(), program("hostile").display());
    let gateway = script("", &text).await;
    assert_eq!(failure(&try_open(&gateway).await), "start_failed");
    fs::write(&repaired, "").expect("write a file");
    let opened = || async { try_open(&gateway).await.status.is_success() };
    assert!(eventually_with(SOON, opened).await);
}

#[tokio::test]
async fn a_server_that_exits_with_0_at_start_is_an_error_too() {
    let reply = try_open(&script("", "exit 0").await).await;
    assert_eq!(failure(&reply), "start_failed");
    assert!(reason(&reply).contains("exited with code 0"), "{}", reason(&reply));
}

#[tokio::test]
async fn last_words_are_short_and_without_secrets() {
    let text = "yes filler | head -c 300000 >&2; echo the key is $KEY >&2; exit 1";
    let reply = try_open(&script("-e KEY=hunter2hunter2", text).await).await;
    let words = stderr(&reply);
    assert!(words.len() <= 4096 && words.ends_with("the key is ***"), "{} bytes: {words:.80}", words.len());
}

#[tokio::test]
async fn a_server_that_never_opens_is_given_up_and_stopped() {
    let gateway = hostile("--start-timeout 1", "never-initialize").await;
    let reply = try_open(&gateway).await;
    assert_eq!((reply.status.as_u16(), failure(&reply).as_str()), (503, "start_failed"));
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
    assert!(no_sessions(&gateway).await);
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted_and_stopped() {
    let gateway = hostile("", "refuse-initialize").await;
    let reply = try_open(&gateway).await;
    assert_eq!(reply.error_code(), Some(-32603));
    assert_eq!(reason(&reply), "this server does not want to be initialized");
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
    assert!(no_sessions(&gateway).await);
}

#[tokio::test]
async fn a_hundred_first_calls_start_one_server() {
    let gateway = hostile("--stateless", "slow-start 2").await;
    let client = gateway.client().deadline(SOON);
    let call = |number: usize| {
        let client = client.clone();
        async move {
            let id = number.to_string();
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"pid"}}}}"#);
            let headers = [janua_testkit::client::JSON_POST[0], janua_testkit::client::JSON_POST[1]];
            let reply = client.exchange(&id, body, &headers).await.finish().await;
            reply.text().to_owned()
        }
    };
    let answers = join_all((0..100).map(call)).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(below(&gateway).len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_while_the_server_starts_leaves_nothing() {
    let gateway = hostile("", "slow-start 60").await;
    let impatient = gateway.client().deadline(Duration::from_millis(500)).resetting();
    let body = janua_testkit::client::message::request(
        "1",
        "initialize",
        &janua_testkit::client::message::initialize_params(VERSION, "{}"),
    );
    let answer = impatient.try_send(http::Method::POST, "/mcp", body, &janua_testkit::client::JSON_POST).await;
    assert!(answer.is_err());
    assert!(eventually(SOON, || below(&gateway).is_empty()).await);
    assert!(no_sessions(&gateway).await);
}

#[tokio::test]
async fn a_failed_start_does_not_touch_those_who_are_served() {
    let folder = TempDir::new().expect("a folder");
    let once = folder.path().join("once");
    let text = format!("[ -e {0} ] && exit 1; touch {0}; exec {1} plain", once.display(), program("hostile").display());
    let gateway = script("", &text).await;
    let served = open(&gateway).await;
    let pid = pids(&served).await[0];
    for _ in 0..5 {
        assert!(try_open(&gateway).await.error_code().is_some());
        echo(&served, "still here").await;
    }
    assert_eq!(told(&served, "pid").await["pid"], pid);
    served.delete().await;
    assert!(wait_gone(pid, SOON).await);
}

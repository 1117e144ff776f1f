//! Finding out which era a server speaks, and clients of both eras at once.

use janua_testkit::client::envelope::Envelope;
use janua_testkit::client::message::{Message, call_params};
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::eventually;
use janua_testkit::servers::journal;
use tempfile::TempDir;

use crate::scene::{ANN, CAPABLE, JANUA, LEGACY, MODERN, Parked, SOON, everything, failure, parked_calls};

/// A gateway in front of a shell that runs `script`, where `"$@"` is the server, and the server's journal.
async fn wrapped(script: &str, journal: &std::path::Path) -> Gateway {
    let program = program("everything");
    let words =
        ["--", "sh", "-c", script, "sh", program.to_str().expect("text"), "--journal", journal.to_str().expect("text")];
    Gateway::start(JANUA, &words).await
}

/// How often a method stands in a journal.
fn seen(journal: &std::path::Path, method: &str) -> usize {
    let lines = journal::lines(journal);
    lines.iter().filter(|line| Message::parse(line).expect("json").method() == Some(method)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_silent_about_what_it_is_gets_a_handshake() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("journal");
    let gateway = wrapped("grep --line-buffered -v server/discover | \"$@\"", &file).await;
    let modern = gateway.client().deadline(SOON).modern(MODERN, CAPABLE);
    let asked = Parked::call(&modern, "test_input_required_result_elicitation", "{}").await;
    assert_eq!(asked.answer(&modern).await.text(), "Hello, Ann!");
    // What was found holds for other classes of clients, and for sessions.
    let other = gateway.client().deadline(SOON).modern(MODERN, "{}");
    assert_eq!(other.call("greet", "{}").await.text(), "Hello, World!");
    let session = gateway.client().deadline(SOON).initialize(LEGACY, "{}").await;
    assert_eq!(session.call("greet", "{}").await.text(), "Hello, World!");
    assert_eq!((seen(&file, "initialize"), seen(&file, "server/discover")), (3, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_exits_when_asked_what_it_is_is_started_again() {
    const SCRIPT: &str = "IFS= read -r first; case $first in *server/discover*) echo no such method >&2; exit 7;; esac; \
                          { printf '%s\\n' \"$first\"; cat; } | \"$@\"";
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("journal");
    let gateway = wrapped(SCRIPT, &file).await;
    let modern = gateway.client().deadline(SOON).modern(MODERN, CAPABLE);
    let asked = Parked::call(&modern, "test_input_required_result_elicitation", "{}").await;
    assert_eq!(asked.answer(&modern).await.text(), "Hello, Ann!");
    let session = gateway.client().deadline(SOON).initialize(LEGACY, "{}").await;
    assert_eq!(session.call("greet", "{}").await.text(), "Hello, World!");
    assert_eq!(seen(&file, "initialize"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_exits_whatever_it_is_asked_is_told_of() {
    let gateway = Gateway::start(JANUA, &["--", "sh", "-c", "read -r line; echo broken >&2; exit 7"]).await;
    let modern = gateway.client().deadline(SOON).modern(MODERN, CAPABLE);
    let refused = modern.call("greet", "{}").await;
    assert_eq!(failure(&refused), "start_failed");
    assert!(refused.raw().contains("broken"), "its own words are missing: {}", refused.raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_of_both_eras_serves_each_client_in_its_own() {
    let scene = everything("", "--era dual").await;
    let client = scene.gateway.client().deadline(SOON);
    let modern = scene.modern(CAPABLE);
    let asked = Parked::call(&modern, "test_input_required_result_elicitation", "{}").await;
    let session = client.initialize(LEGACY, CAPABLE).await;
    let answer = |_: &Message| ANN.to_owned();
    let params = call_params("test_input_required_result_elicitation", "{}");
    let (one, two) = tokio::join!(asked.answer(&modern), session.request_answering("tools/call", &params, answer));
    assert_eq!((one.text(), two.text()), ("Hello, Ann!", "Hello, Ann!"));
    assert_eq!(one.result()["resultType"], "complete");
    assert!(two.result().get("resultType").is_none(), "{}", two.raw());
    parked_calls(&client, 0).await;
    assert_eq!((scene.seen("initialize").len(), scene.seen("server/discover").len()), (1, 1));
    // Once in the session, twice without: nothing stands between.
    assert_eq!(scene.calls("test_input_required_result_elicitation"), 3);
    assert!(scene.lines().iter().all(|line| line.at("/fault").is_null()), "{:?}", scene.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_era_is_the_only_one_that_is_tried() {
    for (pin, tried, untried) in
        [("legacy", "initialize", "server/discover"), ("2026-07-28", "server/discover", "initialize")]
    {
        let scene = everything(&format!("--protocol {pin}"), "--era dual").await;
        let modern = scene.modern(CAPABLE);
        let asked = Parked::call(&modern, "test_input_required_result_elicitation", "{}").await;
        assert_eq!(asked.answer(&modern).await.text(), "Hello, Ann!");
        let session = scene.gateway.client().deadline(SOON).initialize(LEGACY, CAPABLE).await;
        let params = call_params("test_input_required_result_elicitation", "{}");
        let reply = session.request_answering("tools/call", &params, |_| ANN.to_owned()).await;
        assert_eq!(reply.text(), "Hello, Ann!");
        assert!(!scene.seen(tried).is_empty(), "{pin}");
        assert!(scene.seen(untried).is_empty(), "{pin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_pinned_era_is_not_spoken_to_in_the_other() {
    for (pin, era, untried) in [("legacy", "modern", "server/discover"), ("2026-07-28", "legacy", "initialize")] {
        let scene = everything(&format!("--protocol {pin}"), &format!("--era {era}")).await;
        let refused = scene.modern("{}").call("greet", "{}").await;
        assert!(refused.error_code().is_some(), "{pin}: {}", refused.raw());
        let refused = scene.gateway.client().deadline(SOON).try_initialize(LEGACY, "{}").await;
        assert!(refused.error_code().is_some(), "{pin}: {}", refused.raw());
        assert!(scene.seen(untried).is_empty(), "{pin}");
        assert_eq!(scene.calls("greet"), 0);
    }
}

/// A client on a pipe, without a handshake unless it makes one.
struct Pipe {
    client: StdioClient,
    envelope: Envelope,
    folder: TempDir,
}

impl Pipe {
    /// Connects to `everything` in this era.
    fn open(era: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("journal");
        let program = program("everything");
        let words = ["connect", "--", program.to_str().expect("text"), "--era", era, "--journal"];
        let words = [&words[..], &[file.to_str().expect("text")]].concat();
        let client = StdioClient::start(JANUA.as_ref(), &words).deadline(SOON);
        Self { client, envelope: Envelope::new(MODERN, CAPABLE), folder }
    }

    async fn send(&mut self, method: &str, params: &str) -> String {
        let params = self.envelope.wrap(params);
        self.client.send(method, &params).await
    }

    async fn request(&mut self, method: &str, params: &str) -> Message {
        let id = self.send(method, params).await;
        self.client.response(&id).await
    }

    async fn call(&mut self, tool: &str, args: &str) -> Message {
        self.request("tools/call", &call_params(tool, args)).await
    }

    /// Waits until something has reached the program.
    async fn reached(&self, fits: impl Fn(&Message) -> bool) -> Message {
        let file = self.folder.path().join("journal");
        let lines = || journal::lines(&file).into_iter().map(|line| Message::parse(&line).expect("json"));
        assert!(eventually(SOON, || lines().any(|line| fits(&line))).await, "{:?}", journal::lines(&file));
        lines().find(&fits).expect("it is there")
    }

    /// The messages that came besides answers so far, with this method.
    fn passed(&self, method: &str) -> Vec<&Message> {
        self.client.passed.iter().filter(|message| message.method() == Some(method)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_on_a_pipe_is_cancelled_by_its_id() {
    for era in ["legacy", "modern"] {
        let mut pipe = Pipe::open(era);
        let id = pipe.send("tools/call", &call_params("slow_compute", r#"{"seconds":"60"}"#)).await;
        let call = pipe.reached(|line| line.at("/params/name") == "slow_compute").await;
        pipe.client.notify("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#)).await;
        let cancelled = pipe.reached(|line| line.method() == Some("notifications/cancelled")).await;
        assert_eq!(cancelled.at("/params/requestId"), call.at("/id"), "{era}");
        assert_eq!(pipe.call("greet", "{}").await.text(), "Hello, World!");
        assert!(
            !pipe.client.passed.iter().any(|message| message.answers(&id)),
            "{era}: a cancelled one is not answered"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_changes_on_a_pipe_ends_with_an_answer_and_a_farewell() {
    for (era, end) in [("modern", "end_subscriptions"), ("modern", "crash"), ("legacy", "crash")] {
        let mut pipe = Pipe::open(era);
        let filter = r#"{"notifications":{"toolsListChanged":true}}"#;
        let id = pipe.send("subscriptions/listen", filter).await;
        let begun = pipe.client.message().await;
        assert_eq!(begun.method(), Some("notifications/subscriptions/acknowledged"), "{era}: {}", begun.raw());
        pipe.call("announce_lists", "{}").await;
        pipe.call(end, "{}").await;
        let ended = match pipe.client.passed.iter().position(|message| message.answers(&id)) {
            Some(at) => pipe.client.passed.remove(at),
            None => pipe.client.response(&id).await,
        };
        assert_eq!(pipe.passed("notifications/tools/list_changed").len(), 1, "{era}: {:?}", pipe.client.passed);
        let tag = ended.at("/result/_meta/io.modelcontextprotocol~1subscriptionId");
        if ended.error_code().is_none() {
            assert_eq!(tag.to_string(), id, "{era}/{end}: {}", ended.raw());
        }
        assert_eq!(pipe.call("greet", "{}").await.text(), "Hello, World!", "{era}/{end}");
        let farewells = pipe.passed("notifications/cancelled");
        assert_eq!(farewells.len(), 1, "{era}/{end}: {:?}", pipe.client.passed);
        assert_eq!(farewells[0].at("/params/requestId").to_string(), id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_look_first_and_shake_hands_then() {
    for era in ["legacy", "modern", "dual"] {
        let mut pipe = Pipe::open(era);
        let found = pipe.request("server/discover", "").await;
        assert!(found.at("/result/supportedVersions").to_string().contains(MODERN), "{era}: {}", found.raw());
        assert_eq!(pipe.call("greet", r#"{"name":"A"}"#).await.text(), "Hello, A!");
        let opened = pipe.client.initialize(LEGACY, CAPABLE).await;
        assert_eq!(opened.at("/result/protocolVersion"), LEGACY, "{era}: {}", opened.raw());
        let legacy = pipe.client.call("greet", r#"{"name":"B"}"#).await;
        assert_eq!((legacy.text(), legacy.at("/result/resultType").is_null()), ("Hello, B!", true), "{era}");
        let again = pipe.call("greet", r#"{"name":"C"}"#).await;
        assert_eq!((again.text(), again.at("/result/resultType").as_str()), ("Hello, C!", Some("complete")), "{era}");
        pipe.client.close_input();
        let ended = pipe.client.wait(SOON).await.expect("it ends");
        assert!(ended.success(), "{era}: {ended}");
    }
}

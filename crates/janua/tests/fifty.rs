//! Fifty servers, of which five are dead, five hang and five are slow: what a client sees from cold, and the next time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use janua_testkit::client::session::Session;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process::{alive, descendants, eventually, eventually_with};
use serde_json::{Value, json};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);
const HEALTHY: usize = 35;
const EACH: usize = 5;
/// The deadline of a server's part of a list in these tests.
const LIST: &str = "8s";

/// The folder with the configuration, and with the file for which servers wait.
struct Folder(TempDir);

impl Folder {
    fn gate(&self) -> PathBuf {
        self.0.path().join("gate")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// All servers. None starts before the gate is there; the slow ones take three seconds more.
    fn settings(&self) -> Value {
        let waits = format!("while [ ! -e {} ]; do sleep 0.05; done\n", self.gate().display());
        let everything = program("everything").display().to_string();
        let hostile = program("hostile").display().to_string();
        let script = |name: &str, line: &str| {
            let script = self.write(&format!("{name}.sh"), &format!("{waits}{line}\n"));
            json!({"command": "sh", "args": [script]})
        };
        let mut servers = json!({});
        for number in 0..HEALTHY {
            servers[format!("well{number:02}")] = script("well", &format!("exec {everything}"));
        }
        for number in 0..EACH {
            servers[format!("dead{number}")] = json!({"command": hostile, "args": ["exit-at-start"]});
            // Its sleeper is a tree of its own, which has to go with it.
            servers[format!("hangs{number}")] =
                script("hangs", &format!("sleep 600 & exec {hostile} never-initialize"));
            servers[format!("slow{number}")] = script("slow", &format!("sleep 3\nexec {everything}"));
        }
        json!({"servers": servers, "limits": {"list_timeout": LIST, "start_timeout": "20s", "stop_eof": "1s", "stop_term": "1s"}})
    }

    async fn start(&self) -> Gateway {
        let config = self.write("janua.json", &self.settings().to_string());
        let words = ["serve", "--port", "0", "-c"];
        let gateway = Gateway::builder(env!("CARGO_BIN_EXE_janua")).args(&words).arg(&config);
        gateway.arg("--data-dir").arg(self.0.path().join("data")).start().await
    }
}

async fn session(gateway: &Gateway) -> Session {
    gateway.client().deadline(SOON).initialize("2025-11-25", "{}").await
}

/// The whole list, page by page.
async fn list(session: &Session) -> Value {
    let mut all = session.request("tools/list", "").await.result().clone();
    while let Some(cursor) = all["nextCursor"].as_str() {
        let page = session.request("tools/list", &json!({"cursor": cursor}).to_string()).await.result().clone();
        let more = page["tools"].as_array().cloned().unwrap_or_default();
        all["nextCursor"] = page["nextCursor"].clone();
        all["tools"].as_array_mut().expect("tools").extend(more);
    }
    all
}

/// How many servers of each kind have a tool in the list, and which are said to be missing.
fn count(result: &Value) -> ([usize; 4], Vec<String>) {
    let tools = result["tools"].as_array().unwrap_or_else(|| panic!("no tools: {result}"));
    let echoes = |kind: &str| {
        let of = |tool: &&Value| {
            tool["name"].as_str().is_some_and(|name| name.starts_with(kind) && name.ends_with("__echo"))
        };
        tools.iter().filter(of).count()
    };
    let missing = result["_meta"]["io.janua/unavailable"].as_array().cloned().unwrap_or_default();
    let missing = missing.iter().map(|entry| entry["server"].as_str().expect("text").to_owned()).collect();
    (["well", "slow", "hangs", "dead"].map(echoes), missing)
}

/// Stops the gateway, which has to end well and take everything it started with it.
async fn stop(mut gateway: Gateway) -> String {
    let below = descendants(gateway.pid());
    let stopped = gateway.terminate(SOON).await;
    assert!(stopped.status.success(), "{}", gateway.stderr());
    assert!(!gateway.stderr().contains("did not end in time"), "all tasks end: {}", gateway.stderr());
    let left = || below.iter().filter(|pid| alive(**pid)).count();
    assert!(eventually(SOON, || left() == 0).await, "{} of {} processes are left", left(), below.len());
    format!("stopped with {} processes in {:.1} s", below.len(), stopped.took.as_secs_f64())
}

fn open(gate: &Path) {
    std::fs::write(gate, "").expect("opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_servers_are_listed_from_cold_and_at_once_the_next_time() {
    let mut said = String::new();
    let folder = Folder(TempDir::new().expect("a folder"));
    open(&folder.gate());
    let gateway = folder.start().await;
    let cold = session(&gateway).await;
    let began = Instant::now();
    let first = list(&cold).await;
    let (there, missing) = count(&first);
    let _ = writeln!(
        said,
        "cold: {there:?} well, slow, hanging, dead of [35, 5, 5, 5] in {} ms",
        began.elapsed().as_millis()
    );
    let _ = writeln!(said, "      {} said to be missing", missing.len());
    assert_eq!(there[2..], [0, 0], "those that hang or are dead have no tools");
    let known = |kind: &str| missing.iter().filter(|name| name.starts_with(kind)).count();
    assert_eq!(there[0] + known("well"), HEALTHY, "each is there, or announced: {missing:?}");
    assert_eq!(there[1] + known("slow"), EACH, "each is there, or announced: {missing:?}");
    assert_eq!((known("hangs"), known("dead")), (EACH, EACH), "{missing:?}");
    // Those that hang keep nobody from starting.
    let all = || async { count(&list(&cold).await).0[..2] == [HEALTHY, EACH] };
    assert!(eventually_with(SOON, all).await, "not all that are well came");
    let _ = writeln!(said, "all forty there after {} ms", began.elapsed().as_millis());
    let called = cold.call("slow4__echo", r#"{"text":"here"}"#).await;
    assert_eq!(called.text(), "here");
    let _ = writeln!(said, "{}", stop(gateway).await);

    // No server can answer anything before the gate is there.
    std::fs::remove_file(folder.gate()).expect("closed");
    let gateway = folder.start().await;
    let began = Instant::now();
    let warm = session(&gateway).await;
    let second = list(&warm).await;
    let _ = writeln!(
        said,
        "the next time: {:?} in {} ms, before any server ran",
        count(&second).0,
        began.elapsed().as_millis()
    );
    assert_eq!(count(&second).0, [HEALTHY, EACH, 0, 0]);
    assert!(!folder.gate().exists(), "no server could have said anything");
    open(&folder.gate());
    assert_eq!(warm.call("well17__echo", r#"{"text":"now"}"#).await.text(), "now");
    let _ = writeln!(said, "{}", stop(gateway).await);
    print!("{said}");
}

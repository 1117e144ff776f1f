//! A thousand reloads under load, half of them broken: every call is answered, and what stays as it was stays.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use janua::serve::Applied;
use janua_testkit::client::modern::Modern;
use janua_testkit::process::{alive, cmdline, eventually};
use tokio::task::JoinSet;

use crate::scene::{SOON, Scene, pid, pid_in, server};

const RELOADS: usize = 1000;

/// What the configuration says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    /// Which definition of `turning`.
    turn: usize,
    /// Whether `coming` is there.
    came: bool,
    /// Which selection the view is.
    view: usize,
}

/// Clients that call without pause, and how many calls of each were answered.
struct Callers {
    answered: Vec<Arc<AtomicUsize>>,
    over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Said {
    fn text(self) -> String {
        let mut text = "servers:\n".to_owned() + &server("still", &["everything"]);
        text += &server("turning", &["everything", "--turn", &self.turn.to_string()]);
        if self.came {
            text += &server("coming", &["everything"]);
        }
        let members = ["still, turning", "turning, still"][self.view % 2];
        text + &format!("views:\n  chosen: {{servers: [{members}], tools: {{deny: [hidden-{}]}}}}\n", self.view)
    }

    /// The next good configuration, and what it changes.
    fn next(self, number: usize) -> (Said, Applied) {
        let named = || vec!["coming".to_owned()];
        match number % 4 {
            0 => (
                Said { turn: self.turn + 1, ..self },
                Applied { changed: vec!["turning".to_owned()], ..Applied::default() },
            ),
            1 if self.came => (Said { came: false, ..self }, Applied { removed: named(), ..Applied::default() }),
            1 => (Said { came: true, ..self }, Applied { added: named(), ..Applied::default() }),
            2 => (Said { view: self.view + 1, ..self }, Applied::default()),
            _ => (self, Applied::default()),
        }
    }

    /// The same with something wrong in its last line, and the place where that is.
    fn broken(self, number: usize) -> (String, String) {
        let text = self.text();
        let line = text.lines().count() + 1;
        match number % 2 {
            0 => (text + "no_such_key: 1\n", format!(":{line}:1: ")),
            _ => (text + "views: [unclosed\n", format!(":{line}:")),
        }
    }
}

impl Callers {
    /// One client for each address and tool.
    fn start(scene: &Scene) -> Callers {
        let over = Arc::new(AtomicBool::new(false));
        let mut callers = Callers { answered: Vec::new(), over, tasks: JoinSet::new() };
        for (path, tool) in [
            ("/mcp/still", "echo"),
            ("/mcp/turning", "echo"),
            ("/mcp", "turning__echo"),
            ("/mcp/chosen", "still__echo"),
        ] {
            let answered = Arc::new(AtomicUsize::new(0));
            callers.answered.push(answered.clone());
            callers.tasks.spawn(call(scene.modern(path), tool, answered, callers.over.clone()));
        }
        callers
    }

    /// Waits until every client has had another answer; one that had a wrong one has ended.
    async fn go_on(&self) {
        let before: Vec<usize> = self.answered.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let more = || self.answered.iter().zip(&before).all(|(count, before)| count.load(Ordering::Relaxed) > *before);
        assert!(eventually(SOON, more).await, "a client got no answer any more: {:?}, {before:?}", self.answered);
    }

    async fn end(mut self) -> Vec<usize> {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("every answer was right");
        }
        self.answered.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

async fn call(client: Modern, tool: &'static str, answered: Arc<AtomicUsize>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let nonce = format!("{tool} {}", answered.load(Ordering::Relaxed));
        let reply = client.call(tool, &format!(r#"{{"text":"{nonce}"}}"#)).await;
        assert_eq!(reply.text(), nonce, "{}", reply.raw());
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_lose_no_call() {
    let began = Instant::now();
    let mut said = Said::default();
    let scene = Scene::of(&said.text()).await;
    let (still, turning) = (scene.session("/mcp/still").await, scene.modern("/mcp/turning"));
    let mut stream = still.listen().await;
    let before = pid(&still).await;
    let callers = Callers::start(&scene);
    let mut turns = BTreeSet::new();
    for number in 0..RELOADS {
        if number % 2 == 1 {
            let (text, place) = said.broken(number / 2);
            let findings = scene.apply(&text).expect_err("broken");
            let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
            assert!(shown.iter().any(|finding| finding.contains(&place)), "{place}: {shown:?}");
            continue;
        }
        let (next, change) = said.next(number / 2);
        assert_eq!(scene.apply(&next.text()).expect("good"), change, "{said:?} to {next:?}");
        if next.turn != said.turn {
            let serving = pid_in(turning.call("fixture_info", "{}").await.text());
            assert!(cmdline(serving).contains(&next.turn.to_string()), "the new definition serves: {next:?}");
            turns.insert(serving);
            callers.go_on().await;
        } else if next.came && !said.came {
            assert_eq!(scene.modern("/mcp/coming").call("echo", r#"{"text":"here"}"#).await.text(), "here");
        }
        said = next;
    }
    let answered = callers.end().await;
    assert_eq!(pid(&still).await, before, "the session of an unchanged server has its process");
    // What it should not have heard would have been here before this.
    still.call("test_trigger_prompt_change", "{}").await.result();
    let first = stream.message(SOON).await;
    assert_eq!(first.method(), Some("notifications/prompts/list_changed"), "{}", first.raw());
    let last = turns.len();
    assert_eq!(last, RELOADS / 8, "each definition had a process of its own");
    let running = || turns.iter().filter(|pid| alive(**pid)).count();
    assert!(eventually(SOON, || running() <= 1).await, "{} old processes still run", running());
    println!("{RELOADS} reloads in {:.1} s; calls answered meanwhile: {answered:?}", began.elapsed().as_secs_f64());
    scene.running.stop().await;
    assert!(eventually(SOON, || running() == 0).await, "{} processes are left", running());
}

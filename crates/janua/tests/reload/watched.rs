//! The program and its file: however it is written, and SIGHUP; what is wrong with it is said with its place.

use std::fs;
use std::time::Instant;

use janua_testkit::gateway::Gateway;
use janua_testkit::process::eventually;
use rustix::process::Signal;

use crate::scene::{CHANGED, Folder, SOON, pid, pid_in, server};

const RELOADS: usize = 20;

fn text(turn: usize) -> String {
    let turn = turn.to_string();
    format!("servers:\n{}{}", server("still", &["everything"]), server("turning", &["everything", "--turn", &turn]))
}

/// Waits until the gateway has said this once more than `before` times.
async fn says(gateway: &Gateway, what: &str, before: usize) {
    let said = eventually(SOON, || gateway.stderr().matches(what).count() > before).await;
    assert!(said, "it does not say {what:?} again:\n{}", gateway.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_followed_however_they_are_written() {
    const TAKEN: &str = "configuration taken over";
    const KEPT: &str = "nothing was changed";
    let began = Instant::now();
    let folder = Folder::new();
    let file = folder.write(&text(0));
    let (config, data) = (file.display().to_string(), folder.path("data").display().to_string());
    let words = ["serve", "-c", &config, "--data-dir", &data, "--port", "0"];
    let mut gateway = Gateway::builder(env!("CARGO_BIN_EXE_janua")).args(&words).start().await;
    let client = |path: &str| gateway.client().endpoint(path).deadline(SOON);
    let still = client("/mcp/still").initialize("2025-11-25", "{}").await;
    let turning = client("/mcp/turning").initialize("2025-11-25", "{}").await;
    let mut stream = turning.listen().await;
    let (kept, mut serving) = (pid(&still).await, pid(&turning).await);
    let mut turn = 0;
    for number in 0..RELOADS {
        let count = |what: &str| gateway.stderr().matches(what).count();
        let (taken, refused) = (count(TAKEN), count(KEPT));
        if number % 2 == 1 {
            let broken = text(turn) + "surplus: 1\n";
            let place = format!("janua.yaml:{}:1: ", broken.lines().count());
            let places = count(&place);
            fs::write(&file, broken).expect("written");
            says(&gateway, KEPT, refused).await;
            says(&gateway, &place, places).await;
            assert_eq!(pid(&turning).await, serving, "a broken file changes nothing");
            continue;
        }
        turn += 1;
        if number % 4 == 0 {
            fs::write(folder.path("janua.yaml~"), text(turn)).expect("written");
            fs::rename(folder.path("janua.yaml~"), &file).expect("renamed");
        } else {
            fs::write(&file, text(turn)).expect("written");
        }
        says(&gateway, TAKEN, taken).await;
        while stream.message(SOON).await.method() != Some(CHANGED) {}
        let new = pid_in(turning.call("fixture_info", "{}").await.text());
        assert_ne!(new, serving, "the new definition serves");
        serving = new;
        assert_eq!(pid(&still).await, kept, "the other session has its process");
    }
    let (taken, refused) = (gateway.stderr().matches(TAKEN).count(), gateway.stderr().matches(KEPT).count());
    // A file is empty before the first byte is written anew.
    fs::write(&file, "").expect("emptied");
    says(&gateway, KEPT, refused).await;
    assert_eq!((pid(&still).await, pid(&turning).await), (kept, serving), "nobody's server is taken away");
    fs::write(&file, text(turn)).expect("written");
    says(&gateway, TAKEN, taken).await;
    gateway.signal(Signal::HUP);
    says(&gateway, TAKEN, taken + 1).await;
    assert_eq!((pid(&still).await, pid(&turning).await), (kept, serving), "nothing is defined in another way");
    println!("{RELOADS} reloads of a watched file in {:.1} s", began.elapsed().as_secs_f64());
    assert!(gateway.terminate(SOON).await.status.success());
}

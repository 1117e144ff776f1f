//! The faults: one a second, each noted in the ledger for the server it is done to.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use janua_testkit::client::faults::{RawSocket, http_request};
use janua_testkit::process;
use rustix::process::{Pid, Signal, kill_process};

use crate::ledger::shown;
use crate::load::Load;
use crate::scene::Scene;
use crate::sockets::SLACK;

/// Everything that is done, as often as it stands here.
const FAULTS: [Fault; 30] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Freeze,
    Fault::Freeze,
    Fault::Freeze,
    Fault::Abort,
    Fault::Abort,
    Fault::Abort,
    Fault::HalfOpen,
    Fault::HalfOpen,
    Fault::HalfOpen,
    Fault::Garbage,
    Fault::Garbage,
    Fault::Garbage,
    Fault::Reload,
    Fault::Reload,
    Fault::Reload,
    Fault::Reload,
    Fault::Reload,
    Fault::Broken,
    Fault::Broken,
    Fault::Remove,
    Fault::Remove,
    Fault::Corrupt,
    Fault::Corrupt,
    Fault::Unreachable,
    Fault::Forget,
];

/// Requests that are none; each has to be refused.
const GARBAGE: [(&str, &str, &str); 10] = [
    ("POST", "content-type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"),
    ("POST", "content-type: application/json", "[1,2,3"),
    ("POST", "content-type: application/json", "\u{0}\u{1}"),
    ("POST", "content-type: text/plain", "hello"),
    ("POST", "content-type: application/json", "{\"jsonrpc\":\"2.0\",\"id\":1}"),
    (
        "POST",
        "content-type: application/json\r\nmcp-session-id: nobody",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}",
    ),
    (
        "POST",
        "content-type: application/json\r\nmcp-protocol-version: 1999-01-01",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}",
    ),
    ("BREW", "accept: */*", ""),
    ("DELETE", "mcp-session-id: nobody", ""),
    ("POST", "content-length: 99999999999\r\ncontent-type: application/json", "{"),
];

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// SIGKILL to a program.
    Kill,
    /// SIGSTOP to a program, SIGCONT a little later.
    Freeze,
    /// A connection that is reset in the middle of a request.
    Abort,
    /// A connection that says half of something and nothing more.
    HalfOpen,
    /// A request that is none.
    Garbage,
    /// The configuration anew, with another definition of a server.
    Reload,
    /// The configuration broken, and whole again.
    Broken,
    /// A server taken away, and added again.
    Remove,
    /// Nonsense in a file of the catalogue.
    Corrupt,
    /// The remote servers down, and up again.
    Unreachable,
    /// The remote server forgets its sessions.
    Forget,
}

/// One fault a second until clients are to end; what lasts longer goes on beside the next ones.
pub(super) async fn go_on(load: Load, scene: Arc<Scene>) {
    let mut lasting = tokio::task::JoinSet::new();
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    // What is down already is not taken down again.
    let remote = Arc::new(tokio::sync::Semaphore::new(1));
    let removal = Arc::new(tokio::sync::Semaphore::new(1));
    while !load.is_over() {
        beat.tick().await;
        while lasting.try_join_next().is_some() {}
        let fault = load.dice.one(&FAULTS);
        let (load, scene, remote, removal) = (load.clone(), scene.clone(), remote.clone(), removal.clone());
        lasting.spawn(async move {
            let turn = match fault {
                Fault::Unreachable => Some(remote.try_acquire_owned()),
                Fault::Remove => Some(removal.try_acquire_owned()),
                _ => None,
            };
            if !matches!(turn, Some(Err(_))) {
                one(fault, &load, &scene).await;
            }
        });
    }
    lasting.join_all().await;
}

async fn one(fault: Fault, load: &Load, scene: &Scene) {
    let done = match fault {
        Fault::Kill => signal(load, scene, Signal::KILL).await,
        Fault::Freeze => signal(load, scene, Signal::STOP).await,
        Fault::Abort => abort(load, scene).await,
        Fault::HalfOpen => half_open(load, scene).await,
        Fault::Garbage => garbage(load, scene).await,
        Fault::Reload => {
            load.ledger.blow("(none)", "reload");
            scene.write(|written| written.changed += 1)
        }
        Fault::Broken => broken(load, scene).await,
        Fault::Remove => remove(load, scene).await,
        Fault::Corrupt => corrupt(load, scene),
        Fault::Unreachable => unreachable(load, scene).await,
        Fault::Forget => {
            load.ledger.blow("far", "forget");
            scene.forget_sessions();
            Ok(())
        }
    };
    if let Err(error) = done {
        load.ledger.violation(&format!("{fault:?} could not be done: {error:#}"));
    }
}

/// Kills or stops a program of a server that may be hurt.
async fn signal(load: &Load, scene: &Scene, signal: Signal) -> anyhow::Result<()> {
    let victim = load.dice.one(&["alpha", "beta"]);
    let hurt = |pid: &u32| process::cmdline(*pid).iter().any(|word| word == victim);
    let found: Vec<u32> = process::children(scene.gateway.pid()).into_iter().filter(hurt).collect();
    if found.is_empty() {
        return Ok(());
    }
    let Some(pid) = Pid::from_raw(i32::try_from(load.dice.one(&found))?) else { return Ok(()) };
    let kind = if signal == Signal::KILL { "kill" } else { "freeze" };
    let id = load.ledger.fault(victim, kind);
    // One that has ended by itself meanwhile is as good as killed.
    let _ = kill_process(pid, signal);
    if signal == Signal::STOP {
        load.pause(2000).await;
        let _ = kill_process(pid, Signal::CONT);
    }
    load.ledger.over(id);
    Ok(())
}

/// Resets a connection in the middle of its request, or of its answer.
async fn abort(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    load.ledger.blow("(none)", "abort");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}"#;
    let accept = "accept: application/json, text/event-stream";
    let headers = [&*format!("host: {}", scene.gateway.authority()), "content-type: application/json", accept];
    let request = http_request("POST", "/mcp/calm", &headers, body);
    let mut socket = RawSocket::open(scene.gateway.authority()).await;
    let part = usize::try_from(load.dice.below(request.len() as u64 + 1))?;
    socket.write(&request[..part]).await?;
    load.pause(30).await;
    socket.reset();
    Ok(())
}

/// Says half of something; the gateway has to hang up after a while.
async fn half_open(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    load.ledger.blow("(none)", "half-open");
    let said = load.dice.one(&["", "POST /mcp/calm HT", "GET /sse/calm HTTP/1.1\r\nhost: x\r\nacc"]);
    let mut socket = RawSocket::open(scene.gateway.authority()).await;
    socket.write(said.as_bytes()).await?;
    if !socket.read_to_close(SLACK).await {
        load.ledger.violation(&format!("a connection that said {said:?} is still open"));
    }
    Ok(())
}

/// Sends nonsense, which has to be refused with a status of 400 to 499.
async fn garbage(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    load.ledger.blow("(none)", "garbage");
    let (method, header, body) = load.dice.one(&GARBAGE);
    let host = format!("host: {}", scene.gateway.authority());
    let headers = [&*host, header, "connection: close"];
    let path = load.dice.one(&["/mcp/calm", "/mcp", "/mcp/nobody", "/sse/nobody", "/nowhere"]);
    let mut socket = RawSocket::open(scene.gateway.authority()).await;
    socket.write(&http_request(method, path, &headers, body)).await?;
    let closed = socket.read_to_close(SLACK).await;
    let text = socket.text();
    if !closed || !text.starts_with("HTTP/1.1 4") {
        load.ledger.violation(&format!("{method} {path} {header:?} {body:?}: {}", shown(&text)));
    }
    Ok(())
}

async fn broken(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    load.ledger.blow("(none)", "broken reload");
    let way = load.dice.below(2);
    scene.write(|written| written.broken = Some(way))?;
    load.pause(1000).await;
    scene.write(|written| written.broken = None)
}

async fn remove(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    let id = load.ledger.fault("gone", "remove");
    scene.write(|written| written.gone = true)?;
    load.pause(3000).await;
    scene.write(|written| written.gone = false)?;
    load.ledger.over(id);
    Ok(())
}

/// Cuts a file of the catalogue, or writes nonsense into it.
fn corrupt(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    load.ledger.blow("(none)", "corrupt catalogue");
    let Ok(entries) = fs::read_dir(scene.data.join("catalogue")) else { return Ok(()) };
    let files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    if files.is_empty() {
        return Ok(());
    }
    let file = &files[usize::try_from(load.dice.below(files.len() as u64))?];
    let text = fs::read(file).unwrap_or_default();
    let nonsense: &[u8] = if load.dice.below(2) == 0 { b"\xff\x00{" } else { &text[..text.len() / 2] };
    fs::write(file, nonsense)?;
    Ok(())
}

async fn unreachable(load: &Load, scene: &Scene) -> anyhow::Result<()> {
    let ids = [load.ledger.fault("far", "unreachable"), load.ledger.fault("farther", "unreachable")];
    scene.close_remote();
    load.pause(1000).await;
    scene.open_remote().await;
    for id in ids {
        load.ledger.over(id);
    }
    Ok(())
}

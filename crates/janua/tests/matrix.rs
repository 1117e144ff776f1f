//! The test matrix: every kind of client with every kind of server, in everything they do with each other.
//!
//! `matrix.toml` declares what each cell is. A cell that is not declared fails, and so does one that turns out
//! otherwise. `JANUA_CELLS=PART` tries only cells whose `client/server/behaviour` contains PART.

#![expect(clippy::disallowed_methods, reason = "two variables steer these tests, and nothing else")]

#[path = "matrix/asks.rs"]
mod asks;
#[path = "matrix/behaviours.rs"]
mod behaviours;
#[path = "matrix/declaration.rs"]
mod declaration;
#[path = "matrix/ends.rs"]
mod ends;
#[path = "matrix/kinds.rs"]
mod kinds;
#[path = "matrix/link.rs"]
mod link;
#[path = "matrix/page.rs"]
mod page;
#[path = "matrix/plain.rs"]
mod plain;
#[path = "matrix/posting.rs"]
mod posting;
#[path = "matrix/remote.rs"]
mod remote;
#[path = "matrix/requests.rs"]
mod requests;
#[path = "matrix/scene.rs"]
mod scene;
#[path = "matrix/shapes.rs"]
mod shapes;
#[path = "matrix/talk.rs"]
mod talk;
#[path = "matrix/upstream.rs"]
mod upstream;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use behaviours::BEHAVIOURS;
use declaration::Declaration;
use kinds::{ClientKind, ServerKind};
use plain::PLAIN;
use scene::{Behaviour, Scene, Verdict, Way};

/// Cells tried at once in one test; most of a cell is waiting.
const AT_ONCE: usize = 12;
/// A cell that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(90);

/// Tries every cell of one client and compares.
async fn column(client: ClientKind, way: Way) {
    let declared = Declaration::of(way);
    let only = std::env::var("JANUA_CELLS").unwrap_or_default();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut cells = JoinSet::new();
    for (server, behaviour) in
        ServerKind::ALL.into_iter().flat_map(|server| BEHAVIOURS.iter().map(move |b| (server, b)))
    {
        let name = format!("{}/{}/{}", client.name(), server.name(), behaviour.name);
        if !name.contains(&only) {
            continue;
        }
        let wanted = declared.cell(behaviour.name, server, client).unwrap_or("not declared").to_owned();
        let places = Arc::clone(&places);
        cells.spawn(async move {
            let _place = places.acquire_owned().await.expect("never closed");
            let found = tried(client, server, behaviour, way).await;
            (found != wanted).then(|| format!("{name}: {found} (declared: {wanted})"))
        });
    }
    let mut wrong: Vec<String> = cells.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} cells are not as declared:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a cell turns out to be; a panic inside is a verdict of its own.
async fn tried(client: ClientKind, server: ServerKind, behaviour: &'static Behaviour, way: Way) -> String {
    let mut alone = JoinSet::new();
    alone.spawn(async move {
        let mut scene = Scene::open(client, server, behaviour.program, way).await;
        let verdict = (behaviour.run)(&mut scene).await;
        let faults = scene.server.faults();
        assert!(faults.is_empty(), "the server's revision forbids what Janua did: {faults:?}");
        verdict
    });
    ended(timeout(LONGEST, alone.join_next()).await)
}

/// How the trial of a cell came to its end.
fn ended(end: Result<Option<Result<Verdict, JoinError>>, Elapsed>) -> String {
    match end {
        Err(_) => format!("broken: no end within {LONGEST:?}"),
        Ok(None) => "broken: it never began".to_owned(),
        Ok(Some(Ok(verdict))) => verdict.to_string(),
        Ok(Some(Err(error))) => broken(error),
    }
}

fn broken(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "broken: given up".to_owned();
    };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let text: String = text.unwrap_or("a panic without words").replace('\n', " ").chars().take(600).collect();
    format!("broken: {text}")
}

macro_rules! columns {
    ($name:ident, $way:ident: $($test:ident: $client:ident;)*) => {
        /// The clients whose cells are tried in this way.
        const $name: &[ClientKind] = &[$(ClientKind::$client),*];
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            column(ClientKind::$client, Way::$way).await;
        })*
    };
}

columns! {
    ALONE, Alone:
    sse_2024_11_05: Sse2024;
    http_2025_03_26: Http202503;
    http_2025_06_18: Http202506;
    http_2025_11_25: Http202511;
    http_sessionless: Sessionless;
    http_2026_07_28: Http2026;
    stdio: Stdio;
    stdio_2026_07_28: Stdio2026;
    websocket: WebSocket;
    websocket_2026_07_28: WebSocket2026;
}

columns! {
    UNION, Union:
    union_sse_2024_11_05: Sse2024;
    union_http_2025_11_25: Http202511;
    union_http_2026_07_28: Http2026;
    union_websocket_2026_07_28: WebSocket2026;
}

#[test]
fn every_cell_is_declared_and_tried() {
    let mut faults = Declaration::read().faults();
    faults.extend(Declaration::of(Way::Union).idle());
    faults.extend(Declaration::plain().plain_faults());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(ALONE, ClientKind::ALL);
    let served: Vec<ClientKind> = ClientKind::ALL.into_iter().filter(|client| client.has_union()).collect();
    assert_eq!(UNION, served);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http() {
    let declared = Declaration::plain();
    let only = std::env::var("JANUA_CELLS").unwrap_or_default();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut cells = JoinSet::new();
    for (server, behaviour) in ServerKind::ALL.into_iter().flat_map(|server| PLAIN.iter().map(move |b| (server, b))) {
        let name = format!("plain/{}/{}", server.name(), behaviour.name);
        if !name.contains(&only) {
            continue;
        }
        let wanted = declared.plain_cell(behaviour.name, server).unwrap_or("not declared").to_owned();
        let places = Arc::clone(&places);
        cells.spawn(async move {
            let _place = places.acquire_owned().await.expect("never closed");
            let mut alone = JoinSet::new();
            alone.spawn(plain::tried(server, behaviour));
            let found = ended(timeout(LONGEST, alone.join_next()).await);
            (found != wanted).then(|| format!("{name}: {found} (declared: {wanted})"))
        });
    }
    let mut wrong: Vec<String> = cells.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} cells are not as declared:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_page_says_what_is_declared() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let page = page::page(&Declaration::read());
    if std::env::var_os("JANUA_BLESS").is_some() {
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("make docs");
        std::fs::write(&place, &page).expect("write the page");
    }
    let there = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(there == page, "docs/compatibility.md is not what matrix.toml says: run this test with JANUA_BLESS=1");
}

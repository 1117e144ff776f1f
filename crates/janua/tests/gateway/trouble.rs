//! Servers that fail, hang, are slow, crash or go away, and what the others and the clients notice of it.

use std::path::Path;

use janua_testkit::client::message::request;
use janua_testkit::client::session::{Reply, Session};
use janua_testkit::gateway::program;
use janua_testkit::process::eventually_with;
use serde_json::{Value, json};

use crate::scene::{
    CAPABLE, Folder, LEGACY, SOON, Scene, everything, failure, heard, hostile, script, scripted, tools_of, tools_seen,
    unavailable, until_tools,
};

const CHANGED: &str = "notifications/tools/list_changed";

/// A configuration in which no server holds up a list for long.
fn hasty(servers: &Value) -> Value {
    json!({"servers": servers, "limits": {"list_timeout": "1s", "starts": 32}})
}

/// A server that starts once `gate` is there, and runs `line` then.
fn gated(folder: &Folder, gate: &Path, line: &str) -> Value {
    let text = format!("while [ ! -e {} ]; do sleep 0.02; done\nexec {line}\n", gate.display());
    script(&folder.write("gated.sh", &text))
}

fn line(program_name: &str) -> String {
    program(program_name).display().to_string()
}

async fn list(session: &Session) -> Reply {
    session.request("tools/list", "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_fails_the_call_and_not_the_session() {
    let scene = Scene::of(json!({"a": everything(""), "b": everything(""), "m": everything("--era modern")})).await;
    let session = scene.session("/mcp").await;
    let modern = scene.modern("/mcp");
    let pid = async |tool: &str| {
        let info: Value = serde_json::from_str(session.call(tool, "{}").await.text()).expect("json");
        info["pid"].clone()
    };
    for server in ["a", "m"] {
        let before = pid(&format!("{server}__fixture_info")).await;
        let beside = pid("b__fixture_info").await;
        let crashed = session.call(&format!("{server}__crash"), "{}").await;
        assert_eq!(failure(&crashed), "server_exited", "{server}: {}", crashed.raw());
        let after = pid(&format!("{server}__fixture_info")).await;
        assert_ne!(before, after, "{server} is another instance");
        assert_eq!(pid("b__fixture_info").await, beside, "the others go on");
        let crashed = modern.call(&format!("{server}__crash"), "{}").await;
        assert_eq!(failure(&crashed), "server_exited", "{server}: {}", crashed.raw());
        assert_eq!(modern.call(&format!("{server}__echo"), r#"{"text":"again"}"#).await.text(), "again");
    }
    assert!(unavailable(list(&session).await.result()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_fail_or_hang_are_left_out_and_named() {
    let folder = Folder::new();
    let gate = folder.path("gate");
    let servers = json!({
        "fine": everything(""),
        "dead": hostile(&["exit-at-start", "1", "no such key"]),
        "hangs": hostile(&["never-initialize"]),
        "rude": hostile(&["refuse-initialize"]),
        "late": gated(&folder, &gate, &line("everything")),
        "gone": {"url": "http://127.0.0.1:9/mcp"},
    });
    let scene = folder.serve(&hasty(&servers)).await;
    let session = scene.session("/mcp").await;
    let mut stream = session.listen().await;
    let (mut listening, _) = scene.modern("/mcp").listen(r#"{"toolsListChanged":true}"#).await;
    for reply in [list(&session).await, scene.modern("/mcp").request("tools/list", "").await] {
        let out = unavailable(reply.result());
        let names: Vec<&str> = out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["dead", "gone", "hangs", "late", "rude"], "{out:?}");
        let why = |name: &str| &out.iter().find(|(other, _)| other == name).expect("named").1;
        assert!(why("dead").contains("exited with code 1"), "{}", why("dead"));
        assert!(why("late").contains("starting"), "{}", why("late"));
        assert!(why("hangs").contains("starting"), "{}", why("hangs"));
        let shown = crate::scene::each(reply.result(), "tools", "name");
        assert!(!shown.is_empty() && shown.iter().all(|name| name.starts_with("fine__")), "{shown:?}");
    }
    let refused = session.call("dead__anything", "{}").await;
    assert_eq!(failure(&refused), "start_failed", "{}", refused.raw());
    assert!(refused.raw().contains("no such key"), "{}", refused.raw());
    assert_eq!(session.call("fine__echo", r#"{"text":"x"}"#).await.text(), "x");

    std::fs::write(&gate, "").expect("opened");
    // The first word may have been about another one.
    let late = "late__echo".to_owned();
    while !tools_of(&session).await.contains(&late) {
        heard(&mut stream, CHANGED).await;
    }
    assert_eq!(listening.message().await.method(), Some(CHANGED));
    let listed = list(&session).await;
    assert!(!unavailable(listed.result()).iter().any(|(name, _)| name == "late"));
    assert_eq!(session.call("late__echo", r#"{"text":"here"}"#).await.text(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_alone_at_its_address_says_why_it_is_not_there() {
    let dead = hostile(&["exit-at-start", "1", "no such key"]);
    let scene = Scene::of(json!({"dead": dead, "fine": everything("")})).await;
    let refused = scene.client("/mcp/dead").try_initialize(LEGACY, CAPABLE).await;
    assert_eq!(failure(&refused), "start_failed", "{}", refused.raw());
    assert!(refused.raw().contains("no such key"), "{}", refused.raw());
    let refused = scene.modern("/mcp/dead").request("server/discover", "").await;
    assert_eq!(failure(&refused), "start_failed", "{}", refused.raw());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_a_required_server_is_an_error() {
    let mut dead = hostile(&["exit-at-start", "1", "no such key"]);
    dead["required"] = json!(true);
    let scene = Scene::of(json!({"dead": dead, "fine": everything("")})).await;
    let session = scene.session("/mcp").await;
    for reply in [list(&session).await, scene.modern("/mcp").request("tools/list", "").await] {
        assert!(reply.error_code().is_some(), "{}", reply.raw());
        assert!(reply.raw().contains("the server dead is required"), "{}", reply.raw());
    }
    assert_eq!(session.call("fine__echo", r#"{"text":"x"}"#).await.text(), "x", "calls are not lists");
    assert!(!tools_of(&scene.session("/mcp/fine").await).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_known_in_an_earlier_run_is_answered_while_the_servers_start() {
    let folder = Folder::new();
    let gate = folder.write("gate", "");
    let settings = json!({"servers": {
        "slow": gated(&folder, &gate, &line("everything")), "fine": everything("--era modern"),
    }});
    let mut first = folder.started(&settings).await;
    let session = first.client().initialize(LEGACY, CAPABLE).await;
    until_tools(&session, |tools| tools.contains(&"slow__echo".to_owned())).await;
    let known = tools_of(&session).await;
    let opened = session.opening.result()["capabilities"].clone();
    first.terminate(SOON).await;

    // It is slow now, and another one than it was: the truth differs.
    std::fs::remove_file(&gate).expect("closed");
    gated(&folder, &gate, &line("probe"));
    let scene = folder.serve(&settings).await;
    let session = scene.session("/mcp").await;
    let mut stream = session.listen().await;
    let reply = list(&session).await;
    assert_eq!(crate::scene::each(reply.result(), "tools", "name"), known);
    assert!(unavailable(reply.result()).is_empty(), "{}", reply.raw());
    assert_eq!(tools_seen(&scene.modern("/mcp")).await, known);
    assert_eq!(session.opening.result()["capabilities"], opened);
    let alone = scene.session("/mcp/slow").await;
    assert_eq!(alone.opening.result()["serverInfo"]["name"], "everything", "{}", alone.opening.raw());
    assert!(tools_of(&alone).await.contains(&"echo".to_owned()));

    std::fs::write(&gate, "").expect("opened");
    assert_eq!(stream.message(SOON).await.method(), Some(CHANGED));
    let now = tools_of(&session).await;
    assert!(now.contains(&"slow__flood".to_owned()) && !now.contains(&"slow__greet".to_owned()), "{now:?}");
    assert_eq!(session.call("slow__echo", r#"{"text":"x"}"#).await.text(), "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_that_cannot_be_read_is_as_good_as_none() {
    let folder = Folder::new();
    let settings = json!({"servers": {"a": everything(""), "b": everything("--era modern")}});
    let mut first = folder.started(&settings).await;
    let session = first.client().initialize(LEGACY, CAPABLE).await;
    until_tools(&session, |tools| {
        tools.iter().any(|t| t.starts_with("a__")) && tools.iter().any(|t| t.starts_with("b__"))
    })
    .await;
    let known = tools_of(&session).await;
    first.terminate(SOON).await;
    let kept = |name: &str| folder.path("data").join("catalogue").join(name);
    for (name, text) in [("a.json", "{\"form\":\"1\",\"classes\":[{"), ("b.json", "\u{0}\u{1}")] {
        assert!(kept(name).exists(), "{name}");
        std::fs::write(kept(name), text).expect("spoilt");
    }
    let scene = folder.serve(&settings).await;
    assert_eq!(tools_of(&scene.session("/mcp").await).await, known);
    assert!(scene.gateway.stderr().contains("the kept catalogue is not used"), "{}", scene.gateway.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_hear_that_a_server_was_removed_and_calls_say_so() {
    let (_x, x) = scripted(&[("tools/list", &crate::scene::tools(&["only"]))]).await;
    let both = json!({"a": everything(""), "x": x});
    let scene = Scene::of(both).await;
    let session = scene.session("/mcp").await;
    let at_x = scene.session("/mcp/x").await;
    let mut stream = session.listen().await;
    let mut lone = at_x.listen().await;
    let (mut listening, _) = scene.modern("/mcp").listen(r#"{"toolsListChanged":true}"#).await;
    assert!(tools_of(&session).await.contains(&"x__only".to_owned()));
    assert_eq!(tools_of(&at_x).await, ["only"]);
    let under_way = session.open_call("a__slow_compute", r#"{"seconds":0.5}"#);
    let without = json!({"servers": {"a": everything("")}});
    let reloading = scene.reload(&without);
    let (under_way, ()) = tokio::join!(under_way, reloading);
    assert_eq!(under_way.finish().await.text(), "computed for 0.5 s", "other servers are not touched");
    assert_eq!(stream.message(SOON).await.method(), Some(CHANGED));
    assert_eq!(lone.message(SOON).await.method(), Some(CHANGED));
    assert_eq!(listening.message().await.method(), Some(CHANGED));
    let names = tools_of(&session).await;
    assert!(names.iter().all(|name| name.starts_with("a__")), "names keep their form: {names:?}");
    let refused = session.call("x__only", "{}").await;
    assert_eq!(refused.error_code(), Some(-32602), "{}", refused.raw());
    assert_eq!(scene.client("/mcp/x").try_initialize(LEGACY, CAPABLE).await.status, 404);
    let gone = at_x.post(request("9", "tools/list", "")).await;
    assert_eq!(gone.status, 404, "{}", gone.text());
    assert!(gone.text().contains("there is no server or view"), "{}", gone.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_ends_at_the_instance_it_began_at_when_its_server_changes() {
    let folder = Folder::new();
    let servers = json!({"a": folder.journaled("a", ""), "b": everything("")});
    let changed = json!({"servers": {"a": folder.journaled("a", "--pages"), "b": everything("")}});
    let scene = folder.serve(&json!({"servers": servers})).await;
    let session = scene.session("/mcp").await;
    let pid = async || {
        let info: Value = serde_json::from_str(session.call("a__fixture_info", "{}").await.text()).expect("json");
        info["pid"].clone()
    };
    let before = pid().await;
    let under_way = session.open_call("a__slow_compute", r#"{"seconds":1}"#);
    let reloading = async {
        scene.folder.reached("a", |message| message.at("/params/name") == "slow_compute").await;
        scene.reload(&changed).await;
    };
    let (under_way, ()) = tokio::join!(under_way, reloading);
    assert_ne!(pid().await, before, "new calls go to the new one");
    assert_eq!(under_way.finish().await.text(), "computed for 1 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_with_errors_changes_nothing() {
    let scene = Scene::of(json!({"a": everything("")})).await;
    let session = scene.session("/mcp").await;
    let before = tools_of(&session).await;
    scene.folder.write("janua.json", r#"{"servers": {"a": {"comand": "x"}}}"#);
    let said = || async { scene.gateway.stderr().contains("nothing was changed") };
    assert!(eventually_with(SOON, said).await, "{}", scene.gateway.stderr());
    assert_eq!(tools_of(&session).await, before);
}

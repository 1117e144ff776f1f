//! Rows of guMCP's operator: command line, variables, metrics, log; and of session keys, as a server gets them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use janua_testkit::client::Client;
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::gateway::{Builder, Gateway};
use janua_testkit::process::{eventually, eventually_with};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{JSON, PING, SOON, Stage, free_port, plainly, prepared, servers, shell, text};

/// Where other people's software is.
pub(crate) fn cache() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache");
    std::env::var_os("JANUA_CACHE").map_or_else(own, PathBuf::from)
}

/// Puts these of our servers in guMCP's form into the folder `servers` of a folder.
pub(crate) fn put(folder: &TempDir, names: &[&str]) {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/peers/python/folders");
    for name in names {
        let place = folder.path().join("servers").join(name);
        std::fs::create_dir_all(&place).expect("made");
        std::fs::copy(ours.join(name).join("main.py"), place.join("main.py")).expect("copied");
    }
}

/// An interpreter that has what they need.
pub(crate) fn python() -> PathBuf {
    cache().join("py1/bin/python")
}

/// With that interpreter.
pub(crate) fn with_python(builder: Builder) -> Builder {
    builder.env("JANUA_PYTHON", python())
}

/// A gateway of these servers that takes the place of guMCP's, with more words; its metrics are where no other's are.
async fn gumcp(names: &[&str], words: &[&str]) -> Stage {
    let (folder, builder) = prepared();
    put(&folder, names);
    let builder = with_python(builder).env("JANUA_METRICS", "127.0.0.1:0");
    let gateway = builder.args(words).args(&["compat", "gumcp", "--host", "127.0.0.1", "--port", "0"]).start().await;
    Stage { gateway, folder }
}

/// What `whoami` says.
async fn whoami(session: &mut SseSession) -> Value {
    serde_json::from_str(&text(session, "whoami", "{}").await).expect("json")
}

/// A client of the metrics.
async fn metrics(gateway: &Gateway) -> Client {
    let address = || gateway.stderr().lines().find_map(|line| Some(line.trim().strip_suffix("/metrics")?.to_owned()));
    assert!(eventually(SOON, || address().is_some()).await, "no metrics: {}", gateway.stderr());
    Client::new(&address().expect("an address")).deadline(SOON)
}

/// The samples of the two old metrics, by their whole names.
async fn scrape(metrics: &Client) -> BTreeMap<String, f64> {
    let answer = metrics.get("/metrics", &[]).await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let samples = text.lines().filter(|line| line.starts_with("gumcp_"));
    let sample =
        |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().expect("a number")));
    samples.filter_map(sample).collect()
}

#[tokio::test]
async fn gum_09_a_key_is_read_raw_and_escaped() {
    let stage = gumcp(&["whoami"], &[]).await;
    let mut raw = stage.session("/whoami/alice:key1").await;
    let one = whoami(&mut raw).await;
    assert_eq!((&one["user_id"], &one["api_key"]), (&json!("alice"), &json!("key1")));
    let mut escaped = stage.session("/whoami/alice%3Akey1").await;
    assert_eq!(escaped.endpoint.split("/messages").next(), Some("/whoami/alice%3Akey1"));
    let two = whoami(&mut escaped).await;
    assert_eq!((&two["api_key"], &two["instance"], &two["pid"]), (&json!("key1"), &one["instance"], &one["pid"]));
    // Where nobody has to authenticate, the key may come in a header.
    let client = stage.client().header("authorization", "Bearer key1");
    let mut header = SseSession::open_with(client, "/whoami/alice").await;
    header.initialize("2024-11-05", "{}").await;
    assert_eq!(whoami(&mut header).await["pid"], one["pid"]);
    // The newer way of the same user.
    let modern = stage.client().endpoint("/whoami/alice:key1").initialize("2025-11-25", "{}").await;
    let said: Value = serde_json::from_str(modern.call("whoami", "{}").await.text()).expect("json");
    assert_eq!(said["pid"], one["pid"]);
    assert_eq!(modern.delete().await.status, 204);
}

#[tokio::test]
async fn gum_10_further_colons_belong_to_the_key() {
    let stage = gumcp(&["whoami"], &[]).await;
    let said = whoami(&mut stage.session("/whoami/a:b:c").await).await;
    assert_eq!((&said["user_id"], &said["api_key"]), (&json!("a"), &json!("b:c")));
}

#[tokio::test]
async fn gum_11_users_are_decoded_as_the_table_says() {
    let (folder, builder) = prepared();
    put(&folder, &["whoami"]);
    let settings = json!({"servers": {"whoami": {"folder": "servers/whoami", "share": "all"}}});
    std::fs::write(folder.path().join("janua.json"), settings.to_string()).expect("written");
    let gateway = with_python(builder).args(&["serve", "-c", "janua.json", "--port", "0"]).start().await;
    let stage = Stage { gateway, folder };
    let long = "x".repeat(300);
    for (segment, user, key) in [
        ("alice", "alice", None),
        ("alice:key1", "alice", Some("key1")),
        ("alice%3Akey1", "alice", Some("key1")),
        ("a:b:c", "a", Some("b:c")),
        ("u:", "u", None),
        ("al%20ice%40ex.com", "al ice@ex.com", None),
        ("al+ice", "al+ice", None),
        ("%C3%A9milie:cl%C3%A9", "émilie", Some("clé")),
        ("a%252Fb", "a%2Fb", None),
        ("u%2Fv", "u/v", None),
        ("a?b=c", "a", None),
        (long.as_str(), long.as_str(), None),
    ] {
        let said = whoami(&mut stage.session(&format!("/whoami/{segment}")).await).await;
        assert_eq!((&said["user_id"], &said["api_key"]), (&json!(user), &json!(key)), "{segment}");
    }
    let bare = whoami(&mut stage.session("/whoami/u").await).await;
    let colon = whoami(&mut stage.session("/whoami/u:").await).await;
    assert_eq!(bare["instance"], colon["instance"]);
    let longest = "x".repeat(513);
    for (segment, status) in [
        (":k", 400),
        ("..", 400),
        (".", 400),
        ("..%2F..%2Fevil", 400),
        ("a%00b", 400),
        ("a%0Ab", 400),
        ("a%FFb", 400),
        (longest.as_str(), 414),
    ] {
        let answer = stage.client().get(&format!("/whoami/{segment}"), &[]).await;
        assert_eq!(answer.status, status, "{segment}");
    }
}

#[tokio::test]
async fn gum_23_metrics_are_on_port_9091_and_plain() {
    let free = || TcpListener::bind("0.0.0.0:9091").is_ok();
    assert!(eventually(SOON, free).await, "somebody else has the port");
    let (folder, builder) = prepared();
    put(&folder, &["whoami"]);
    let gateway = with_python(builder).args(&["compat", "gumcp", "--port", "0"]).start().await;
    let answer = Client::new("http://127.0.0.1:9091").deadline(SOON).get("/metrics", &[("accept", "*/*")]).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    for line in [
        "# TYPE gumcp_active_connections gauge",
        "# TYPE gumcp_connection_total counter",
        "gumcp_active_connections{server=\"whoami\"} 0",
        "gumcp_connection_total{server=\"whoami\"} 0",
    ] {
        assert!(text.lines().any(|said| said == line), "{line}\n{text}");
    }
    assert!(gateway.stderr().contains(":9091/metrics"), "{}", gateway.stderr());
}

#[tokio::test]
async fn gum_24_the_number_of_streams_is_exact() {
    let stage = Stage::serve(&json!({"servers": servers(), "metrics": "127.0.0.1:0"})).await;
    let scraped = metrics(&stage.gateway).await;
    let name = |what: &str| format!("gumcp_{what}{{server=\"simple-tools-server\"}}");
    let (open, total) = (name("active_connections"), name("connection_total"));
    let is = |wanted: f64, all: f64| {
        let (scraped, open, total) = (&scraped, &open, &total);
        eventually_with(SOON, move || async move {
            let samples = scrape(scraped).await;
            assert!(samples.values().all(|value| *value >= 0.0), "{samples:?}");
            (samples[open] - wanted).abs() < 0.5 && (samples[total] - all).abs() < 0.5
        })
    };
    assert!(is(0.0, 0.0).await);
    let mut streams = Vec::new();
    for user in 0..5 {
        streams.push(stage.stream(&format!("/simple-tools-server/user{user}")).await);
    }
    assert!(is(5.0, 5.0).await);
    streams.clear();
    assert!(is(0.0, 5.0).await);
    let (mut dice, mut opened) = (7_u64, 5.0);
    for _ in 0..100 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match dice >> 62 {
            0 => drop(streams.pop()),
            kind => {
                let path = if kind == 3 { "/simple-tools-server" } else { "/simple-tools-server/user" };
                let client = if kind == 1 { stage.client().resetting() } else { stage.client() };
                streams.push(SseSession::open_with(client, path).await);
                opened += 1.0;
            }
        }
        assert!(scrape(&scraped).await.values().all(|value| *value >= 0.0));
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred at most")]
    let left = streams.len() as f64;
    assert!(is(left, opened).await, "{left} {opened}");
    streams.clear();
    assert!(is(0.0, opened).await);
}

#[tokio::test]
async fn gum_25_a_port_of_metrics_that_is_taken_does_not_keep_it_from_serving() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let (folder, builder) = prepared();
    put(&folder, &["whoami"]);
    let builder = with_python(builder).env("JANUA_METRICS", format!("127.0.0.1:{port}"));
    let gateway = builder.args(&["compat", "gumcp", "--host", "127.0.0.1", "--port", "0"]).start().await;
    assert_eq!(gateway.client().deadline(SOON).get("/", &[]).await.status, 200);
    let said = gateway.stderr();
    assert!(said.contains("metrics are not served") && said.contains(&port.to_string()), "{said}");
    // The port for clients is another matter.
    let (folder, builder) = prepared();
    put(&folder, &["whoami"]);
    let words = ["compat", "gumcp", "--host", "127.0.0.1", "--port", &port.to_string()];
    let fault =
        with_python(builder).env("JANUA_METRICS", "127.0.0.1:0").args(&words).try_start().await.expect_err("taken");
    assert_eq!(fault.status.and_then(|status| status.code()), Some(1));
    assert!(fault.stderr.contains(&port.to_string()), "{fault}");
    assert!(TcpStream::connect(taken.local_addr().expect("its address")).is_ok(), "nobody was killed");
}

/// Whether something listens there.
fn listens(address: &str, port: u16) -> bool {
    let address: SocketAddr = format!("{address}:{port}").parse().expect("an address");
    TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn gum_26_host_and_port_are_flags() {
    for (host, elsewhere) in [(Some("127.0.0.1"), false), (None, true)] {
        let port = free_port();
        let (folder, builder) = prepared();
        put(&folder, &["whoami"]);
        let mut words = vec!["compat".to_owned(), "gumcp".to_owned(), "--port".to_owned(), port.to_string()];
        words.extend(host.into_iter().flat_map(|host| ["--host".to_owned(), host.to_owned()]));
        let builder = with_python(builder).env("JANUA_METRICS", "127.0.0.1:0");
        let gateway = builder.args(&words).start().await;
        assert_eq!(gateway.base(), format!("http://127.0.0.1:{port}"));
        assert!(listens("127.0.0.1", port));
        assert_eq!(listens("127.0.0.2", port), elsewhere, "{host:?}");
        assert_eq!(gateway.stderr().contains("WARNING: listening on 0.0.0.0"), elsewhere);
    }
}

#[tokio::test]
async fn gum_27_host_and_port_are_variables_too() {
    for (command, file) in [("compat gumcp", false), ("compat gumcp --env-file .env", true), ("serve", false)] {
        let port = free_port();
        let (folder, builder) = shell();
        put(&folder, &["whoami"]);
        let mut builder = with_python(builder).env("JANUA_METRICS", "127.0.0.1:0");
        if file {
            let text = format!("# where to listen\nGUMCP_HOST=127.0.0.1\nexport GUMCP_PORT=\"{port}\"\n");
            std::fs::write(folder.path().join(".env"), text).expect("written");
        } else {
            builder = builder.env("GUMCP_HOST", "127.0.0.1").env("GUMCP_PORT", port.to_string());
        }
        let gateway = plainly(builder, command).start().await;
        assert_eq!(gateway.base(), format!("http://127.0.0.1:{port}"), "{command}");
        assert!(listens("127.0.0.1", port) && !listens("127.0.0.2", port), "{command}");
    }
}

#[tokio::test]
async fn gum_39_the_log_says_what_is_there_and_who_comes_and_goes() {
    let stage = gumcp(&["whoami", "broken"], &[]).await;
    let mut session = stage.session("/whoami/alice:SECRETKEY123").await;
    whoami(&mut session).await;
    drop(session);
    let facts: [&[&str]; 6] = [
        &["discovered 2 servers"],
        &["server loaded", "server=\"whoami\""],
        &["server not served", "server=\"broken\"", "ModuleNotFoundError"],
        &["new SSE connection requested", "server=\"whoami\"", "user=\"alice\""],
        &["SSE connection established", "server=\"whoami\"", "user=\"alice\"", "session="],
        &["closed SSE connection", "server=\"whoami\"", "user=\"alice\"", "session="],
    ];
    for words in facts {
        let said = || stage.gateway.stderr().lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(eventually(SOON, said).await, "{words:?}\n{}", stage.gateway.stderr());
    }
}

/// All files below a folder, as one text.
fn written(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&written(&path));
        } else {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).expect("read")));
        }
    }
    all
}

#[tokio::test]
async fn gum_40_a_key_is_never_written_down() {
    const KEY: &str = "SECRETKEY123";
    for level in ["error", "warn", "info", "debug", "trace", "verbose"] {
        let stage = gumcp(&["whoami"], &["--log-level", level]).await;
        let path = format!("/whoami/alice:{KEY}");
        let mut session = stage.session(&path).await;
        assert_eq!(whoami(&mut session).await["api_key"], KEY);
        let mut shown = String::new();
        for (target, body) in [(session.target.clone(), "{bad"), (format!("{path}/messages/?session_id=zzz"), PING)] {
            let answer = stage.client().post(&target, body, &JSON).await;
            assert!(answer.status.is_client_error());
            shown.push_str(&answer.text());
        }
        for page in ["/", "/health", "/admin/v1/status", "/admin/v1/servers", "/admin/v1/servers/whoami"] {
            shown.push_str(&stage.client().get(page, &[]).await.text());
        }
        shown.push_str(&metrics(&stage.gateway).await.get("/metrics", &[]).await.text());
        drop(session);
        stage.until_status(&format!("{path}/messages/?session_id={}", crate::stage::NOBODY), 404).await;
        shown.push_str(&written(&stage.path("data")));
        shown.push_str(&stage.gateway.stderr());
        assert!(!shown.contains(KEY), "{level}: {shown}");
        if level == "verbose" {
            assert!(shown.contains("***"), "the message with the key is shown, without it: {shown}");
        }
    }
}

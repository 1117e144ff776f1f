//! Flags, variables, and words that belong to the server.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::{self, Builder};
use janua_testkit::process::{self, eventually};
use rustix::process::Signal;
use serde_json::json;

use crate::started::{JANUA, LONG, info, pid, probe, session, tool};

#[tokio::test]
async fn shp_22_flags_and_their_defaults() {
    let shown = run(&["--help"]);
    for part in ["--host", "127.0.0.1", "--port", "3000", "--timeout", "300", "--log-level", "info"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let gateway = probe(&[]).await;
    let port = gateway.authority().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert_eq!(listening(port), ["127.0.0.1"]);
    let open = probe(&["--host", "0.0.0.0"]).await;
    let port = open.authority().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert_eq!(listening(port), ["0.0.0.0"]);
    assert!(open.stderr().contains("WARNING: listening on 0.0.0.0 without authentication"), "{}", open.stderr());
    assert!(!gateway.stderr().contains("WARNING"), "{}", gateway.stderr());
    session(&open).await;
}

/// Whoever holds the default port at the moment, what is said of it tells that it was tried.
#[tokio::test]
async fn shp_22_the_default_port() {
    let mut command = tokio::process::Command::new(JANUA);
    command.args(["compat", "mcp-streamablehttp-proxy"]).arg(gateway::program("probe")).env_remove("MCP_PORT");
    let started = StdioClient::start_command(command);
    assert!(eventually(LONG, || started.stderr().contains("127.0.0.1:3000")).await, "{}", started.stderr());
    started.signal(Signal::TERM);
    assert!(process::wait_gone(started.pid(), LONG).await);
}

#[tokio::test]
async fn shp_22_log_levels() {
    for (level, told) in [("debug", true), ("info", true), ("warning", false), ("error", false)] {
        let gateway = probe(&["--log-level", level]).await;
        session(&gateway).await.delete().await;
        let ended = || gateway.stderr().contains("session opened") && gateway.stderr().contains("session ended");
        if told {
            assert!(eventually(LONG, ended).await, "{level}: {}", gateway.stderr());
        } else {
            assert!(!gateway.stderr().contains("session"), "{level}: {}", gateway.stderr());
        }
    }
}

#[tokio::test]
async fn shp_22_a_wrong_line_is_explained() {
    for words in [&["--port", "1"][..], &["--nothing", "x"], &["--port", "x", "y"], &["--log-level", "loud", "y"]] {
        let output =
            std::process::Command::new(JANUA).args(["compat", "mcp-streamablehttp-proxy"]).args(words).output();
        let output = output.expect("run janua");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        let explained = said.starts_with("janua: ") || said.starts_with("error: ");
        assert!(explained && output.stdout.is_empty(), "{said}");
    }
}

#[tokio::test]
async fn shp_23_the_host_from_the_environment() {
    let cases = [
        (&[("MCP_BIND_HOST", "127.0.0.2")][..], "127.0.0.2"),
        (&[("MCP_PROXY_HOST", "127.0.0.3"), ("MCP_BIND_HOST", "127.0.0.2")], "127.0.0.3"),
        (&[("MCP_PROXY_HOST", "localhost")], "127.0.0.1"),
    ];
    for (variables, host) in cases {
        let gateway = with(tool().args(&["--port", "0"]).arg(gateway::program("probe")), variables).start().await;
        let bare = gateway.authority().rsplit_once(':').map(|(bare, _)| bare);
        // The name may stand for the other loopback address.
        assert!(bare == Some(host) || bare == Some("[::1]"), "{variables:?}: {}", gateway.base());
        assert_eq!(session(&gateway).await.call("echo", r#"{"text":"hi"}"#).await.text(), "hi");
    }
    let flag = tool().args(&["--port", "0", "--host", "127.0.0.1"]).arg(gateway::program("probe"));
    let flag = flag.env("MCP_PROXY_HOST", "127.0.0.3").start().await;
    assert!(flag.base().starts_with("http://127.0.0.1:"), "a flag comes before the environment");
}

#[tokio::test]
async fn shp_23_the_port_from_the_environment() {
    for (name, other) in [("MCP_PROXY_PORT", "MCP_PORT"), ("MCP_PORT", "MCP_OTHER")] {
        let mut started = None;
        // Somebody may take the port before the proxy does.
        for _ in 0..5 {
            let port = free_port();
            // The word of the server keeps the builder from choosing a port.
            let builder = tool().arg(gateway::program("probe")).args(&["--port", "1"]);
            if let Ok(gateway) = builder.env(name, port.to_string()).env(other, "1").try_start().await {
                assert!(gateway.base().ends_with(&format!(":{port}")), "{name}: {}", gateway.base());
                started = Some(gateway);
                break;
            }
        }
        session(&started.expect("a port was free")).await;
    }
    let wrong = tool().arg(gateway::program("probe")).args(&["--port", "1"]).env("MCP_PROXY_PORT", "many");
    let fault = wrong.try_start().await.expect_err("no port");
    assert_eq!(fault.status.and_then(|status| status.code()), Some(2), "{fault}");
    assert!(fault.stderr.contains("MCP_PROXY_PORT"), "{fault}");
}

#[tokio::test]
async fn shp_23_the_timeout_from_the_environment() {
    let gateway = with(tool().args(&["--port", "0"]).arg(gateway::program("probe")), &[("MCP_PROXY_TIMEOUT", "2")]);
    let gateway = gateway.start().await;
    let session = session(&gateway).await;
    let used = Instant::now();
    let server = pid(&session).await;
    assert!(process::wait_gone(server, LONG).await);
    assert!(used.elapsed() >= Duration::from_secs(2), "{:?}", used.elapsed());
}

#[tokio::test]
async fn shp_23_the_log_from_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |variables: &[(&str, &str)]| {
        let builder = tool().args(&["--port", "0"]).arg(gateway::program("probe")).folder(folder.path());
        with(builder, variables).start()
    };
    let quiet = start(&[("MCP_PROXY_LOG_LEVEL", "error")]).await;
    session(&quiet).await.delete().await;
    assert!(!quiet.stderr().contains("session"), "{}", quiet.stderr());
    let nested = folder.path().join("logs/of/proxy.log");
    for (name, path) in [(nested.to_str().expect("text"), &nested), ("bare.log", &folder.path().join("bare.log"))] {
        let logging = start(&[("LOG_FILE", name), ("MCP_PROXY_LOG_LEVEL", "info")]).await;
        session(&logging).await;
        let written = || std::fs::read_to_string(path).is_ok_and(|text| text.contains("session opened"));
        assert!(eventually(LONG, written).await, "{name}: {}", logging.stderr());
    }
}

#[tokio::test]
async fn shp_24_words_of_the_server_are_its_own() {
    let words =
        ["--alpha", "1", "pos", "--port", "9999", "--host", "nowhere", "--", "-x", "--help", "--log-level=loud"];
    for dashes in [&[][..], &["--"]] {
        let builder = tool().args(&["--port", "0"]).args(dashes).arg(gateway::program("probe")).args(&words);
        let gateway = builder.env("PROBE_X", "passed on").start().await;
        assert!(!gateway.base().ends_with(":9999"), "the listener moved: {}", gateway.base());
        let info = info(&session(&gateway).await).await;
        assert_eq!((&info["argv"], &info["probe_env"]), (&json!(words), &json!({"PROBE_X": "passed on"})));
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(info["cwd"].as_str(), here.to_str());
    }
}

fn with(builder: Builder, variables: &[(&str, &str)]) -> Builder {
    variables.iter().fold(builder, |builder, (name, value)| builder.env(name, value))
}

/// What the tool prints when it does not stay.
fn run(words: &[&str]) -> String {
    let output = std::process::Command::new(JANUA).args(["compat", "mcp-streamablehttp-proxy"]).args(words).output();
    let output = output.expect("run janua");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The IPv4 addresses somebody listens on at this port, as the kernel has them.
fn listening(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the table of sockets");
    let wanted = format!(":{port:04X}");
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = fields.filter(|fields| fields.len() > 3 && fields[1].ends_with(&wanted) && fields[3] == LISTEN);
    ours.map(|fields| {
        let hex = fields[1].trim_end_matches(&wanted);
        let number = u32::from_str_radix(hex, 16).expect("an address in hexadecimal");
        Ipv4Addr::from(number.to_ne_bytes()).to_string()
    })
    .collect()
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("its address").port()
}

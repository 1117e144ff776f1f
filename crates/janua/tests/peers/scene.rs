//! A gateway with a server behind it, in each way there is, and several tours at once.

use std::fmt;
use std::time::Duration;

use janua_testkit::gateway::Gateway;
use janua_testkit::peers::{Served, Transport};
use janua_testkit::process;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub(crate) use crate::tour::Outcome;

pub(crate) const JANUA: &str = env!("CARGO_BIN_EXE_janua");
/// A deadline that only a broken machine misses.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// So many tours at once: most of one is waiting for other processes, but these need the machine to start.
static TOURS: Semaphore = Semaphore::const_new(5);

/// How a client reaches a server through Janua.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Streamable HTTP to `janua proxy`, which starts the server.
    Proxy,
    /// Streamable HTTP to `janua proxy` with the server's address.
    ProxyUrl,
    /// `janua connect`, which starts the server.
    Connect,
    /// `janua connect` with the server's address.
    ConnectUrl,
}

/// What a client connects to, and what has to live as long as it does.
pub(crate) struct Reached {
    pub(crate) transport: Transport,
    _gateway: Option<Gateway>,
    _server: Option<Served>,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Proxy, Self::ProxyUrl, Self::Connect, Self::ConnectUrl];

    pub(crate) fn is_remote(self) -> bool {
        matches!(self, Self::ProxyUrl | Self::ConnectUrl)
    }

    /// A gateway of its own, with `options`, to the server that `command` starts or that is `served`.
    pub(crate) async fn to(self, options: &[&str], command: Vec<String>, served: Option<Served>) -> Reached {
        let mut words: Vec<String> = options.iter().map(|&word| word.to_owned()).collect();
        match &served {
            Some(server) => words.push(server.url().to_owned()),
            None => words.extend(self::command(command)),
        }
        if matches!(self, Self::Connect | Self::ConnectUrl) {
            return Reached { transport: connect(&words), _gateway: None, _server: served };
        }
        let gateway = proxy(&words).await;
        let transport = Transport::Http(format!("{}/mcp", address(&gateway).await));
        Reached { transport, _gateway: Some(gateway), _server: served }
    }
}

/// `janua proxy` with these further words.
pub(crate) async fn proxy(words: &[String]) -> Gateway {
    Gateway::builder(JANUA).args(&["proxy", "--port", "0"]).args(words).start().await
}

/// A server's command behind the double dash.
pub(crate) fn command(words: Vec<String>) -> Vec<String> {
    std::iter::once("--".to_owned()).chain(words).collect()
}

/// `janua connect` with these further words, as a client starts it.
pub(crate) fn connect(words: &[String]) -> Transport {
    let line = [JANUA.to_owned(), "connect".to_owned()].into_iter();
    Transport::Stdio(line.chain(words.iter().cloned()).collect())
}

/// Runs them side by side, to the end also if some fail.
pub(crate) async fn all<T>(tours: impl IntoIterator<Item = T>) -> Outcome
where
    T: Future<Output = Outcome> + Send + 'static,
{
    let mut running = JoinSet::new();
    for tour in tours {
        running.spawn(async move {
            let _turn = TOURS.acquire().await?;
            tour.await
        });
    }
    let (mut failures, mut count) = (Vec::new(), 0);
    while let Some(done) = running.join_next().await {
        count += 1;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failures.push(error.to_string()),
            // What it said when it panicked stands above.
            Err(panicked) => failures.push(panicked.to_string()),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Box::new(Failed { failures, count })) }
}

/// The tours that failed. What is shown of a failed test is its end, so that is where each has its line.
struct Failed {
    failures: Vec<String>,
    count: usize,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.failures.join("\n"))?;
        write!(f, "{} of {} tours failed:", self.failures.len(), self.count)?;
        let first = |failure: &String| failure.lines().next().unwrap_or_default().to_owned();
        self.failures.iter().try_for_each(|failure| write!(f, "\n  {}", first(failure)))
    }
}

// The harness shows the error a test returns in this form.
impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failed {}

/// The command lines of the servers below a gateway; what watches over them is part of Janua.
pub(crate) fn servers(gateway: &Gateway) -> Vec<Vec<String>> {
    let lines = process::children(gateway.pid()).into_iter().map(process::cmdline);
    lines.filter(|words| words.first().is_none_or(|program| program != JANUA)).collect()
}

/// Every client has gone, so nothing may be left of their servers.
pub(crate) async fn empty(gateway: &Gateway) {
    let gone = process::eventually(LONG, || servers(gateway).is_empty()).await;
    assert!(gone, "the clients are gone, and these go on: {:?}", servers(gateway));
}

/// Where a gateway listens that names the address of another server before its own.
pub(crate) async fn address(gateway: &Gateway) -> String {
    let mut base = None;
    let told = process::eventually(LONG, || {
        let text = gateway.stderr();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Streamable HTTP"));
        base = line.and_then(|line| line.trim().strip_suffix("/mcp")).map(str::to_owned);
        base.is_some()
    });
    assert!(told.await, "{}", gateway.stderr());
    base.expect("just seen")
}

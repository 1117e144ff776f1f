//! A server of somebody's own, made to be difficult.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use janua::proxy::{self, Options, Proxy};
use janua::server::{About, Answer, Error, Exchange, Json, Object, Server, Serves, Tool, ToolResult, UserContext};
use janua_testkit::client::Client;
use tokio::sync::Notify;

/// So many calls of it may be under way.
pub(crate) const MOST: usize = 32;

/// What the tests see of it from outside.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls of `hang` that have begun.
    pub(crate) hanging: AtomicU64,
    /// Futures of `hang` that were dropped.
    pub(crate) dropped: AtomicU64,
    /// Tasks of `hang` that learnt that their call is over.
    pub(crate) told: AtomicU64,
    /// Wakes whoever waits for one of these.
    pub(crate) changed: Notify,
}

/// One instance.
pub(crate) struct Difficult {
    pub(crate) user: UserContext,
    pub(crate) seen: Arc<Seen>,
}

/// Counts when it is dropped.
struct Dropped(Arc<Seen>);

/// Panics when it is dropped.
struct Bomb;

/// A proxy of it, and a client of that.
pub(crate) async fn start() -> (Proxy, Client, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let given = seen.clone();
    let make = move |user| Difficult { user, seen: given.clone() };
    let mut options = Options::in_process("difficult", make).port(0);
    options.limits.server_requests = MOST;
    let proxy = proxy::start(options).await.expect("a free port");
    let client = Client::new(&format!("http://{}/mcp", proxy.address()));
    (proxy, client, seen)
}

impl Seen {
    /// Waits until `count` says yes.
    pub(crate) async fn until(&self, what: &str, count: impl Fn(&Seen) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if count(self) {
                    return;
                }
                changed.await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "{what}");
    }

    fn count(&self, which: &AtomicU64) {
        which.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.count(&self.0.dropped);
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl Server for Difficult {
    fn about(&self) -> About {
        About::new("difficult", "1").tools().logging().capability("experimental", Object::new())
    }

    async fn tools(&self, _: &Exchange) -> Result<Vec<Tool>, Error> {
        Ok(vec![Tool::new("broken", "Its schema is no JSON", "{")])
    }

    async fn call(&self, tool: &str, arguments: Json, exchange: &Exchange) -> Result<ToolResult, Error> {
        Ok(match tool {
            "echo" => ToolResult::text(&arguments.string("text")?),
            "panic" => panic!("on purpose"),
            "panic-later" => {
                tokio::task::yield_now().await;
                panic!("on purpose");
            }
            "bomb" => {
                let _bomb = Bomb;
                self.hang(exchange).await
            }
            "hang" => self.hang(exchange).await,
            "who" => {
                let serves = if self.user.serves() == Serves::Session { "session" } else { "class" };
                let said = Object::new().put("instance", self.user.instance()).put("serves", serves);
                ToolResult::structured(said.put("client", self.user.client().clone()))
            }
            "ask" => match exchange.elicit("Well?", r#"{"type":"object","properties":{}}"#).await? {
                Answer::Accepted(form) => ToolResult::structured(form),
                answer => ToolResult::text(&format!("{answer:?}")),
            },
            "ask-briefly" => {
                let asking = exchange.elicit("Quick?", r#"{"type":"object","properties":{}}"#);
                let said = tokio::time::timeout(Duration::from_millis(200), asking).await;
                ToolResult::text(if said.is_err() { "too late" } else { "in time" })
            }
            "ask-strangely" => ToolResult::structured(exchange.ask("tools/list", Object::new()).await?),
            "flood" => {
                for step in 0..20_000 {
                    exchange.progress(f64::from(step), None, None).await;
                }
                ToolResult::text("flooded")
            }
            other => return Err(Error::no_tool(other)),
        })
    }

    async fn other(&self, method: &str, params: Json, _: &Exchange) -> Result<Json, Error> {
        match method {
            "acme/mirror" => Ok(params),
            "acme/number" => Ok(7.into()),
            "acme/error" => Err(Error::Rpc { code: 42, message: "no".to_owned(), data: Some(true.into()) }),
            _ => Err(Error::no_method(method)),
        }
    }

    fn notified(&self, method: &str, _: Json) {
        assert_ne!(method, "acme/panic", "on purpose");
    }
}

impl Difficult {
    /// Never ends, and says when it does.
    async fn hang(&self, exchange: &Exchange) -> ToolResult {
        let (seen, watched) = (self.seen.clone(), exchange.clone());
        #[expect(clippy::disallowed_methods, reason = "a server may have tasks of its own")]
        tokio::spawn(async move {
            watched.over().await;
            seen.count(&seen.told);
        });
        let _dropped = Dropped(self.seen.clone());
        self.seen.count(&self.seen.hanging);
        std::future::pending().await
    }
}

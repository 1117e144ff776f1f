//! Servers in this process: the trait they are written with, and the names they are found under.
//!
//! A server is a type that implements [`Server`]; a [`Factory`] makes an instance of it for whoever comes, and
//! [`Factories`] keeps them by name. It speaks to no transport and knows no revision: every client edge reaches it, in
//! both eras.
//!
//! ```
//! use janua::proxy::Options;
//! use janua::server::{About, Error, Exchange, Json, Server, Tool, ToolResult};
//!
//! struct Greeter;
//!
//! impl Server for Greeter {
//!     fn about(&self) -> About {
//!         About::new("greeter", "1.0.0").tools()
//!     }
//!
//!     async fn tools(&self, _: &Exchange) -> Result<Vec<Tool>, Error> {
//!         let schema = r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
//!         Ok(vec![Tool::new("greet", "Greets somebody", schema)])
//!     }
//!
//!     async fn call(&self, tool: &str, arguments: Json, _: &Exchange) -> Result<ToolResult, Error> {
//!         match tool {
//!             "greet" => Ok(ToolResult::text(&format!("Hello, {}!", arguments.string("name")?))),
//!             _ => Err(Error::no_tool(tool)),
//!         }
//!     }
//! }
//!
//! let options = Options::in_process("greeter", |_| Greeter).port(8080);
//! # let _ = options;
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::servers::{Connection, Opener, Opening, Refusal};
use crate::tasks::Tasks;

mod answering;
mod exchange;
mod instance;
mod json;
mod shapes;
mod user;

pub use exchange::{Answer, Exchange, Level, Root};
pub use json::{Json, Object};
pub use shapes::{About, Argued, Completing, Contents, Prompt, PromptResult, Resource, Template, Tool, ToolResult};
pub use user::{News, Serves, UserContext};

/// A server in this process: one instance of it, made by a [`Factory`] for one client or for several.
///
/// Every method but [`Server::about`] has a default that fits a server without the thing. Futures are dropped when
/// nobody waits for them any more; a panic is an error of that call alone. They run on the gateway's runtime: work that
/// blocks belongs into `tokio::task::spawn_blocking`.
pub trait Server: Send + Sync + 'static {
    /// Who it is and what it offers; asked once for an instance.
    fn about(&self) -> About;

    /// Its tools (`tools/list`).
    fn tools(&self, exchange: &Exchange) -> impl Future<Output = Result<Vec<Tool>, Error>> + Send {
        let _ = exchange;
        ready(Ok(Vec::new()))
    }

    /// Calls a tool (`tools/call`). `arguments` is an object; it was not held against the tool's schema.
    fn call(
        &self,
        tool: &str,
        arguments: Json,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<ToolResult, Error>> + Send {
        let _ = (arguments, exchange);
        ready(Err(Error::no_tool(tool)))
    }

    /// Its prompts (`prompts/list`).
    fn prompts(&self, exchange: &Exchange) -> impl Future<Output = Result<Vec<Prompt>, Error>> + Send {
        let _ = exchange;
        ready(Ok(Vec::new()))
    }

    /// Gives a prompt (`prompts/get`).
    fn prompt(
        &self,
        name: &str,
        arguments: Json,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<PromptResult, Error>> + Send {
        let _ = (arguments, exchange);
        ready(Err(Error::no_prompt(name)))
    }

    /// Its resources (`resources/list`).
    fn resources(&self, exchange: &Exchange) -> impl Future<Output = Result<Vec<Resource>, Error>> + Send {
        let _ = exchange;
        ready(Ok(Vec::new()))
    }

    /// Its templates of resources (`resources/templates/list`).
    fn templates(&self, exchange: &Exchange) -> impl Future<Output = Result<Vec<Template>, Error>> + Send {
        let _ = exchange;
        ready(Ok(Vec::new()))
    }

    /// Reads a resource (`resources/read`).
    fn read(&self, uri: &str, exchange: &Exchange) -> impl Future<Output = Result<Vec<Contents>, Error>> + Send {
        let _ = exchange;
        ready(Err(Error::no_resource(uri)))
    }

    /// Whether changes of a resource can be told (`resources/subscribe`); which are watched is remembered for it, see
    /// [`News::resource_updated`].
    fn watch(&self, uri: &str, exchange: &Exchange) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (uri, exchange);
        ready(Ok(()))
    }

    /// Completes an argument (`completion/complete`): what it could be, the best first.
    fn complete(
        &self,
        completing: Completing,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send {
        let _ = (completing, exchange);
        ready(Ok(Vec::new()))
    }

    /// Answers any other method with its `result`, an object.
    fn other(
        &self,
        method: &str,
        params: Json,
        exchange: &Exchange,
    ) -> impl Future<Output = Result<Json, Error>> + Send {
        let _ = (params, exchange);
        ready(Err(Error::no_method(method)))
    }

    /// Hears a client's notification. It must not block.
    fn notified(&self, method: &str, params: Json) {
        let _ = (method, params);
    }
}

/// Why a server in this process does not answer as it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The tool failed, and the model shall read why; outside `tools/call` an internal error.
    Tool(String),
    /// A JSON-RPC error.
    Rpc {
        /// Its code.
        code: i32,
        /// Its message.
        message: String,
        /// Its data.
        data: Option<Json>,
    },
}

/// Makes the instances of one server. Clones are handles to the same.
#[derive(Clone)]
pub struct Factory(Arc<dyn Make>);

/// The servers of this process, by name.
#[derive(Clone, Debug)]
pub struct Factories(BTreeMap<String, Factory>);

/// What opens a link to a new instance.
pub(crate) trait Make: Send + Sync {
    /// Makes the instance and opens it.
    fn open(&self, opening: Opening, site: &Site) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>>;
}

/// What an instance finds where it is made.
#[cfg_attr(not(feature = "rmcp"), expect(dead_code, reason = "servers written with rmcp need a task and a queue"))]
pub(crate) struct Site {
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: Tasks,
}

impl Factory {
    /// Instances that `make` makes, one for each client's session or for clients that share one.
    pub fn new<S: Server>(make: impl Fn(UserContext) -> S + Send + Sync + 'static) -> Self {
        Factory(Arc::new(instance::Making(make)))
    }

    /// Instances that are opened in another way.
    #[cfg(feature = "rmcp")]
    pub(crate) fn of(make: impl Make + 'static) -> Self {
        Factory(Arc::new(make))
    }
}

impl Factory {
    /// Opens a link to a new instance.
    pub(crate) fn open(
        &self,
        opening: Opening,
        site: &Site,
    ) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        self.0.open(opening, site)
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Factory")
    }
}

impl Factories {
    /// No servers at all.
    pub fn none() -> Self {
        Factories(BTreeMap::new())
    }

    /// The servers that Janua brings along, to try things with: `everything` and `simple-tools-server`.
    pub fn built_in() -> Self {
        super::demo::factories()
    }

    /// The same with one more server. One that had the name before gives way.
    #[must_use]
    pub fn with(mut self, name: &str, factory: Factory) -> Self {
        self.0.insert(name.to_owned(), factory);
        self
    }

    /// The server of that name.
    pub fn get(&self, name: &str) -> Option<&Factory> {
        self.0.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Opens instances of the server `name`. If there is none, every start fails and says which there are.
    pub(crate) fn opener(&self, name: &str, site: Site) -> InProcess {
        let factory = self.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.names().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::new(Kind::StartFailed, format!("this program has no server {name:?}; it has: {known}"))
        });
        InProcess { factory, site }
    }
}

impl Default for Factories {
    /// Those that are built in.
    fn default() -> Self {
        Factories::built_in()
    }
}

/// Opens instances of one server of this process.
pub(crate) struct InProcess {
    factory: Result<Factory, Failure>,
    site: Site,
}

impl Opener for InProcess {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        match &self.factory {
            Ok(factory) => factory.open(opening, &self.site),
            Err(failure) => ready(Err(failure.clone().into())).boxed(),
        }
    }
}

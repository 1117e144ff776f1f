//! Servers that an OpenAPI document describes: its operations are tools, and a call is a request to the API.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, COOKIE};
use http::{HeaderName, HeaderValue, Method};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use url::Url;

use super::http_client::{Ended, Outgoing, Target, read, read_aside};
use super::in_process::{About, Error, Exchange, Factory, Json, Server, Site, Tool, ToolResult};
use super::{Connection, Opener, Opening, Refusal};
use crate::config::{Limits, OpenApiServer, OpenApiSource, RemoteServer, RemoteTransport, ToolRules};
use crate::error::{Failure, Kind};
use crate::tasks::Tasks;

mod answer;
mod body;
mod calling;
mod document;
mod operation;
mod percent;
mod reading;
mod schema;
mod slots;
mod style;
mod swagger;

use document::{Document, LARGEST, too_large};
use operation::{Operation, shortened};
use reading::{Instructions, Read};
use slots::Fixed;

/// Operations that cannot be offered are logged one by one up to so many.
const MANY: usize = 50;
/// Longest text that tells models how to use the API, in characters.
const LONGEST: usize = 4000;

/// Opens links to one API. Its document is read when it is needed first, and once.
pub(crate) struct OpenApiOpener(Arc<Described>);

/// One API as it is configured.
struct Described {
    name: String,
    server: OpenApiServer,
    rules: ToolRules,
    limits: Arc<Limits>,
    tasks: Tasks,
    api: OnceCell<Arc<Api>>,
}

/// An API that was read.
struct Api {
    title: String,
    version: String,
    description: Option<String>,
    operations: Vec<Operation>,
    target: Target,
    base: Url,
    /// Headers that the configuration sets, and parameters.
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<(String, String)>,
    /// Largest answer.
    limit: usize,
}

impl OpenApiOpener {
    /// The API of the server `name`; of its operations those that `rules` show.
    pub(crate) fn new(
        name: &str,
        server: &OpenApiServer,
        rules: &ToolRules,
        limits: Arc<Limits>,
        tasks: Tasks,
    ) -> Self {
        let (name, server, rules) = (name.to_owned(), server.clone(), rules.clone());
        OpenApiOpener(Arc::new(Described { name, server, rules, limits, tasks, api: OnceCell::new() }))
    }
}

impl Opener for OpenApiOpener {
    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Connection>, Refusal>> {
        let described = self.0.clone();
        async move {
            let api = described.api.get_or_try_init(|| described.load()).await?.clone();
            let site = Site { limits: described.limits.clone(), tasks: described.tasks.clone() };
            Factory::new(move |_| Calling(api.clone())).open(opening, &site).await
        }
        .boxed()
    }
}

impl Described {
    async fn load(&self) -> Result<Arc<Api>, Failure> {
        let source = self.server.source.name();
        let failed = |why: String| Failure::new(Kind::StartFailed, format!("the OpenAPI document {source}: {why}"));
        let fetched = timeout(self.limits.start, self.text()).await;
        let text = fetched.map_err(|_| failed("it did not come in time".to_owned()))?.map_err(failed)?;
        let (server, rules) = (self.server.clone(), self.rules.clone());
        let reading = Tasks::blocking(move || understood(&text, &server, &rules)).await;
        let read = reading.unwrap_or_else(|| Err("reading it was interrupted".to_owned())).map_err(failed)?;
        self.tell(&read);
        let reach = RemoteServer {
            url: read.base.clone(),
            headers: self.server.headers.clone(),
            transport: RemoteTransport::Http,
            allow_private: self.may_be_private(&read.base),
        };
        Ok(Arc::new(Api {
            title: read.title,
            version: read.version,
            description: read.description,
            operations: read.operations,
            target: Target::new(&reach)?,
            base: read.base,
            headers: self.server.headers.clone(),
            query: self.server.query.clone(),
            limit: self.limits.server_message,
        }))
    }

    /// The document's text. The error says why it cannot be had.
    async fn text(&self) -> Result<Vec<u8>, String> {
        let url = match &self.server.source {
            OpenApiSource::File(file) => {
                let about =
                    tokio::fs::metadata(&file.path).await.map_err(|error| format!("it cannot be read: {error}"))?;
                if !about.is_file() || about.len() > LARGEST as u64 {
                    return Err(if about.is_file() { too_large() } else { "it is no file".to_owned() });
                }
                return tokio::fs::read(&file.path).await.map_err(|error| format!("it cannot be read: {error}"));
            }
            OpenApiSource::Url(url) => url,
        };
        // Credentials are for the API; they go to where the document is only if the configuration says that it is there.
        let is_there = self.server.base_url.as_ref().is_some_and(|base| base.origin() == url.origin());
        let reach = RemoteServer {
            url: url.clone(),
            headers: if is_there { self.server.headers.clone() } else { Vec::new() },
            transport: RemoteTransport::Http,
            allow_private: self.server.allow_private.unwrap_or(true),
        };
        let target = Target::new(&reach).map_err(|failure| failure.to_string())?;
        let accept = HeaderValue::from_static("application/json, application/yaml, */*;q=0.5");
        let request = Outgoing::bare(Method::GET, target.url().clone()).header(ACCEPT, accept);
        let mut response = target.send(&request).await.map_err(|failure| failure.to_string())?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            read_aside(&mut response).await;
            return Err(format!("its server answered with HTTP {status}"));
        }
        let text = read(&mut response, LARGEST).await.map_err(|ended| match ended {
            Ended::TooLarge => too_large(),
            Ended::Broken(why) => format!("it broke off: {why}"),
            Ended::Closed => "it broke off".to_owned(),
        })?;
        Ok(text.to_vec())
    }

    /// Whether the API may have an address that is not public. One that an operator has named may; one that only a
    /// document from elsewhere names may not, unless the configuration says so.
    fn may_be_private(&self, base: &Url) -> bool {
        self.server.allow_private.unwrap_or_else(|| match &self.server.source {
            OpenApiSource::File(_) => true,
            OpenApiSource::Url(url) => self.server.base_url.is_some() || url.origin() == base.origin(),
        })
    }

    fn tell(&self, read: &Read) {
        let (tools, left_out, hidden) = (read.operations.len(), read.left_out.len(), read.unwanted);
        let api = read.base.origin().ascii_serialization();
        tracing::info!(server = self.name, api, tools, left_out, hidden, "OpenAPI document read");
        for (operation, reason) in read.left_out.iter().take(MANY) {
            tracing::warn!(server = self.name, operation, reason, "operation left out");
        }
        if left_out > MANY {
            tracing::warn!(server = self.name, more = left_out - MANY, "more operations left out");
        }
    }
}

/// Reads a document as its server's settings say.
fn understood(text: &[u8], server: &OpenApiServer, rules: &ToolRules) -> Result<Read, String> {
    let document = Document::parse(text)?;
    let mut fixed = Fixed::default();
    fixed.0.extend(server.headers.iter().map(|(name, _)| ("header", name.as_str().to_owned())));
    fixed.0.extend(server.query.iter().map(|(name, _)| ("query", name.clone())));
    let origin = match &server.source {
        OpenApiSource::Url(url) => Some(url),
        OpenApiSource::File(_) => None,
    };
    let wanted = |name: &str| rules.shows(name);
    Read::of(&document, &Instructions { base: server.base_url.as_ref(), origin, fixed, wanted: &wanted })
}

impl Api {
    /// Whether the configuration sets a header.
    fn has_header(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    /// The header that carries these cookies and those of the configuration.
    fn with_cookies(&self, cookies: &[String]) -> Result<HeaderValue, Error> {
        let configured = self.headers.iter().filter(|(name, _)| *name == COOKIE);
        let mut text: Vec<u8> = Vec::new();
        for cookie in configured.map(|(_, value)| value.as_bytes()).chain(cookies.iter().map(String::as_bytes)) {
            text.extend_from_slice(if text.is_empty() { b"" } else { b"; " });
            text.extend_from_slice(cookie);
        }
        let mut value = HeaderValue::from_bytes(&text).map_err(|_| Error::internal("the cookies are no header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Its host, for messages.
    fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.base.host_str().unwrap_or_default())
    }
}

/// An API as a server: calls of its tools are requests.
struct Calling(Arc<Api>);

impl Server for Calling {
    fn about(&self) -> About {
        let about = About::new(&self.0.title, &self.0.version).tools();
        match &self.0.description {
            Some(text) => about.instructions(&shortened(text, LONGEST)),
            None => about,
        }
    }

    async fn tools(&self, _: &Exchange) -> Result<Vec<Tool>, Error> {
        Ok(self.0.operations.iter().map(|operation| operation.tool.clone()).collect())
    }

    async fn call(&self, tool: &str, arguments: Json, _: &Exchange) -> Result<ToolResult, Error> {
        let api = &self.0;
        let operation = api.operations.iter().find(|operation| operation.name == tool);
        let operation = operation.ok_or_else(|| Error::no_tool(tool))?;
        let outgoing = calling::request(api, operation, &arguments)?;
        let sent = api.target.send(&outgoing).await;
        let response = sent.map_err(|failure| Error::tool(format!("{}: {failure}", api.host())))?;
        Ok(answer::result(response, operation, &api.host(), api.limit).await)
    }
}

//! Streamable HTTP without sessions toward a server (2026-07-28): one POST per request, and all that belongs to it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use janua_wire::capabilities::ClientCapabilities;
use janua_wire::error::HEADER_MISMATCH;
use janua_wire::headers::{METHOD, NAME, PROTOCOL_VERSION};
use janua_wire::id::{ClientId, LinkId};
use janua_wire::json::quote;
use janua_wire::line::Line;
use janua_wire::message::{Message, Request, parse_one};
use janua_wire::metadata::envelope;
use janua_wire::method::{META_CLIENT, Method};
use janua_wire::mirror::encode;
use janua_wire::raw;
use janua_wire::sse::Item;
use janua_wire::version::Version;
use reqwest::Response;
use tokio::time::timeout;

use crate::call::{Caller, Scope};
use crate::error::{Failure, Kind};
use crate::servers::http_client::{self, Events, Media, Outgoing};
use crate::servers::inventory::Inventory;
use crate::servers::opening::GATEWAY;
use crate::servers::remote::Unopened;
use crate::servers::remote::link::{Link, Reach, Shared};
use crate::servers::remote::posts::{Carrier, Label, Parcel, Way};
use crate::servers::{Connection, Opening};

/// What an answer may be.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// So long the end of a stream is waited for after the response.
const LINGER: Duration = Duration::from_secs(1);
/// Pages of a list that are read to find a tool.
const PAGES: usize = 64;

/// Speaks to one server. Nothing is kept between requests but what its tools are like.
struct Stateless {
    link: Arc<Shared>,
    inventory: Arc<Inventory>,
    /// One look at the server's list of tools at a time; whoever comes meanwhile waits for the same one.
    looking: tokio::sync::Mutex<()>,
    /// The status that refused the first request.
    refused: OnceLock<StatusCode>,
}

/// Opens a link: `server/discover` is the first POST.
pub(crate) async fn open(
    reach: &Reach,
    inventory: &Arc<Inventory>,
    opening: &Opening,
) -> Result<Arc<dyn Connection>, Unopened> {
    let shared = Shared::new(reach);
    let carrier = Arc::new(Stateless {
        link: shared.clone(),
        inventory: inventory.clone(),
        looking: tokio::sync::Mutex::default(),
        refused: OnceLock::new(),
    });
    let link = Link::new(shared, carrier.clone(), opening);
    match link.discover(opening).await {
        Ok(opened) => Ok(link.into_connection(opened, opening)),
        Err(refusal) => Err(Unopened { refusal, status: carrier.refused.get().copied(), offer: None }),
    }
}

impl Carrier for Stateless {
    fn label(&self, request: &Request) -> Label {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(ACCEPT, BOTH);
        headers.insert(HeaderName::from_static(PROTOCOL_VERSION), version(request));
        insert(&mut headers, HeaderName::from_static(METHOD), &request.name());
        let method = request.method();
        let name = method.named_by().and_then(|key| raw::string(request.param(key)?));
        if let Some(name) = &name {
            insert(&mut headers, HeaderName::from_static(NAME), name);
        }
        if method == Method::ToolsCall
            && let Some(mirror) = name.and_then(|tool| self.inventory.mirror(&tool))
        {
            for (header, value) in mirror.headers(request.param("arguments").unwrap_or(b"{}")) {
                let header = HeaderName::try_from(header).ok().zip(HeaderValue::try_from(value).ok());
                headers.extend(header.map(|(header, value)| (Some(header), value)));
            }
        }
        Label { method, headers }
    }

    fn carry(self: Arc<Self>, parcel: Parcel, way: Way) -> BoxFuture<'static, ()> {
        async move { self.post(parcel, way).await }.boxed()
    }

    fn cancels_by_leaving(&self) -> bool {
        true
    }
}

/// What a notification says of itself; `None` if it is none. The specification is silent about its headers.
fn headers_of_notification(line: &Line) -> Option<HeaderMap> {
    let Ok(Message::Notification(notification)) = parse_one(line.clone().into_bytes()) else { return None };
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, BOTH);
    headers.insert(HeaderName::from_static(PROTOCOL_VERSION), HeaderValue::from_static(Version::NEWEST.name()));
    insert(&mut headers, HeaderName::from_static(METHOD), &notification.name());
    Some(headers)
}

/// The revision that the request itself names: header and body must agree.
fn version(request: &Request) -> HeaderValue {
    let newest = HeaderValue::from_static(Version::NEWEST.name());
    match request.claimed_version().and_then(raw::string) {
        Some(claimed) if claimed != Version::NEWEST.name() => HeaderValue::try_from(claimed).unwrap_or(newest),
        _ => newest,
    }
}

fn insert(headers: &mut HeaderMap, header: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(encode(value)) {
        headers.insert(header, value);
    }
}

impl Stateless {
    async fn post(&self, parcel: Parcel, mut way: Way) {
        let Parcel { line, about, mut label } = parcel;
        if about.is_none() {
            // This revision's servers ask nothing, so there is nothing to answer.
            let Some(headers) = headers_of_notification(&line) else { return };
            label.headers = headers;
        }
        let (method, lists) = (label.method, self.inventory.lists());
        let outgoing = self.outgoing(line, label, &way);
        let mut response = match self.link.target.send(&outgoing).await {
            Ok(response) => response,
            Err(failure) => return self.link.fail(about, failure),
        };
        way.answered();
        let Some(link) = about else {
            // A notification for which the server has no use is no fault of anybody's.
            http_client::read_aside(&mut response).await;
            return;
        };
        if response.status().is_success() {
            return self.answer(link, method, response).await;
        }
        let body = http_client::read_aside(&mut response).await;
        // A call whose headers were not accepted was refused before anything ran.
        let mismatch = method == Method::ToolsCall && is_mismatch(&body);
        let better = if mismatch { self.relabelled(&outgoing, lists, &way).await } else { None };
        let Some(better) = better else { return self.refused(link, &response, body).await };
        match self.link.target.send(&better).await {
            Ok(response) if response.status().is_success() => self.answer(link, method, response).await,
            Ok(mut response) => {
                let body = http_client::read_aside(&mut response).await;
                self.refused(link, &response, body).await;
            }
            Err(failure) => self.link.fail(about, failure),
        }
    }

    fn outgoing(&self, line: Line, label: Label, way: &Way) -> Outgoing {
        Outgoing::post(self.link.target.url().clone(), line, way.watcher()).headers(label.headers)
    }

    async fn answer(&self, link: LinkId, method: Method, mut response: Response) {
        let limit = self.link.limits.server_message;
        match Media::of(&response) {
            Media::Json => match http_client::read(&mut response, limit).await {
                Ok(body) => {
                    self.take(body, link, method).await;
                    self.invalid(link, "the server's answer holds no result for the request".to_owned());
                }
                Err(ended) => self.link.fail(Some(link), ended.failure()),
            },
            Media::EventStream => self.follow(link, method, Events::new(response, limit)).await,
            Media::Other => {
                let number = response.status().as_u16();
                self.invalid(link, format!("the server answered with HTTP {number} and no message"));
            }
        }
    }

    /// Reads a request's stream to the response. One that ends before is lost, and the request with it.
    async fn follow(&self, link: LinkId, method: Method, mut events: Events) {
        loop {
            match events.next().await {
                Ok(Item::Event(event)) if http_client::is_message(&event) => {
                    self.take(event.data, link, method).await;
                    if !self.link.awaits(link) {
                        break;
                    }
                }
                Ok(_) => {}
                Err(ended) => return self.link.fail(Some(link), ended.failure()),
            }
        }
        // Nothing of the request may come after its response; a connection whose answer was read to its end can be
        // used again.
        let rest = async { while events.next().await.is_ok() {} };
        let _ = timeout(LINGER, rest).await;
    }

    async fn take(&self, text: Bytes, link: LinkId, method: Method) {
        let text = if method == Method::ToolsList { self.inventory.sifted(text) } else { text };
        self.link.receive(text, Some(link)).await;
    }

    async fn refused(&self, link: LinkId, response: &Response, body: Bytes) {
        let status = response.status();
        let _ = self.refused.set(status);
        if http_client::error_for(&body, link).is_some() {
            return self.link.receive(body, Some(link)).await;
        }
        self.link.fail(Some(link), http_client::refusal(status, response.headers()));
    }

    /// Fails a request that is still waiting although its answer has come.
    fn invalid(&self, link: LinkId, message: String) {
        self.link.fail(Some(link), Failure::new(Kind::InvalidResponse, message).after_sending());
    }

    /// A call whose headers the server did not accept, with better ones after a look at its list of tools; `None` if
    /// they would be the same. `lists`: how much was known when it was sent.
    async fn relabelled(&self, refused: &Outgoing, lists: u64, way: &Way) -> Option<Outgoing> {
        let line = refused.message()?;
        let Ok(Message::Request(request)) = parse_one(line.clone().into_bytes()) else { return None };
        let fresh = || {
            let outgoing = self.outgoing(line.clone(), self.label(&request), way);
            (!outgoing.is_headed_like(refused)).then_some(outgoing)
        };
        let _turn = self.looking.lock().await;
        let learnt = if self.inventory.lists() == lists { None } else { fresh() };
        if learnt.is_some() {
            return learnt;
        }
        self.look(&request).await;
        fresh()
    }

    /// Reads the server's list of tools, as the client that sent `request` sees it.
    async fn look(&self, request: &Request) {
        tracing::debug!("the server refused the headers of a call: reading its list of tools");
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        let client = request.meta(META_CLIENT).map_or_else(|| GATEWAY.to_owned(), text);
        let capabilities = request.claimed_capabilities().map(text).unwrap_or_default();
        let members = envelope(&client, &capabilities, None);
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let params = format!("{{\"_meta\":{{{members}}}{cursor}}}");
            let Ok(list) = Request::new(&ClientId::number(0), "tools/list", Some(&params)) else { return };
            let capabilities = ClientCapabilities::of(capabilities.as_bytes());
            let caller = Caller { scope: Scope::Shared, version: Version::NEWEST, capabilities, user: None };
            let Some(page) = self.link.ask(list, caller).await else { return };
            let Some(next) = raw::peek_string(page.body(), "nextCursor") else { return };
            cursor = format!(",\"cursor\":{}", quote(&next));
        }
    }
}

/// Whether an answer says that headers and body differ.
fn is_mismatch(body: &Bytes) -> bool {
    let code = HEADER_MISMATCH.to_string();
    match parse_one(body.clone()) {
        Ok(Message::Response(response)) if response.is_error() => {
            raw::peek(response.body(), "code") == Some(code.as_bytes())
        }
        _ => false,
    }
}

//! JSON-RPC messages: the whole text as it came, with the places of the parts that matter.
//!
//! Invariant: the text of a message holds no CR or LF (they can only have been white space), so it may be framed
//! by lines or as an event without another look.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::edits::Edits;
use crate::envelope::{Envelope, Meta};
use crate::error::{INVALID_REQUEST, PARSE_ERROR};
use crate::id::{ClientId, LinkId};
use crate::json::{Fault, Keys, Scanner, Span, unescape};
use crate::line::Line;
use crate::method::Method;
use crate::raw;

/// Largest number of messages in a batch.
pub const MAX_BATCH: usize = 50;

const NULL: &[u8] = b"null";

/// A request: it has an id and wants exactly one response.
#[derive(Clone, Debug)]
pub struct Request {
    text: Bytes,
    id: Span,
    name: Span,
    method: Method,
    params: Option<Span>,
    meta: Meta,
}

/// A notification: no id, no response.
#[derive(Clone, Debug)]
pub struct Notification {
    text: Bytes,
    name: Span,
    method: Method,
    params: Option<Span>,
}

/// A response: a result or an error for an id.
#[derive(Clone, Debug)]
pub struct Response {
    text: Bytes,
    /// A string, an integer, or `null`.
    id: Option<Span>,
    body: Span,
    failed: bool,
}

/// Any message.
#[derive(Clone, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A notification.
    Notification(Notification),
    /// A response.
    Response(Response),
}

/// What one body or line may hold.
#[derive(Debug)]
pub enum Incoming {
    /// One message.
    Single(Message),
    /// An array of messages (2025-03-26 only). Each element stands for itself: it is a message or was refused.
    Batch(Vec<Result<Message, Refused>>),
}

/// Why a text is no acceptable message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Nothing but white space.
    Empty,
    /// Not acceptable as JSON.
    Json(Fault),
    /// Neither an object nor an array.
    NotObject,
    /// `jsonrpc` is missing or not `"2.0"`.
    Version,
    /// `id` is neither a string nor an integer.
    Id,
    /// `method` is not a string.
    Method,
    /// `params` is neither an object nor an array.
    Params,
    /// Neither a request, nor a notification, nor a response.
    Shape,
    /// An empty batch, one inside another, or more than [`MAX_BATCH`] messages.
    Batch,
}

/// A refusal, with the id of the request if it could be read.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The reason.
    pub why: Invalid,
    /// The id to answer to.
    pub id: Option<ClientId>,
}

impl Invalid {
    /// The JSON-RPC code that says it.
    pub fn code(self) -> i32 {
        match self {
            Invalid::Empty | Invalid::Json(Fault::Utf8 | Fault::Syntax(_)) => PARSE_ERROR,
            _ => INVALID_REQUEST,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Invalid::Json(fault) => return fault.fmt(f),
            Invalid::Empty => "the message is empty",
            Invalid::NotObject => "a message must be a JSON object",
            Invalid::Version => "\"jsonrpc\" must be \"2.0\"",
            Invalid::Id => "\"id\" must be a string or an integer",
            Invalid::Method => "\"method\" must be a string",
            Invalid::Params => "\"params\" must be an object",
            Invalid::Shape => "the message is neither a request, a notification nor a response",
            Invalid::Batch => "a batch must hold 1 to 50 messages",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Invalid {}

/// Reads one message or a batch.
#[expect(clippy::needless_pass_by_value, reason = "the messages keep the text: it is handed over")]
pub fn parse(text: Bytes) -> Result<Incoming, Refused> {
    let refuse = |why| Refused { why, id: None };
    std::str::from_utf8(&text).map_err(|_| refuse(Invalid::Json(Fault::Utf8)))?;
    match Scanner::new(&text).peek() {
        None => Err(refuse(Invalid::Empty)),
        Some(b'{') => message(&text).map(Incoming::Single),
        Some(b'[') => batch(&text).map(Incoming::Batch).map_err(refuse),
        Some(_) => Err(refuse(crate::json::check(&text).err().map_or(Invalid::NotObject, Invalid::Json))),
    }
}

/// Reads exactly one message.
pub fn parse_one(text: Bytes) -> Result<Message, Refused> {
    match parse(text)? {
        Incoming::Single(message) => Ok(message),
        Incoming::Batch(_) => Err(Refused { why: Invalid::NotObject, id: None }),
    }
}

/// The line breaks of a text that was checked, which lie between tokens, become spaces: every span stays where it is.
fn scrub(text: &Bytes) -> Bytes {
    text.iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }).collect()
}

fn batch(text: &Bytes) -> Result<Vec<Result<Message, Refused>>, Invalid> {
    let mut scanner = Scanner::new(text);
    scanner.enter_array().map_err(Invalid::Json)?;
    let mut found = Vec::new();
    while scanner.element(found.is_empty()).map_err(Invalid::Json)? {
        if found.len() == MAX_BATCH {
            return Err(Invalid::Batch);
        }
        let span = scanner.value().map_err(Invalid::Json)?;
        found.push(message(&text.slice(span.range())));
    }
    scanner.end().map_err(Invalid::Json)?;
    if found.is_empty() { Err(Invalid::Batch) } else { Ok(found) }
}

fn message(text: &Bytes) -> Result<Message, Refused> {
    let mut envelope = Envelope::default();
    let outcome = match Scanner::new(text).peek() {
        Some(b'{') => envelope.read(text).map_err(Invalid::Json),
        _ => Err(Invalid::NotObject),
    };
    let whole = || if envelope.breaks { scrub(text) } else { text.clone() };
    outcome.and_then(|()| assemble(&envelope, whole())).map_err(|why| {
        // The reading may have stopped before the id: many clients write it last.
        let id = envelope.id.or_else(|| raw::find(text, raw::whole(text), "id"));
        Refused { why, id: id.and_then(|span| delimited(text, span)) }
    })
}

/// The id at `span`, if the member ends there: `01` and a cut number begin like an id that was never sent.
fn delimited(text: &Bytes, span: Span) -> Option<ClientId> {
    let behind = Scanner::within(text, Span { start: span.end, end: text.len() }).peek();
    let raw = matches!(behind, Some(b',' | b'}')).then(|| text.slice(span.range()));
    raw.and_then(ClientId::new)
}

fn assemble(parts: &Envelope, text: Bytes) -> Result<Message, Invalid> {
    if !parts.version {
        return Err(Invalid::Version);
    }
    let structured = |params: Span| matches!(text[params.start], b'{' | b'[');
    if !parts.params.is_none_or(structured) {
        return Err(Invalid::Params);
    }
    let (id, body, failed) = match (parts.method, parts.result, parts.error) {
        (Some(method), None, None) => return call(parts, text, method),
        (None, Some(body), None) => (Some(legal_id(parts, &text)?.ok_or(Invalid::Shape)?), body, false),
        (None, None, Some(body)) => match parts.id {
            Some(null) if &text[null.range()] == NULL => (Some(null), body, true),
            _ => (legal_id(parts, &text)?, body, true),
        },
        _ => return Err(Invalid::Shape),
    };
    Ok(Message::Response(Response { text, id, body, failed }))
}

fn call(parts: &Envelope, text: Bytes, method: Span) -> Result<Message, Invalid> {
    let name = inside(&text, method).ok_or(Invalid::Method)?;
    let method = Method::of(&text[name.range()]);
    let params = parts.params;
    Ok(match legal_id(parts, &text)? {
        Some(id) => Message::Request(Request { text, id, name, method, params, meta: parts.meta }),
        None => Message::Notification(Notification { text, name, method, params }),
    })
}

fn legal_id(parts: &Envelope, text: &Bytes) -> Result<Option<Span>, Invalid> {
    let Some(span) = parts.id else {
        return Ok(None);
    };
    let id = ClientId::new(text.slice(span.range()));
    id.map(|_| Some(span)).ok_or(Invalid::Id)
}

fn inside(text: &[u8], string: Span) -> Option<Span> {
    (text[string.start] == b'"').then_some(Span { start: string.start + 1, end: string.end - 1 })
}

fn spelled(text: &[u8], name: Span) -> Cow<'_, str> {
    let inside = &text[name.range()];
    match std::str::from_utf8(inside) {
        Ok(plain) if !inside.contains(&b'\\') => Cow::Borrowed(plain),
        _ => Cow::Owned(String::from_utf8_lossy(&unescape(inside)).into_owned()),
    }
}

/// Checks that `text` holds one JSON object, or nothing, to stand inside `depth` others; no member of it may be there
/// twice. Says whether there are line breaks between its tokens.
pub fn members_once(text: &[u8], depth: u32) -> Result<bool, Invalid> {
    std::str::from_utf8(text).map_err(|_| Invalid::Json(Fault::Utf8))?;
    let mut scanner = Scanner::nested(text, depth);
    match scanner.peek() {
        None => return Ok(false),
        Some(b'{') => {}
        Some(_) => return Err(crate::json::check(text).err().map_or(Invalid::NotObject, Invalid::Json)),
    }
    let mut read = || {
        scanner.enter_object()?;
        let (mut keys, mut first) = (Keys::default(), true);
        while let Some(key) = scanner.member(first)? {
            first = false;
            keys.add(text, key)?;
            scanner.value()?;
        }
        scanner.end()
    };
    read().map_err(Invalid::Json)?;
    Ok(scanner.has_breaks())
}

impl Request {
    /// A request that the gateway makes itself. `params` is raw JSON.
    pub fn new(id: &ClientId, method: &str, params: Option<&str>) -> Result<Request, Refused> {
        let params = params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
        let id = String::from_utf8_lossy(id.raw());
        let method = crate::json::quote(method);
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{method}{params}}}");
        match parse_one(text.into())? {
            Message::Request(request) => Ok(request),
            _ => Err(Refused { why: Invalid::Shape, id: None }),
        }
    }

    /// A `tools/call` that the gateway makes itself, with `arguments` as they came: one JSON object, empty for none. If
    /// it is `tracked`, it asks for progress under its own id.
    pub fn tool_call(id: u64, tool: &str, arguments: &[u8], tracked: bool) -> Result<Request, Invalid> {
        let (number, tool) = (id.to_string(), crate::json::quote(tool));
        let breaks = members_once(arguments, 2)?;
        let arguments = if arguments.trim_ascii().is_empty() { b"{}" } else { arguments };
        let mut text = Vec::with_capacity(arguments.len() + tool.len() + 128);
        let mut put = |part: &[u8]| {
            let start = text.len();
            text.extend_from_slice(part);
            Span { start, end: text.len() }
        };
        put(b"{\"jsonrpc\":\"2.0\",\"id\":");
        let id = put(number.as_bytes());
        put(b",\"method\":\"");
        let name = put(b"tools/call");
        put(b"\",\"params\":");
        let start = put(b"{\"name\":").start;
        put(tool.as_bytes());
        put(b",\"arguments\":");
        let given = put(arguments);
        let mut meta = Meta::default();
        if tracked {
            put(b",\"_meta\":");
            let start = put(b"{\"progressToken\":").start;
            meta.token = Some(put(number.as_bytes()));
            meta.whole = Some(Span { start, end: put(b"}").end });
        }
        let end = put(b"}").end;
        put(b"}");
        if breaks {
            text[given.range()].iter_mut().filter(|b| matches!(b, b'\r' | b'\n')).for_each(|b| *b = b' ');
        }
        let params = Some(Span { start, end });
        Ok(Request { text: text.into(), id, name, method: Method::ToolsCall, params, meta })
    }

    /// The sender's id, raw.
    pub fn id(&self) -> ClientId {
        ClientId::new(self.text.slice(self.id.range())).unwrap_or_else(|| ClientId::number(0))
    }

    /// The method, if it is one the gateway knows.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method's name.
    pub fn name(&self) -> Cow<'_, str> {
        spelled(&self.text, self.name)
    }

    /// The parameters as raw JSON; `{}` if there are none.
    pub fn params(&self) -> &[u8] {
        self.params.map_or(b"{}", |span| &self.text[span.range()])
    }

    /// A member of the parameters, raw.
    pub fn param(&self, key: &str) -> Option<&[u8]> {
        raw::find(&self.text, self.params?, key).map(|span| &self.text[span.range()])
    }

    /// `params._meta.progressToken`, raw.
    pub fn progress_token(&self) -> Option<Bytes> {
        self.meta.token.map(|span| self.text.slice(span.range()))
    }

    /// The revision that the request itself names, raw: it belongs to a revision without handshake (2026-07-28
    /// `basic/index`). `None`: it belongs to one with.
    pub fn claimed_version(&self) -> Option<&[u8]> {
        self.meta.version.map(|span| &self.text[span.range()])
    }

    /// What the client of a request without handshake can be asked, raw.
    pub fn claimed_capabilities(&self) -> Option<&[u8]> {
        self.meta.capabilities.map(|span| &self.text[span.range()])
    }

    /// A member of `params._meta`, raw.
    pub fn meta(&self, key: &str) -> Option<&[u8]> {
        raw::find(&self.text, self.meta.whole?, key).map(|span| &self.text[span.range()])
    }

    /// Where the parameters and their `_meta` lie in the text.
    pub fn places(&self) -> (Option<Span>, Option<Span>) {
        (self.params, self.meta.whole)
    }

    /// The same request with parts of its text replaced. The edits must not overlap, and must leave valid JSON.
    pub fn edited(&self, edits: Vec<(Span, &[u8])>) -> Result<Request, Refused> {
        match parse_one(Line::splice(&self.text, edits).into_bytes())? {
            Message::Request(request) => Ok(request),
            _ => Err(Refused { why: Invalid::Shape, id: None }),
        }
    }

    /// The whole text as it came.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The request as it goes to a server: the id, and the progress token if there is one, are ours.
    pub fn stamped(&self, link: LinkId) -> Line {
        let number = link.to_string();
        let mut edits = vec![(self.id, number.as_bytes())];
        edits.extend(self.meta.token.map(|token| (token, number.as_bytes())));
        Line::splice(&self.text, edits)
    }

    /// The request as it goes to a client, under an id of ours; nothing else is touched.
    pub fn asked_as(&self, id: &ClientId) -> Line {
        Line::splice(&self.text, vec![(self.id, id.raw())])
    }
}

impl Notification {
    /// A notification that the gateway makes itself. `params` is raw JSON.
    pub fn new(method: &str, params: Option<&str>) -> Result<Notification, Refused> {
        let params = params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
        let method = crate::json::quote(method);
        match parse_one(format!("{{\"jsonrpc\":\"2.0\",\"method\":{method}{params}}}").into())? {
            Message::Notification(notification) => Ok(notification),
            _ => Err(Refused { why: Invalid::Shape, id: None }),
        }
    }

    /// The method, if it is one the gateway knows.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method's name.
    pub fn name(&self) -> Cow<'_, str> {
        spelled(&self.text, self.name)
    }

    /// The parameters as raw JSON; `{}` if there are none.
    pub fn params(&self) -> &[u8] {
        self.params.map_or(b"{}", |span| &self.text[span.range()])
    }

    /// The whole text.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// A member of the parameters, raw.
    pub fn param(&self, key: &str) -> Option<&[u8]> {
        raw::find(&self.text, self.params?, key).map(|span| &self.text[span.range()])
    }

    /// The same notification with one member of its parameters replaced by raw JSON; unchanged if it has none.
    #[must_use]
    pub fn with_param(&self, key: &str, value: &[u8]) -> Notification {
        let found = self.params.and_then(|params| raw::find(&self.text, params, key));
        let (Some(span), Some(params)) = (found, self.params) else {
            return self.clone();
        };
        let end = params.end - (span.end - span.start) + value.len();
        let text = raw::replace(&self.text, span, value).into();
        // The name may stand behind the parameters, and moves with them.
        let moved = |at: usize| {
            if at >= params.end { at - params.end + end } else { at }
        };
        let name = Span { start: moved(self.name.start), end: moved(self.name.end) };
        Notification { text, name, method: self.method, params: Some(Span { start: params.start, end }) }
    }

    /// The notification as a line.
    pub fn line(&self) -> Line {
        Line::One(self.text.clone())
    }
}

impl Response {
    /// A response with a raw JSON `result`, for an id that is put in later.
    pub fn result(result: &str) -> Result<Response, Refused> {
        Response::read(format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{result}}}"))
    }

    /// A response with an error, for an id that is put in later. `data` is raw JSON.
    pub fn error(code: i32, message: &str, data: Option<&str>) -> Response {
        let text = scrub(&crate::error::response(Some(&ClientId::number(0)), code, message, data));
        let body = raw::find(&text, raw::whole(&text), "error").unwrap_or(raw::whole(&text));
        let id = raw::find(&text, raw::whole(&text), "id");
        Response { text, id, body, failed: true }
    }

    fn read(text: String) -> Result<Response, Refused> {
        match parse_one(text.into())? {
            Message::Response(response) => Ok(response),
            _ => Err(Refused { why: Invalid::Shape, id: None }),
        }
    }

    /// The id it answers, raw; `None` for an error whose request could not be read.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.map(|span| &self.text[span.range()]).filter(|id| *id != NULL)
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.failed
    }

    /// The `result` or `error` member, raw.
    pub fn body(&self) -> &[u8] {
        &self.text[self.body.range()]
    }

    /// The whole text as it came.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The response with one member of its result replaced by raw JSON; unchanged if there is no such member.
    #[must_use]
    pub fn with_member(&self, key: &str, value: &[u8]) -> Response {
        self.with_path(&[key], value)
    }

    /// The same for a member of nested objects.
    #[must_use]
    pub fn with_path(&self, path: &[&str], value: &[u8]) -> Response {
        let Some(span) = raw::find_path(&self.text, self.body, path) else {
            return self.clone();
        };
        match parse_one(raw::replace(&self.text, span, value).into()) {
            Ok(Message::Response(response)) => response,
            _ => self.clone(),
        }
    }

    /// The response with changes made in its body, whose first byte they count from. They must leave one JSON value
    /// without line breaks; nothing is read again.
    #[must_use]
    pub fn edited(&self, edits: &Edits) -> Response {
        if edits.is_empty() {
            return self.clone();
        }
        let grown = edits.growth();
        let moved = |at: usize| if at >= self.body.end { at.saturating_add_signed(grown) } else { at };
        let place = |span: Span| Span { start: moved(span.start), end: moved(span.end) };
        let text = edits.clone().shifted(self.body.start).apply(&self.text);
        Response { text: text.into(), id: self.id.map(place), body: place(self.body), failed: self.failed }
    }

    /// The response under another id; nothing else is touched.
    pub fn answering(&self, id: &[u8]) -> Line {
        if let Some(span) = self.id {
            return Line::splice(&self.text, vec![(span, id)]);
        }
        // It has none: it becomes the first member, before the others that there must be.
        let start = self.text.iter().position(|&b| b == b'{').map_or(0, |at| at + 1);
        let member = [b"\"id\":", id, b","].concat();
        Line::splice(&self.text, vec![(Span { start, end: start }, &member)])
    }
}

//! The session with a server, and the next one when the server has lost it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue};
use janua_wire::headers::{PROTOCOL_VERSION, SESSION_ID};
use janua_wire::id::ClientId;
use janua_wire::message::{self, Message, Notification, Request, parse_one};
use janua_wire::method::Method;
use janua_wire::sse::Item;
use janua_wire::version::Version;
use reqwest::Response;
use tokio::sync::watch;
use tokio::time::timeout;

use super::BOTH;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::http_client::{self, Events, Media, Outgoing, Unwatched};
use crate::servers::remote::link::Shared;
use crate::servers::{Opening, opening};

/// Subscriptions that are made again in a new session.
const SUBSCRIPTIONS: usize = 1024;

/// One session with the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// How many there were before it on this link.
    pub(super) number: u32,
    /// Its id, if the server gave one.
    pub(super) id: Option<HeaderValue>,
}

/// The session of a link, and what has to be said again in the next one.
pub(super) struct Sessions {
    /// The `initialize` that the first was opened with.
    opening: Opening,
    now: watch::Sender<Session>,
    /// One new session at a time; whoever comes meanwhile waits for the same one.
    renewing: tokio::sync::Mutex<()>,
    said: Lock<Said>,
}

/// What a session keeps for its client, in requests without `_meta`.
#[derive(Debug, Default)]
struct Said {
    /// The raw `uri` of each subscription.
    subscriptions: BTreeSet<Vec<u8>>,
    /// The raw log level.
    level: Option<Vec<u8>>,
}

/// What a request meets whose session is gone.
pub(super) fn lost() -> Failure {
    Failure::new(Kind::SessionLost, "the server has ended the session")
}

impl Session {
    /// The headers of every request in it.
    pub(super) fn dressed(&self, mut outgoing: Outgoing, version: Option<Version>) -> Outgoing {
        if let Some(id) = &self.id {
            outgoing = outgoing.header(HeaderName::from_static(SESSION_ID), id.clone());
        }
        // The header came with 2025-06-18.
        match version {
            Some(version) if version >= Version::V2025_06_18 => {
                let value = HeaderValue::from_static(version.name());
                outgoing.header(HeaderName::from_static(PROTOCOL_VERSION), value)
            }
            _ => outgoing,
        }
    }
}

impl Sessions {
    pub(super) fn new(opening: &Opening) -> Self {
        let (now, renewing) = (watch::Sender::default(), tokio::sync::Mutex::default());
        Sessions { opening: opening.clone(), now, renewing, said: Lock::default() }
    }

    /// The session to speak in now.
    pub(super) fn now(&self) -> Session {
        self.now.borrow().clone()
    }

    /// Resolves when another session than this one is spoken in.
    pub(super) async fn after(&self, number: u32) {
        let mut now = self.now.subscribe();
        let _ = now.wait_for(|now| now.number != number).await;
    }

    /// Takes the session's id from the answer to `initialize`.
    pub(super) fn adopt(&self, response: &Response) {
        let id = session_id(response);
        self.now.send_modify(|now| now.id = id);
    }

    /// Notes what has to be said again in a new session.
    pub(super) fn note(&self, request: &Request) {
        let method = request.method();
        let key = match method {
            Method::Subscribe | Method::Unsubscribe => "uri",
            Method::SetLevel => "level",
            _ => return,
        };
        let Some(value) = request.param(key).map(<[u8]>::to_vec) else { return };
        let mut said = self.said.lock();
        match method {
            Method::SetLevel => said.level = Some(value),
            Method::Unsubscribe => {
                said.subscriptions.remove(&value);
            }
            _ if said.subscriptions.len() < SUBSCRIPTIONS => {
                said.subscriptions.insert(value);
            }
            _ => {}
        }
    }

    /// Opens the session after `gone`, which the server does not know any more, unless that is done. What the client
    /// knows of the server must stay true: it has to speak the same revision.
    pub(super) async fn renew(&self, link: &Shared, gone: u32, version: Option<Version>) -> Result<(), Failure> {
        let _turn = self.renewing.lock().await;
        if self.now.borrow().number != gone {
            return Ok(());
        }
        // There is nothing left to end.
        self.now.send_modify(|now| now.id = None);
        tracing::info!("the server has ended the session: opening another");
        let limit = link.limits.start;
        let opened = timeout(limit, self.open(link, version)).await;
        let opened = opened.unwrap_or_else(|_| Err(Failure::new(Kind::StartFailed, format!("no answer in {limit:?}"))));
        let id = opened.map_err(|why| {
            let message = format!("the server has ended the session, and another cannot be opened: {why}");
            Failure::new(Kind::SessionLost, message)
        })?;
        self.now.send_replace(Session { number: gone + 1, id });
        Ok(())
    }

    async fn open(&self, link: &Shared, version: Option<Version>) -> Result<Option<HeaderValue>, Failure> {
        let request = self.opening.request()?;
        let response = post(link, &Session::default(), None, request.text().clone()).await?;
        if !response.status().is_success() {
            return Err(http_client::refusal(response.status(), response.headers()));
        }
        let session = Session { number: 0, id: session_id(&response) };
        let opened = opening::read(answer(link, response).await?)?;
        if version.is_some_and(|version| version != opened.version) {
            let message = format!("it speaks another revision now, {}", opened.version);
            return Err(Failure::new(Kind::InvalidResponse, message));
        }
        for text in self.to_be_said() {
            // Read to its end, so that one is done before the next.
            http_client::read_aside(&mut post(link, &session, version, text).await?).await;
        }
        Ok(session.id)
    }

    /// The messages after `initialize`.
    fn to_be_said(&self) -> Vec<Bytes> {
        let said = self.said.lock();
        let level = said.level.iter().map(|level| ("logging/setLevel", "level", level));
        let subscriptions = said.subscriptions.iter().map(|uri| ("resources/subscribe", "uri", uri));
        let requests = level.chain(subscriptions).zip(1_u64..).filter_map(|((method, key, value), id)| {
            let params = format!("{{\"{key}\":{}}}", String::from_utf8_lossy(value));
            Some(Request::new(&ClientId::number(id), method, Some(&params)).ok()?.text().clone())
        });
        let initialized = Notification::new("notifications/initialized", None);
        initialized.iter().map(|initialized| initialized.text().clone()).chain(requests).collect()
    }
}

/// The session's id, which no log may show.
fn session_id(response: &Response) -> Option<HeaderValue> {
    let mut id = response.headers().get(SESSION_ID)?.clone();
    id.set_sensitive(true);
    Some(id)
}

async fn post(link: &Shared, session: &Session, version: Option<Version>, text: Bytes) -> Result<Response, Failure> {
    let url = link.target.url().clone();
    let outgoing = Outgoing::post(url, text.into(), Arc::new(Unwatched)).header(ACCEPT, BOTH);
    link.target.send(&session.dressed(outgoing, version)).await
}

/// The result that an answer brings.
async fn answer(link: &Shared, mut response: Response) -> Result<message::Response, Failure> {
    let invalid = || Failure::new(Kind::InvalidResponse, "it does not answer initialize with a result");
    let limit = link.limits.server_message;
    if Media::of(&response) == Media::Json {
        let body = http_client::read(&mut response, limit).await.map_err(|ended| ended.failure())?;
        return match parse_one(body) {
            Ok(Message::Response(response)) if !response.is_error() => Ok(response),
            _ => Err(invalid()),
        };
    }
    let mut events = Events::new(response, limit);
    loop {
        match events.next().await {
            Ok(Item::Event(event)) if http_client::is_message(&event) => match parse_one(event.data) {
                Ok(Message::Response(response)) if !response.is_error() => return Ok(response),
                Ok(Message::Response(_)) | Err(_) => return Err(invalid()),
                Ok(_) => {}
            },
            Ok(_) => {}
            Err(ended) => return Err(ended.failure()),
        }
    }
}

//! Clients on channels that carry both ways: WebSocket in both eras, and HTTP+SSE.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use janua_testkit::client::envelope::{Envelope, questions};
use janua_testkit::client::events::StreamFault;
use janua_testkit::client::message::{self, Message};
use janua_testkit::client::sse_session::SseSession;
use janua_testkit::client::websocket::{Came, WebSocketClient};

use crate::ledger::shown;
use crate::load::{ACCEPT, Ask, CAPABILITIES, DEADLINE, Load, Wish};
use crate::scene::Served;

/// A channel, and what is under way on it.
struct Talk<'a> {
    load: &'a Load,
    served: Served,
    since: Instant,
    channel: Channel,
    open: BTreeMap<String, Ask>,
    modern: bool,
}

enum Channel {
    Socket(Box<WebSocketClient>),
    Events(Box<SseSession>),
}

/// A socket: several requests at once, answered in any order.
pub(super) async fn websocket(load: &Load) {
    let served = load.any(false);
    let url = format!("{}/ws/{}", load.base.replace("http", "ws"), served.name);
    let since = Instant::now();
    let socket = match WebSocketClient::try_open(&url, &[("sec-websocket-protocol", "mcp")]).await {
        Ok(socket) => socket.deadline(DEADLINE),
        Err(refused) => {
            let mut ticket = load.ledger.send(served.name, "upgrade", None);
            ticket.note(shown(&refused.body));
            ticket.ended(&format!("HTTP {}", refused.status));
            return load.pause(500).await;
        }
    };
    let modern = load.dice.below(2) == 0;
    let mut talk =
        Talk { load, served, since, channel: Channel::Socket(Box::new(socket)), open: BTreeMap::new(), modern };
    let goes_on = (modern || talk.greet().await) && talk.chat().await;
    match talk.channel {
        Channel::Socket(socket) if goes_on && load.dice.below(3) > 0 => socket.close().await,
        Channel::Socket(socket) if goes_on => socket.reset(),
        _ => {}
    }
}

/// A stream of HTTP+SSE. Only of servers that are always there: a refused stream says nothing of a request.
pub(super) async fn event_stream(load: &Load) {
    let served = load.any(false);
    if served.comes_and_goes {
        return;
    }
    let since = Instant::now();
    let client = load.client("/sse");
    let session = SseSession::open_with(client, &format!("/sse/{}", served.name)).await;
    let channel = Channel::Events(Box::new(session));
    let mut talk = Talk { load, served, since, channel, open: BTreeMap::new(), modern: false };
    if talk.greet().await {
        talk.chat().await;
    }
}

impl Talk<'_> {
    /// The handshake; whether it succeeded.
    async fn greet(&mut self) -> bool {
        let mut ask = self.load.ask(self.served, Wish::List, "", Some(self.since));
        ask.method = "initialize";
        ask.wanted = String::from("protocolVersion");
        ask.params = message::initialize_params("2025-06-18", CAPABILITIES);
        self.send(ask).await
            && self.wait(0).await
            && self.write(message::notification("notifications/initialized", "")).await
    }

    /// Some requests, a few at a time; whether the channel is still there.
    async fn chat(&mut self) -> bool {
        for _ in 0..5 + self.load.dice.below(20) {
            if self.load.is_over() {
                break;
            }
            let mut wish = self.load.wish(self.served);
            if wish == Wish::Cut || (self.modern && wish == Wish::Question) {
                wish = Wish::Echo;
            }
            if wish == Wish::Trouble && self.served.name == "crashy" {
                self.load.ledger.blow(self.served.name, "crash");
            }
            let ask = self.load.ask(self.served, wish, "", Some(self.since));
            let id = ask.id.clone();
            if !self.send(ask).await || (wish == Wish::Cancel && !self.cancel(&id).await) || !self.wait(3).await {
                return false;
            }
            self.load.pause(100).await;
        }
        self.wait(0).await
    }

    /// Cancels a request that was just sent; there may be no answer then.
    async fn cancel(&mut self, id: &str) -> bool {
        self.load.pause(100).await;
        if let Some(ask) = self.open.remove(id) {
            ask.ticket.cancelled();
        }
        self.write(message::notification("notifications/cancelled", &format!(r#"{{"requestId":{id}}}"#))).await
    }

    async fn send(&mut self, mut ask: Ask) -> bool {
        let params =
            if self.modern { Envelope::new("2026-07-28", CAPABILITIES).wrap(&ask.params) } else { ask.params.clone() };
        ask.ticket.note(if matches!(self.channel, Channel::Socket(_)) { "on a socket" } else { "over HTTP+SSE" });
        let text = message::request(&ask.id, ask.method, &params);
        self.open.insert(ask.id.clone(), ask);
        self.write(text).await
    }

    /// Writes a message; whether it was taken. If not, the channel is at its end, and so are all requests on it.
    async fn write(&mut self, text: String) -> bool {
        let why = match &mut self.channel {
            Channel::Socket(socket) => {
                let frame = janua_testkit::client::websocket::Frame::text(text);
                socket.write(frame).await.err().map(|error| error.to_string())
            }
            Channel::Events(session) => {
                let answer = session.post(text).await;
                let taken = answer.status.is_success();
                (!taken).then(|| format!("HTTP {} {}", answer.status, shown(&answer.text())))
            }
        };
        why.is_none_or(|why| self.ended(&why))
    }

    /// Reads until at most so many requests are under way; whether the channel is still there.
    async fn wait(&mut self, under_way: usize) -> bool {
        while self.open.len() > under_way {
            let came = match &mut self.channel {
                Channel::Socket(socket) => match socket.read_within(DEADLINE).await {
                    Some(Came::Text(text)) => Message::parse(&text).map_err(|error| format!("{error} in {text}")),
                    Some(end) => Err(format!("{end:?}")),
                    None => Err("silence".to_owned()),
                },
                Channel::Events(session) => match session.events().next_message(DEADLINE).await {
                    Ok(Some(message)) => Ok(message),
                    Ok(None) => Err("the stream ended".to_owned()),
                    Err(StreamFault::Late(_)) => Err("silence".to_owned()),
                    Err(fault) => Err(fault.to_string()),
                },
            };
            match came {
                Ok(message) => {
                    if !self.take(&message).await {
                        return false;
                    }
                }
                Err(why) => return self.ended(&why),
            }
        }
        true
    }

    /// Takes what came.
    async fn take(&mut self, message: &Message) -> bool {
        if message.is_request() {
            return self.write(message::response(&message.id().unwrap_or_default(), ACCEPT)).await;
        }
        if !message.is_response() {
            self.progress(message);
            return true;
        }
        let Some(ask) = self.open.remove(&message.id().unwrap_or_default()) else {
            // The answer of a request that was cancelled may have crossed that.
            let crossed = message.error_code().is_some() || message.raw().contains("computed");
            if !crossed {
                self.load.ledger.violation(&format!("an answer to nothing: {}", shown(message.raw())));
            }
            return true;
        };
        let Ask { ticket, wanted, due, .. } = ask;
        if questions(message).is_some() {
            ticket.cut();
            return true;
        }
        if due && self.served.name == "crashy" {
            self.load.ledger.blow(self.served.name, "crash");
        }
        // A failure at one server's address may be the channel's last word; its end says so then.
        ticket.settle(&[message], &wanted, due) || message.at("/error/data/code") != "session_ended"
    }

    fn progress(&mut self, message: &Message) {
        let Some(token) = message.at("/params/progressToken").as_str() else { return };
        let known = self.open.contains_key(&message::quoted(token));
        if !known {
            self.load.ledger.violation(&format!("progress of nobody: {}", message.raw()));
        }
    }

    /// The channel is at its end: so are all requests on it.
    fn ended(&mut self, why: &str) -> bool {
        for (_, mut ask) in std::mem::take(&mut self.open) {
            ask.ticket.note(why.to_owned());
            ask.ticket.ended("the connection ended");
        }
        false
    }
}

/// How long sockets that say nothing may stay open, besides the gateway's own limit.
pub(super) const SLACK: Duration = Duration::from_secs(15);

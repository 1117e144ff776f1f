//! Clients of 2026-07-28 over HTTP: no session, questions in rounds, leaving is cancelling.

use std::time::Duration;

use http::Method;
use janua_testkit::client::Client;
use janua_testkit::client::JSON_POST;
use janua_testkit::client::envelope::{Envelope, header_value, questions, repeated};
use janua_testkit::client::message::{self, Message};
use serde_json::Value;

use crate::ledger::Ticket;
use crate::load::{ACCEPT, Ask, CAPABILITIES, Load, Wish};
use crate::scene::Served;

const VERSION: &str = "2026-07-28";
/// Servers that every list of all servers must hold, as nothing is ever done to them.
const ALWAYS: [&str; 4] = ["\"calm__echo\"", "\"pair__echo\"", "\"shout__echo\"", "\"demo__echo\""];

/// Some requests, each to any server.
pub(super) async fn round(load: &Load) {
    for _ in 0..20 {
        let served = load.any(true);
        if load.dice.below(8) == 0 {
            of_many(load, served).await;
        } else {
            let client = load.client(&format!("/mcp/{}", served.name));
            one(load, &client, served, load.wish(served), "").await;
        }
        load.pause(35).await;
    }
}

/// A request at the address of all servers.
async fn of_many(load: &Load, served: Served) {
    let client = load.client("/mcp");
    if load.dice.below(3) > 0 {
        return one(load, &client, served, load.wish(served), &format!("{}__", served.name)).await;
    }
    let mut ask = load.ask(crate::scene::SERVERS[0], Wish::List, "", None);
    ask.wanted = String::from(ALWAYS[0]);
    let Some(answers) = exchange(load, &client, &mut ask).await else { return };
    let list = answers.iter().find(|answer| answer.is_response()).cloned();
    let Ask { ticket, wanted, due, .. } = ask;
    if finish(ticket, &answers, &wanted, due)
        && let Some(list) = list
        && let Some(missing) = ALWAYS.iter().find(|name| !list.raw().contains(**name))
    {
        load.ledger.violation(&format!("a list of all servers without {missing}"));
    }
}

/// One request and what follows from it.
async fn one(load: &Load, client: &Client, served: Served, wish: Wish, prefix: &str) {
    let mut ask = load.ask(served, wish, prefix, None);
    if wish == Wish::List && !prefix.is_empty() {
        // A list of all servers need not have one that has just been hurt.
        ask.wanted = String::from(ALWAYS[0]);
    }
    match wish {
        Wish::Cancel | Wish::Cut => return leave(load, client, ask).await,
        Wish::Trouble if served.name == "crashy" => load.ledger.blow(served.name, "crash"),
        _ => {}
    }
    for _ in 0..4 {
        let Some(answers) = exchange(load, client, &mut ask).await else { return };
        let asked = answers.iter().find(|answer| answer.is_response() && questions(answer).is_some());
        let Some(asked) = asked else {
            let Ask { ticket, wanted, due, .. } = ask;
            if wish == Wish::Trouble && served.name == "crashy" {
                load.ledger.blow(served.name, "crash");
            }
            finish(ticket, &answers, &wanted, due);
            return;
        };
        if load.dice.below(6) == 0 {
            // Never comes back: the call is parked until its time is over.
            return ask.ticket.cut();
        }
        let keys = questions(asked).unwrap_or_default().into_iter();
        let answers: Vec<_> = keys.map(|(key, _)| (key, ACCEPT.to_owned())).collect();
        ask.params = repeated(&ask.params, asked, &answers);
        load.pause(20).await;
    }
    ask.ticket.wrong("it goes on asking");
}

/// Sends a request and reads its whole answer; `None` if there was none, which is settled then.
async fn exchange(load: &Load, client: &Client, ask: &mut Ask) -> Option<Vec<Message>> {
    let (body, headers) = spelled(ask);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = match client.try_send(Method::POST, client.path(), body, &headers).await {
        Ok(answer) => answer,
        Err(error) => {
            ask.ticket.note(format!("{error:#}"));
            ask.ticket.wrong("no whole answer");
            return None;
        }
    };
    ask.ticket.note(format!("HTTP {}", answer.status));
    let messages = answer.messages();
    for message in &messages {
        load.hear(ask, message);
    }
    Some(messages)
}

/// Leaves in mid-call, which cancels it.
async fn leave(load: &Load, client: &Client, ask: Ask) {
    let (body, headers) = spelled(&ask);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let open = client.try_stream(Method::POST, client.path(), body, &headers);
    let patience = Duration::from_millis(20 + load.dice.below(1500));
    let done = tokio::time::timeout(patience, open).await;
    match done {
        Ok(Err(error)) => drop_note(ask.ticket, format!("{error:#}")),
        _ => ask.ticket.cut(),
    }
}

fn drop_note(mut ticket: Ticket, what: String) {
    ticket.note(what);
}

/// Settles a request by the messages that came; whether its answer was right.
fn finish(ticket: Ticket, answers: &[Message], wanted: &str, due: bool) -> bool {
    let id = ticket.nonce.clone();
    let responses: Vec<&Message> = answers.iter().filter(|answer| answer.is_response()).collect();
    let mine = |answer: &&Message| answer.value()["id"] == id.as_str();
    let blind = |answer: &&Message| answer.error_code().is_some() && answer.value()["id"] == Value::Null;
    if !responses.iter().all(|answer| mine(answer) || blind(answer)) {
        let mut ticket = ticket;
        for response in responses {
            ticket.note(crate::ledger::shown(response.raw()));
        }
        ticket.wrong("somebody else's answer");
        return false;
    }
    ticket.settle(&responses, wanted, due)
}

fn spelled(ask: &Ask) -> (String, Vec<(&'static str, String)>) {
    let params = Envelope::new(VERSION, CAPABILITIES).wrap(&ask.params);
    let mut headers: Vec<_> = JSON_POST.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    headers.push(("mcp-protocol-version", VERSION.to_owned()));
    headers.push(("mcp-method", ask.method.to_owned()));
    let named: Option<Value> = serde_json::from_str(&ask.params).ok();
    if let Some(name) = named.as_ref().and_then(|params| params["name"].as_str()) {
        headers.push(("mcp-name", header_value(name)));
    }
    (message::request(&ask.id, ask.method, &params), headers)
}

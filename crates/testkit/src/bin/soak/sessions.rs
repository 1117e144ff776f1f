//! Clients with sessions over Streamable HTTP: opened, used, and deleted or left behind.

use std::time::{Duration, Instant};

use janua_testkit::client::Client;
use janua_testkit::client::message::Message;
use janua_testkit::client::session::{Exchange, Session};

use crate::ledger::Ticket;
use crate::load::{ACCEPT, Ask, CAPABILITIES, Load, Wish};
use crate::scene::Served;

/// Revisions in which a client can be asked.
const VERSIONS: [&str; 2] = ["2025-06-18", "2025-11-25"];

/// A session with one server.
pub(super) async fn round(load: &Load) {
    let served = load.any(false);
    let client = load.client(&format!("/mcp/{}", served.name));
    let Some((session, since)) = open(load, &client, served).await else {
        return load.pause(500).await;
    };
    for _ in 0..5 + load.dice.below(25) {
        if load.is_over() || !one(load, &session, served, "", since).await {
            break;
        }
        load.pause(80).await;
    }
    end(load, &session).await;
}

/// A session with all servers.
pub(super) async fn of_many(load: &Load) {
    let client = load.client("/mcp");
    let Some((session, since)) = open(load, &client, crate::scene::SERVERS[0]).await else { return };
    for _ in 0..5 + load.dice.below(40) {
        if load.is_over() {
            break;
        }
        let served = load.any(false);
        let prefix = format!("{}__", served.name);
        one(load, &session, served, &prefix, since).await;
        load.pause(150).await;
    }
    end(load, &session).await;
}

/// Opens a session; `None` if it was refused, which is settled then.
async fn open(load: &Load, client: &Client, served: Served) -> Option<(Session, Instant)> {
    let since = Instant::now();
    let ticket = load.ledger.send(served.name, "initialize", None);
    let reply = client.try_initialize(load.dice.one(&VERSIONS), CAPABILITIES).await;
    let responses: Vec<&Message> = reply.messages.iter().filter(|message| message.is_response()).collect();
    if !ticket.settle(&responses, "protocolVersion", false) {
        return None;
    }
    let session = Session::from_reply(client.clone(), &reply);
    let told = session.notify("notifications/initialized", "").await;
    if told.status != 202 {
        let mut ticket = load.ledger.send(served.name, "initialized", Some(since));
        ticket.note(told.text());
        ticket.ended(&format!("HTTP {}", told.status));
        return None;
    }
    Some((session, since))
}

/// Ends it, or not: then it ends when it was idle for long enough.
async fn end(load: &Load, session: &Session) {
    if load.dice.below(4) > 0 {
        // One whose server has ended is gone already.
        session.delete().await;
    }
}

/// One request; whether the session goes on.
async fn one(load: &Load, session: &Session, served: Served, prefix: &str, since: Instant) -> bool {
    let wish = load.wish(served);
    let mut ask = load.ask(served, wish, prefix, Some(since));
    if wish == Wish::List && !prefix.is_empty() {
        ask.wanted = String::from("\"calm__echo\"");
    }
    if wish == Wish::Trouble && served.name == "crashy" {
        load.ledger.blow(served.name, "crash");
    }
    match wish {
        Wish::Cancel => return cancel(load, session, ask).await,
        Wish::Cut => {
            let patience = Duration::from_millis(20 + load.dice.below(1000));
            let open = session.open_id(&ask.id, ask.method, &ask.params);
            // Disconnecting is not cancelling here: the call runs to its end, and nobody hears of it.
            let _ = tokio::time::timeout(patience, open).await;
            ask.ticket.cut();
            return true;
        }
        _ => {}
    }
    let exchange = session.open_id(&ask.id, ask.method, &ask.params).await;
    let (ask, responses) = read(load, session, exchange, ask).await;
    let Ask { ticket, id, wanted, due, .. } = ask;
    if wish == Wish::Trouble && served.name == "crashy" {
        load.ledger.blow(served.name, "crash");
    }
    finish(ticket, &id, &responses, &wanted, due) || !prefix.is_empty()
}

/// Reads an answer to its end and answers what is asked meanwhile; the responses.
async fn read(load: &Load, session: &Session, mut exchange: Exchange, mut ask: Ask) -> (Ask, Vec<Message>) {
    let mut responses = Vec::new();
    ask.ticket.note(format!("HTTP {}", exchange.status));
    while let Some(message) = exchange.next().await {
        load.hear(&mut ask, &message);
        if message.is_response() {
            responses.push(message);
        } else if message.is_request() {
            let id = message.id().unwrap_or_default();
            let told = session.respond(&id, ACCEPT).await;
            ask.ticket.note(format!("answered: HTTP {}", told.status));
        }
    }
    (ask, responses)
}

/// Cancels a call on its way. There may be no answer then, or an error.
async fn cancel(load: &Load, session: &Session, ask: Ask) -> bool {
    let (id, patience) = (ask.id.clone(), Duration::from_millis(20 + load.dice.below(1000)));
    let cancelling = async {
        tokio::time::sleep(patience).await;
        session.cancel(&id).await
    };
    let asking = async {
        let exchange = session.open_id(&ask.id, ask.method, &ask.params).await;
        read(load, session, exchange, Ask { id: id.clone(), ..ask }).await
    };
    let (told, (mut ask, responses)) = tokio::join!(cancelling, asking);
    ask.ticket.note(format!("cancelled: HTTP {}", told.status));
    if responses.len() > 1 || responses.iter().any(|answer| answer.error_code().is_none()) {
        // It may have crossed the answer, but only one that came at once.
        let Ask { ticket, id, wanted, .. } = ask;
        return finish(ticket, &id, &responses, &wanted, false);
    }
    ask.ticket.cancelled();
    told.status == 202
}

fn finish(mut ticket: Ticket, id: &str, responses: &[Message], wanted: &str, due: bool) -> bool {
    let blind = |answer: &Message| answer.error_code().is_some() && answer.value()["id"].is_null();
    if !responses.iter().all(|answer| answer.answers(id) || blind(answer)) {
        for answer in responses {
            ticket.note(crate::ledger::shown(answer.raw()));
        }
        ticket.wrong("somebody else's answer");
        return false;
    }
    ticket.settle(&responses.iter().collect::<Vec<_>>(), wanted, due)
}

//! Asking a running gateway, through its administration routes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, StatusCode};
use janua_wire::sse::Item;
use serde::de::DeserializeOwned;
use url::Url;

use super::Place;
use crate::config::{RemoteServer, RemoteTransport};
use crate::error::{Failure, Kind};
use crate::report::{LogLine, ServerReport, Status};
use crate::servers::http_client::{Ended, Events, Outgoing, Target, read};

/// Largest answer, and largest event.
const LARGEST: usize = 16 << 20;
/// How long an answer may take; a restart waits for the server.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running gateway.
pub struct Gateway {
    target: Target,
}

/// The lines of a server as they come.
pub struct Followed {
    events: Events,
}

impl Gateway {
    /// The gateway at that place.
    pub fn at(place: &Place) -> Result<Gateway, Failure> {
        let wrong = |_| Failure::new(Kind::Unreachable, "the gateway's address is none");
        let url = Url::parse(&format!("http://{}/", place.reached())).map_err(wrong)?;
        let (mut headers, transport) = (Vec::new(), RemoteTransport::Http);
        let token = place.token.as_ref().map(|token| HeaderValue::try_from(format!("Bearer {}", token.expose())));
        if let Some(Ok(mut value)) = token {
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        Ok(Gateway { target: Target::new(&RemoteServer { url, headers, transport, allow_private: true })? })
    }

    /// How it is.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.ask(Method::GET, &["status"]).await
    }

    /// Its servers.
    pub async fn servers(&self) -> Result<Vec<ServerReport>, Failure> {
        self.ask(Method::GET, &["servers"]).await
    }

    /// One of its servers.
    pub async fn server(&self, name: &str) -> Result<ServerReport, Failure> {
        self.ask(Method::GET, &["servers", name]).await
    }

    /// Gives a server new instances, and says how it is then.
    pub async fn restart(&self, name: &str) -> Result<ServerReport, Failure> {
        self.ask(Method::POST, &["servers", name, "restart"]).await
    }

    /// The last `lines` lines that a server's instances wrote to their standard error.
    pub async fn logs(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, Failure> {
        let mut url = self.url(&["servers", name, "logs"]);
        url.set_query(Some(&format!("lines={lines}")));
        let body = self.send(&Outgoing::bare(Method::GET, url)).await?;
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|_| not_understood())).collect()
    }

    /// The same, and those to come.
    pub async fn follow(&self, name: &str, lines: usize) -> Result<Followed, Failure> {
        let mut url = self.url(&["servers", name, "logs"]);
        url.set_query(Some(&format!("lines={lines}&follow=true")));
        let mut response = self.target.send(&Outgoing::get(url)).await?;
        if !response.status().is_success() {
            let body = read(&mut response, LARGEST).await.unwrap_or_default();
            return Err(refused(response.status(), &body));
        }
        Ok(Followed { events: Events::new(response, LARGEST) })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.target.url().clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(["admin", "v1"]).extend(path);
        }
        url
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &[&str]) -> Result<T, Failure> {
        let body = self.send(&Outgoing::bare(method, self.url(path))).await?;
        serde_json::from_slice(&body).map_err(|_| not_understood())
    }

    async fn send(&self, outgoing: &Outgoing) -> Result<Bytes, Failure> {
        let asked = async {
            let mut response = self.target.send(outgoing).await?;
            let body = read(&mut response, LARGEST).await.map_err(|ended| ended.failure())?;
            if response.status().is_success() { Ok(body) } else { Err(refused(response.status(), &body)) }
        };
        let late = |_| Failure::new(Kind::DeadlineExceeded, "the gateway did not answer in time");
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }
}

impl Followed {
    /// The next line; `None` when the gateway has ended or the server is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<LogLine>, Failure> {
        loop {
            match self.events.next().await {
                Ok(Item::Event(event)) if event.name.as_deref() == Some("end") => return Ok(None),
                Ok(Item::Event(event)) if !event.data.is_empty() => {
                    return serde_json::from_slice(&event.data).map(Some).map_err(|_| not_understood());
                }
                Ok(_) => {}
                Err(Ended::Closed | Ended::Broken(_)) => return Ok(None),
                Err(ended) => return Err(ended.failure()),
            }
        }
    }
}

fn not_understood() -> Failure {
    Failure::new(Kind::InvalidResponse, "the gateway's answer is not understood: is it of another version?")
}

/// What the gateway said instead of an answer.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let said = said.as_ref().and_then(|said| said["error"]["message"].as_str());
    let said = said.map_or_else(|| format!("the gateway answered with HTTP {}", status.as_u16()), str::to_owned);
    Failure::new(Kind::Unreachable, said)
}

//! HTTP+SSE toward a server (2024-11-05): one stream that carries all answers, one address to post to.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::sse::{Event, Item};
use url::Url;

use crate::error::{Failure, Kind};
use crate::servers::http_client::{self, Ended, Events, Media, Outgoing};
use crate::servers::remote::link::{Link, Reach, Shared};
use crate::servers::remote::posts::{Carrier, Parcel, Way};
use crate::servers::{Connection, Opening, Refusal};

/// Posts messages to the address that the stream named.
struct SseCarrier {
    link: Arc<Shared>,
    endpoint: Url,
}

/// Opens a link: the stream, the address, the handshake.
pub(crate) async fn open(reach: &Reach, opening: &Opening) -> Result<Arc<dyn Connection>, Refusal> {
    let mut events = connect(reach).await?;
    let endpoint = endpoint(reach, &mut events).await?;
    let shared = Shared::new(reach);
    shared.has_own_stream(true);
    let carrier = Arc::new(SseCarrier { link: shared.clone(), endpoint });
    let link = Link::new(shared.clone(), carrier, opening);
    let reader = shared.clone();
    shared.spawn("server event stream", async move {
        let why = read(&reader, events).await;
        reader.over(&why);
    });
    let opened = link.initialize(opening).await?;
    Ok(link.into_connection(opened, opening))
}

async fn connect(reach: &Reach) -> Result<Events, Failure> {
    let response = reach.target.send(&Outgoing::get(reach.target.url().clone())).await?;
    let status = response.status();
    if !status.is_success() {
        return Err(http_client::refusal(status, response.headers()));
    }
    if Media::of(&response) != Media::EventStream {
        let message = "the server does not answer with an event stream";
        return Err(Failure::new(Kind::StartFailed, message));
    }
    Ok(Events::new(response, reach.limits.server_message))
}

/// Waits for the event that says where messages go. Credentials go there too, so it has to be the same origin.
async fn endpoint(reach: &Reach, events: &mut Events) -> Result<Url, Failure> {
    loop {
        let event = match events.next().await {
            Ok(Item::Event(event)) if is_endpoint(&event) => event,
            Ok(_) => continue,
            Err(_) => {
                let message = "the server's event stream ended before it named an endpoint for messages";
                return Err(Failure::new(Kind::StartFailed, message));
            }
        };
        let named = String::from_utf8_lossy(&event.data);
        return reach.target.resolve(reach.target.url(), named.trim()).map_err(|origin| {
            let message =
                format!("the server named an endpoint for messages that is not at its own origin ({origin}): refused");
            Failure::new(Kind::StartFailed, message)
        });
    }
}

fn is_endpoint(event: &Event) -> bool {
    event.name.as_deref() == Some("endpoint")
}

/// Reads the stream to its end, which is the link's (2024-11-05: the stream is the session).
async fn read(link: &Shared, mut events: Events) -> Failure {
    loop {
        match events.next().await {
            Ok(Item::Event(event)) if is_endpoint(&event) => {
                tracing::warn!("ignored a second endpoint event of the server");
            }
            Ok(Item::Event(event)) if http_client::is_message(&event) => link.receive(event.data, None).await,
            Ok(_) => {}
            Err(Ended::Closed) => return Failure::new(Kind::Unreachable, "the server ended its event stream"),
            Err(Ended::Broken(cause)) => {
                return Failure::new(Kind::Unreachable, format!("the server's event stream broke: {cause}"));
            }
            // Whose message it is cannot be told, and nothing behind it can be read.
            Err(ended @ Ended::TooLarge) => return ended.failure(),
        }
    }
}

impl Carrier for SseCarrier {
    /// There is one stream for everything.
    fn attributes(&self) -> bool {
        false
    }

    fn transport(&self) -> &'static str {
        "HTTP+SSE"
    }

    fn carry(self: Arc<Self>, parcel: Parcel, way: Way) -> BoxFuture<'static, ()> {
        async move { self.post(parcel.line, parcel.about, way).await }.boxed()
    }
}

impl SseCarrier {
    async fn post(&self, message: Line, about: Option<LinkId>, mut way: Way) {
        let outgoing = Outgoing::post(self.endpoint.clone(), message, way.watcher());
        let mut response = match self.link.target.send(&outgoing).await {
            Ok(response) => response,
            Err(failure) => return self.link.fail(about, failure),
        };
        way.answered();
        let status = response.status();
        let body = http_client::read_aside(&mut response).await;
        if status.is_success() {
            return;
        }
        if let Some(link) = about
            && http_client::error_for(&body, link).is_some()
        {
            return self.link.receive(body, about).await;
        }
        let failure = http_client::refusal(status, response.headers());
        self.link.fail(about, failure);
        if status == StatusCode::NOT_FOUND {
            self.link.over(&Failure::new(Kind::SessionLost, "the server does not know the session any more"));
        }
    }
}

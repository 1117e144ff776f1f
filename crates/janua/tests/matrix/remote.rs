//! The servers in this process, whichever transport they have.

use janua_testkit::client::message::Message;
use janua_testkit::upstream::modern::ModernServer;
use janua_testkit::upstream::modern_socket::ModernSocketServer;
use janua_testkit::upstream::site::{Seen, Site};
use janua_testkit::upstream::sse::SseServer;
use janua_testkit::upstream::streamable::StreamableServer;
use janua_testkit::upstream::websocket::WebSocketServer;

use super::kinds::ServerKind;

/// A running server.
pub(crate) enum Remote {
    Http(StreamableServer),
    Modern(ModernServer),
    Sse(SseServer),
    Socket(WebSocketServer),
    ModernSocket(ModernSocketServer),
}

impl Remote {
    /// Starts a server of this kind, with these results by method if it is one that says what it is told to, and
    /// with tools in two pages if it is not; `None` if the kind is none that listens.
    pub(crate) async fn start(kind: ServerKind, results: &[(&str, &str)], pages: bool) -> Option<Self> {
        // Another path than Janua's own, so that the one is not taken for the other.
        let streamable = || {
            let server = StreamableServer::builder().path("/elsewhere");
            results.iter().fold(server, |server, (method, result)| server.on(method, result))
        };
        Some(match kind {
            ServerKind::Http => Self::Http(streamable().start().await),
            ServerKind::HttpStateless => {
                Self::Http(streamable().without_sessions().without_get().without_delete().start().await)
            }
            ServerKind::HttpJson => {
                Self::Http(streamable().json().without_sessions().without_get().without_delete().start().await)
            }
            ServerKind::Http2026 => {
                let server = ModernServer::builder().path("/elsewhere");
                Self::Modern(if pages { server.pages() } else { server }.start().await)
            }
            ServerKind::Sse => {
                let server = results.iter().fold(SseServer::builder(), |server, (method, it)| server.on(method, it));
                Self::Sse(server.start().await)
            }
            ServerKind::WebSocket => {
                let builder = WebSocketServer::builder();
                let server = results.iter().fold(builder, |server, (method, result)| server.on(method, result));
                Self::Socket(server.start().await)
            }
            ServerKind::WebSocket2026 => Self::ModernSocket(ModernSocketServer::start(pages).await),
            ServerKind::Stdio | ServerKind::Stdio2026 | ServerKind::StdioDual | ServerKind::Demo => return None,
        })
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Http(server) => server.url(),
            Self::Modern(server) => server.url(),
            Self::Sse(server) => server.url(),
            Self::Socket(server) => server.url(),
            Self::ModernSocket(server) => server.url(),
        }
    }

    fn site(&self) -> Option<&Site> {
        match self {
            Self::Http(server) => Some(&server.site),
            Self::Modern(server) => Some(&server.site),
            Self::Sse(server) => Some(&server.site),
            Self::Socket(_) | Self::ModernSocket(_) => None,
        }
    }

    /// Every message that reached it.
    pub(crate) fn seen(&self) -> Vec<Message> {
        match self {
            Self::Socket(server) => server.seen(),
            Self::ModernSocket(server) => server.seen(),
            _ => self.site().map(Site::seen).unwrap_or_default().iter().filter_map(Seen::message).collect(),
        }
    }

    /// What was done to it that its revision forbids.
    pub(crate) fn faults(&self) -> Vec<String> {
        match self {
            Self::Modern(server) => server.faults(),
            Self::ModernSocket(server) => server.engine().faults(),
            _ => Vec::new(),
        }
    }

    /// How many calls of this tool were cancelled; nothing where the server does not tell.
    pub(crate) fn cancelled(&self, tool: &str) -> Option<u64> {
        let tally = match self {
            Self::Modern(server) => server.engine().tally(),
            Self::ModernSocket(server) => server.engine().tally(),
            _ => return None,
        };
        Some(tally[tool]["cancelled"].as_u64().unwrap_or_default())
    }

    /// How many subscriptions are open that are requests; nothing where there are none such.
    pub(crate) fn subscriptions(&self) -> Option<usize> {
        match self {
            Self::Modern(server) => Some(server.engine().subscriptions()),
            Self::ModernSocket(server) => Some(server.engine().subscriptions()),
            _ => None,
        }
    }

    /// How many sessions it has; those without an id do not count, as they cannot end.
    pub(crate) fn sessions(&self) -> usize {
        match self {
            Self::Http(server) => server.sessions().iter().filter(|id| !id.is_empty()).count(),
            Self::Sse(server) => server.sessions().len(),
            Self::Socket(server) => server.open(),
            Self::Modern(_) | Self::ModernSocket(_) => 0,
        }
    }

    /// Lets one slow call go on.
    pub(crate) fn release(&self) {
        match self {
            Self::Http(server) => server.release(1),
            Self::Sse(server) => server.release(1),
            Self::Socket(server) => server.release(1),
            Self::Modern(_) | Self::ModernSocket(_) => {}
        }
    }

    /// Sends a message that belongs to no request.
    pub(crate) async fn push(&self, text: &str) {
        match self {
            Self::Http(server) => server.push(text),
            Self::Sse(server) => server.push(text),
            Self::Socket(server) => server.push(text).await,
            Self::Modern(_) | Self::ModernSocket(_) => panic!("it says nothing of its own accord"),
        }
    }

    /// Ends it with everything it has open.
    pub(crate) async fn end(self) {
        if let Some(site) = self.site() {
            site.cut_connections();
        } else if let Self::Socket(server) = &self {
            server.cut_connections().await;
        }
    }
}

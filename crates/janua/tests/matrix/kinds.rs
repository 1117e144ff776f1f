//! The kinds of clients and servers there are: what each is called and how it is told apart.

/// A kind of client that Janua serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClientKind {
    Sse2024,
    Http202503,
    Http202506,
    Http202511,
    Sessionless,
    Http2026,
    Stdio,
    Stdio2026,
    WebSocket,
    WebSocket2026,
}

/// A kind of server that Janua fronts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerKind {
    Stdio,
    Stdio2026,
    StdioDual,
    Http,
    HttpStateless,
    HttpJson,
    Http2026,
    Sse,
    WebSocket,
    WebSocket2026,
    Demo,
}

/// Which revisions something speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Those with a handshake.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// What a server is made of, and so how it is brought to do things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    /// The program `probe`, or another where it does not have everything.
    Probe,
    /// A server in this process that says what it is told to.
    Scripted,
    /// `everything`.
    Everything,
    /// Janua's own.
    Demo,
}

impl ClientKind {
    /// In the order of the declaration's columns.
    pub(crate) const ALL: [Self; 10] = [
        Self::Sse2024,
        Self::Http202503,
        Self::Http202506,
        Self::Http202511,
        Self::Sessionless,
        Self::Http2026,
        Self::Stdio,
        Self::Stdio2026,
        Self::WebSocket,
        Self::WebSocket2026,
    ];

    /// Its name in the declaration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sse2024 => "sse-2024-11-05",
            Self::Http202503 => "http-2025-03-26",
            Self::Http202506 => "http-2025-06-18",
            Self::Http202511 => "http-2025-11-25",
            Self::Sessionless => "http-sessionless",
            Self::Http2026 => "http-2026-07-28",
            Self::Stdio => "stdio",
            Self::Stdio2026 => "stdio-2026-07-28",
            Self::WebSocket => "websocket",
            Self::WebSocket2026 => "websocket-2026-07-28",
        }
    }

    /// What the page says it is.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Sse2024 => "HTTP+SSE, revision 2024-11-05",
            Self::Http202503 => "Streamable HTTP with a session, revision 2025-03-26",
            Self::Http202506 => "Streamable HTTP with a session, revision 2025-06-18",
            Self::Http202511 => "Streamable HTTP with a session, revision 2025-11-25",
            Self::Sessionless => "Streamable HTTP without a session (`--stateless`), revision 2025-11-25",
            Self::Http2026 => "Streamable HTTP, revision 2026-07-28, which has no sessions",
            Self::Stdio => "standard input and output (`janua connect`), revision 2025-11-25",
            Self::Stdio2026 => "standard input and output (`janua connect`), revision 2026-07-28",
            Self::WebSocket => "WebSocket (`/ws`), revision 2025-11-25",
            Self::WebSocket2026 => "WebSocket (`/ws`), revision 2026-07-28",
        }
    }

    /// The revision it asks for.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Sse2024 => "2024-11-05",
            Self::Http202503 => "2025-03-26",
            Self::Http202506 => "2025-06-18",
            Self::Http202511 | Self::Sessionless | Self::Stdio | Self::WebSocket => "2025-11-25",
            Self::Http2026 | Self::Stdio2026 | Self::WebSocket2026 => "2026-07-28",
        }
    }

    /// The era of its revision.
    pub(crate) fn era(self) -> Era {
        match self {
            Self::Http2026 | Self::Stdio2026 | Self::WebSocket2026 => Era::Modern,
            _ => Era::Legacy,
        }
    }

    /// Whether it has no handshake.
    pub(crate) fn is_modern(self) -> bool {
        self.era() == Era::Modern
    }

    /// Whether one channel carries everything both ways.
    pub(crate) fn is_duplex(self) -> bool {
        matches!(self, Self::Sse2024 | Self::Stdio | Self::Stdio2026 | Self::WebSocket | Self::WebSocket2026)
    }

    /// Whether it runs Janua as a program of its own.
    pub(crate) fn is_program(self) -> bool {
        matches!(self, Self::Stdio | Self::Stdio2026)
    }

    /// Whether it is tried with a gateway of several servers, too: one of each transport and each era.
    pub(crate) fn has_union(self) -> bool {
        matches!(self, Self::Sse2024 | Self::Http202511 | Self::Http2026 | Self::WebSocket2026)
    }

    /// Whether each of its requests stands alone though its revision has sessions.
    pub(crate) fn is_sessionless(self) -> bool {
        self == Self::Sessionless
    }

    /// What it can be asked, as far as its revision has it.
    pub(crate) fn capabilities(self) -> &'static str {
        if self.is_modern() {
            r#"{"roots":{},"sampling":{},"elicitation":{"form":{},"url":{}}}"#
        } else if self.version() == "2025-11-25" {
            r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}}}"#
        } else {
            r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}"#
        }
    }
}

impl ServerKind {
    /// In the order of the page.
    pub(crate) const ALL: [Self; 11] = [
        Self::Stdio,
        Self::Stdio2026,
        Self::StdioDual,
        Self::Http,
        Self::HttpStateless,
        Self::HttpJson,
        Self::Http2026,
        Self::Sse,
        Self::WebSocket,
        Self::WebSocket2026,
        Self::Demo,
    ];

    /// Its name in the declaration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Stdio2026 => "stdio-2026-07-28",
            Self::StdioDual => "stdio-dual",
            Self::Http => "http",
            Self::HttpStateless => "http-stateless",
            Self::HttpJson => "http-json",
            Self::Http2026 => "http-2026-07-28",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
            Self::WebSocket2026 => "websocket-2026-07-28",
            Self::Demo => "demo",
        }
    }

    /// What the page says it is.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Stdio => "a program that speaks the revisions up to 2025-11-25 over its standard input and output",
            Self::Stdio2026 => "a program that speaks 2026-07-28 alone over its standard input and output",
            Self::StdioDual => "a program of both eras, which stays with the one that is spoken first",
            Self::Http => "a remote server over Streamable HTTP with sessions, revisions 2025-03-26 to 2025-11-25",
            Self::HttpStateless => "the same without sessions and without a stream of its own",
            Self::HttpJson => "the same without sessions, which answers with JSON alone and so can say nothing besides",
            Self::Http2026 => "a remote server over Streamable HTTP, revision 2026-07-28 alone",
            Self::Sse => "a remote server over HTTP+SSE, revision 2024-11-05",
            Self::WebSocket => "a remote server over WebSocket, revisions up to 2025-11-25",
            Self::WebSocket2026 => "a remote server over WebSocket, revision 2026-07-28 alone",
            Self::Demo => "the built-in server `everything`, in process, in Rust (`--demo`)",
        }
    }

    /// What it is made of.
    pub(crate) fn make(self) -> Make {
        match self {
            Self::Stdio => Make::Probe,
            Self::Http | Self::HttpStateless | Self::HttpJson | Self::Sse | Self::WebSocket => Make::Scripted,
            Self::Stdio2026 | Self::StdioDual | Self::Http2026 | Self::WebSocket2026 => Make::Everything,
            Self::Demo => Make::Demo,
        }
    }

    /// The era it is spoken to in when a client of this kind comes; the demo server has both.
    pub(crate) fn era(self, client: ClientKind) -> Era {
        match self {
            Self::Stdio2026 | Self::Http2026 | Self::WebSocket2026 => Era::Modern,
            Self::StdioDual | Self::Demo => client.era(),
            _ => Era::Legacy,
        }
    }

    /// Whether it is a program that Janua runs.
    pub(crate) fn is_program(self) -> bool {
        matches!(self, Self::Stdio | Self::Stdio2026 | Self::StdioDual)
    }

    /// Whether it can say something that belongs to no request.
    pub(crate) fn speaks_up(self) -> bool {
        !matches!(self, Self::HttpStateless | Self::HttpJson)
    }

    /// Whether it can say something before it answers.
    pub(crate) fn says_besides(self) -> bool {
        self != Self::HttpJson
    }
}

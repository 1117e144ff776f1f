//! The kinds of clients and servers there are: what each is called and how it is told apart.

/// A kind of client that Janua serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClientKind {
    Sse2024,
    Http202503,
    Http202506,
    Http202511,
    Sessionless,
    Stdio,
}

/// A kind of server that Janua fronts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerKind {
    Stdio,
    Http,
    Sse,
    Demo,
}

/// A kind that is turned away as a whole; one verdict stands for all its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closed {
    ModernHttpClient,
    ModernStdioClient,
    RestClient,
    ModernHttpServer,
    ModernStdioServer,
}

impl ClientKind {
    /// In the order of the declaration's columns.
    pub(crate) const ALL: [Self; 6] =
        [Self::Sse2024, Self::Http202503, Self::Http202506, Self::Http202511, Self::Sessionless, Self::Stdio];

    /// Its name in the declaration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sse2024 => "sse-2024-11-05",
            Self::Http202503 => "http-2025-03-26",
            Self::Http202506 => "http-2025-06-18",
            Self::Http202511 => "http-2025-11-25",
            Self::Sessionless => "http-sessionless",
            Self::Stdio => "stdio",
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
            Self::Stdio => "standard input and output (`janua connect`), revision 2025-11-25",
        }
    }

    /// The revision it asks for.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Sse2024 => "2024-11-05",
            Self::Http202503 => "2025-03-26",
            Self::Http202506 => "2025-06-18",
            Self::Http202511 | Self::Sessionless | Self::Stdio => "2025-11-25",
        }
    }

    /// Whether one channel carries everything both ways.
    pub(crate) fn is_duplex(self) -> bool {
        matches!(self, Self::Sse2024 | Self::Stdio)
    }
}

impl ServerKind {
    /// In the order of the page.
    pub(crate) const ALL: [Self; 4] = [Self::Stdio, Self::Http, Self::Sse, Self::Demo];

    /// Its name in the declaration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Sse => "sse",
            Self::Demo => "demo",
        }
    }

    /// What the page says it is.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Stdio => "a program that speaks over its standard input and output",
            Self::Http => "a remote server over Streamable HTTP, revisions 2025-03-26 to 2025-11-25",
            Self::Sse => "a remote server over HTTP+SSE, revision 2024-11-05",
            Self::Demo => "the built-in demo server, in process: tools that echo, add, count down and greet",
        }
    }
}

impl Closed {
    /// In the order of the page.
    pub(crate) const ALL: [Self; 5] = [
        Self::ModernHttpClient,
        Self::ModernStdioClient,
        Self::RestClient,
        Self::ModernHttpServer,
        Self::ModernStdioServer,
    ];

    /// Its name in the declaration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ModernHttpClient => "client-http-2026-07-28",
            Self::ModernStdioClient => "client-stdio-2026-07-28",
            Self::RestClient => "client-rest",
            Self::ModernHttpServer => "server-http-2026-07-28",
            Self::ModernStdioServer => "server-stdio-2026-07-28",
        }
    }

    /// What the page says it is.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::ModernHttpClient => "a client of 2026-07-28 alone, over HTTP",
            Self::ModernStdioClient => "a client of 2026-07-28 alone, over standard input and output",
            Self::RestClient => "a program that calls tools as plain HTTP",
            Self::ModernHttpServer => "a server of 2026-07-28 alone, over HTTP",
            Self::ModernStdioServer => "a server of 2026-07-28 alone, over standard input and output",
        }
    }

    /// Whether it is a client.
    pub(crate) fn is_client(self) -> bool {
        self.name().starts_with("client-")
    }
}

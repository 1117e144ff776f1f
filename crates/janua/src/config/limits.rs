//! Every bound in one place: sizes in bytes, counts, and times.

use std::time::Duration;

/// The limits of one gateway. The defaults hold unless configured otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body.
    pub request_body: usize,
    /// Longest line of a server, and largest message of a remote one.
    pub server_message: usize,
    /// Longest wait for the next part of a request body.
    pub body_idle: Duration,
    /// Longest time for a whole request body, besides a second for every 64 KiB of it.
    pub body_total: Duration,
    /// Longest time to read a request's header.
    pub header: Duration,
    /// Longest wait for a reply without a sign of progress.
    pub call: Duration,
    /// Longest wait for a reply at all, and for an answer to a server's question.
    pub call_total: Duration,
    /// Longest time to start a server and to get its answer to `initialize`.
    pub start: Duration,
    /// Longest time a server may leave its standard input unread while something waits to be written.
    pub write_stall: Duration,
    /// Messages that may wait to be written to one server.
    pub server_queue_items: usize,
    /// Bytes that may wait to be written to one server; sixteen messages always may.
    pub server_queue_bytes: usize,
    /// Requests of one session under way at once. One for plain HTTP requests may have as many as one server.
    pub session_requests: usize,
    /// Sessions at once.
    pub sessions: usize,
    /// Instances of one server that is in a folder, at once for one user id.
    pub user_instances: usize,
    /// Users of one server who have links to it.
    pub users: usize,
    /// Idle time after which a session ends.
    pub session_idle: Duration,
    /// Time after the end of its last call after which a session of plain HTTP requests ends.
    pub rest_idle: Duration,
    /// Sessions of plain HTTP requests that one principal, or one address, may have at once.
    pub rest_sessions: usize,
    /// Age at which a session ends even if it is used.
    pub session_age: Duration,
    /// Events kept per stream: waiting to be read, or kept for a client that comes back.
    pub stream_events: usize,
    /// Bytes kept per stream.
    pub stream_bytes: usize,
    /// How long a finished stream is kept for a client that comes back.
    pub stream_kept: Duration,
    /// Silence after which an answer that could still be plain JSON becomes an event stream, so that nothing on the
    /// way takes it for dead. Some clients read no event above 1 MiB, so a small value costs them large results.
    pub stream_after: Duration,
    /// Time between comments that keep a stream alive.
    pub keep_alive: Duration,
    /// Connections at once; never more than half of the descriptors that the process may have.
    pub connections: usize,
    /// Connections at once from one address, in IPv6 from one /64. 127.0.0.1 and ::1 may have any number: behind them
    /// can be all clients of a reverse proxy.
    pub source_connections: usize,
    /// Requests under way at once.
    pub requests: usize,
    /// Requests under way at once at one server.
    pub server_requests: usize,
    /// Streams of changes at once (2026-07-28 `subscriptions/listen`).
    pub streams: usize,
    /// Bytes of request bodies at once, that are being read or wait for their answers.
    pub body_bytes: usize,
    /// Programs running at once.
    pub children: usize,
    /// Servers being started at once, as long as they take no longer than a few seconds.
    pub starts: usize,
    /// Longest wait for one server's part of a list.
    pub list: Duration,
    /// How long a list is taken for true that its server promises no news of.
    pub list_fresh: Duration,
    /// Calls at once that wait for clients to come back with answers (2026-07-28).
    pub parked: usize,
    /// How long such a call may wait.
    pub parked_for: Duration,
    /// How long a stopping server may take after its standard input was closed.
    pub stop_eof: Duration,
    /// How long it may take after SIGTERM.
    pub stop_term: Duration,
    /// How long running requests may take when the gateway stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Limits {
            request_body: 4 << 20,
            server_message: 16 << 20,
            body_idle: seconds(30),
            body_total: seconds(60),
            header: seconds(10),
            call: seconds(60),
            call_total: seconds(900),
            start: seconds(60),
            write_stall: seconds(30),
            server_queue_items: 128,
            server_queue_bytes: 8 << 20,
            session_requests: 64,
            sessions: 1024,
            user_instances: 16,
            users: 10_000,
            session_idle: super::SESSION_TIMEOUT,
            rest_idle: seconds(600),
            rest_sessions: 256,
            session_age: seconds(24 * 3600),
            stream_events: 256,
            stream_bytes: 4 << 20,
            stream_kept: seconds(300),
            stream_after: seconds(15),
            keep_alive: seconds(15),
            connections: 10_000,
            source_connections: 256,
            requests: 4096,
            server_requests: 256,
            streams: 4096,
            body_bytes: 256 << 20,
            children: 256,
            starts: 8,
            list: seconds(10),
            list_fresh: seconds(5),
            parked: 256,
            parked_for: seconds(900),
            stop_eof: seconds(2),
            stop_term: seconds(3),
            drain: seconds(30),
        }
    }
}

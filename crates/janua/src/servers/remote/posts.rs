//! Messages on their way to a remote server: a task for each, bounded, in order where the order matters.
//!
//! Over HTTP each message is a request of its own, and nothing keeps one from overtaking another. So it is done
//! here:
//! - Notifications and answers go one after another, each when the one before was answered.
//! - A request waits for the notifications and answers that were accepted before it. That is how
//!   `notifications/initialized` comes before the first request. Requests do not wait for each other.
//! - A cancellation waits until its request was written whole, and then until the server answers it with a status,
//!   or for a moment: a server that answers with JSON shows nothing before the result. The cancellation of a
//!   request that was not sent yet takes the request back, and is not sent either. Where leaving the exchange is
//!   the cancellation (2026-07-28), it is left at once.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use janua_wire::message::Request;
use janua_wire::method::Method;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::link::Shared;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::http_client::Watcher;
use crate::servers::peer::Outbox;

/// So long what comes later waits for the answer to a notification.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long a cancellation waits for a status once its request was written.
const GRACE: Duration = Duration::from_millis(100);
/// So many messages may be on their way whatever their size.
const ALWAYS: usize = 16;

/// Takes single messages to the server.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// What has to be known of a request when it is sent, taken from it while its parts are known.
    fn label(&self, _request: &Request) -> Label {
        Label::default()
    }

    /// Sends one message and sees to what comes back. A request is settled when this resolves, unless its answer
    /// comes another way.
    fn carry(self: Arc<Self>, parcel: Parcel, way: Way) -> BoxFuture<'static, ()>;

    /// A notification or an answer has reached the server, as far as one can wait for it.
    fn passed(self: Arc<Self>, _line: &Line) {}

    /// Whether a request is cancelled by leaving its exchange, and not by a message of its own.
    fn cancels_by_leaving(&self) -> bool {
        false
    }

    /// Whether what a server says in mid-call comes in the answer to the call's own POST.
    fn attributes(&self) -> bool {
        true
    }

    /// What it is, for people.
    fn transport(&self) -> &'static str {
        "Streamable HTTP"
    }

    /// Takes leave when the link is over.
    fn farewell(self: Arc<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

/// What a carrier noted of a request.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) method: Method,
    /// Headers that go with this request only.
    pub(crate) headers: HeaderMap,
}

/// One message to be sent.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) line: Line,
    /// The request that it is, if it is one.
    pub(crate) about: Option<LinkId>,
    pub(crate) label: Label,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Step {
    /// It waits for its turn.
    Waiting,
    /// It is being sent.
    Sending,
    /// All of it was given to the connection.
    Written,
    /// The server has answered it, at least with a status.
    Answered,
    /// It will not reach the server.
    Lost,
}

/// The way of one message, for all who look at it.
struct Course {
    /// A [`Step`]; it only grows.
    step: AtomicU8,
    moved: Notify,
    /// Nobody wants the rest.
    stopped: Notify,
}

/// One message's way, told by whoever carries it.
pub(crate) struct Way {
    course: Arc<Course>,
    place: Option<Place>,
}

/// The way to one server.
pub(crate) struct Posts(Arc<Inner>);

struct Inner {
    link: Arc<Shared>,
    carrier: Arc<dyn Carrier>,
    state: Lock<State>,
    /// How many of the notifications and answers that were accepted have passed.
    passed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    /// Notifications and answers that wait for the one before them.
    lane: VecDeque<(Line, Place)>,
    /// Whether a task works on the lane.
    moving: bool,
    accepted: u64,
    /// Requests that are carried.
    flights: HashMap<LinkId, Arc<Course>>,
    items: usize,
    bytes: usize,
}

/// A message's share of what may be on its way at once.
struct Place {
    inner: Weak<Inner>,
    bytes: usize,
}

impl Posts {
    pub(crate) fn new(link: Arc<Shared>, carrier: Arc<dyn Carrier>) -> Posts {
        let passed = watch::Sender::new(0);
        Posts(Arc::new(Inner { link, carrier, state: Lock::default(), passed }))
    }
}

impl Outbox for Posts {
    fn send(&self, line: Line, about: Option<LinkId>) -> Result<(), Failure> {
        let inner = &self.0;
        if let Some(request) = about {
            // The second message about a request is its cancellation. It takes no place: there is one per request.
            let flight = inner.state.lock().flights.get(&request).cloned();
            return match flight {
                Some(flight) => self.withdraw(line, flight),
                None => self.dispatch(line, request, Label::default()),
            };
        }
        self.check()?;
        let mut state = inner.state.lock();
        let place = inner.place(&mut state, line.len())?;
        state.accepted += 1;
        state.lane.push_back((line, place));
        let idle = !std::mem::replace(&mut state.moving, true);
        drop(state);
        if idle {
            inner.link.spawn("messages to server", move_lane(inner.clone()));
        }
        Ok(())
    }

    fn request(&self, request: &Request, link: LinkId) -> Result<(), Failure> {
        self.dispatch(request.stamped(link), link, self.0.carrier.label(request))
    }
}

impl Posts {
    /// Without a runtime (a reply dropped after its end) nothing can be sent.
    fn check(&self) -> Result<(), Failure> {
        if self.0.link.is_over() || Handle::try_current().is_err() {
            return Err(Failure::new(Kind::Unreachable, "the connection to the server is over"));
        }
        Ok(())
    }

    fn dispatch(&self, line: Line, request: LinkId, label: Label) -> Result<(), Failure> {
        self.check()?;
        let inner = &self.0;
        let mut state = inner.state.lock();
        let place = inner.place(&mut state, line.len())?;
        let course = Arc::new(Course::at(Step::Waiting));
        state.flights.insert(request, course.clone());
        let before = state.accepted;
        drop(state);
        let landing = Landing { inner: inner.clone(), request };
        let parcel = Parcel { line, about: Some(request), label };
        inner.link.spawn("request to server", fly(landing, parcel, before, Way { course, place: Some(place) }));
        Ok(())
    }

    fn withdraw(&self, line: Line, flight: Arc<Course>) -> Result<(), Failure> {
        if self.0.carrier.cancels_by_leaving() {
            flight.stopped.notify_one();
            return Ok(());
        }
        self.check()?;
        self.0.link.spawn("cancellation to server", withdraw(self.0.clone(), line, flight));
        Ok(())
    }
}

impl Inner {
    fn place(self: &Arc<Self>, state: &mut State, bytes: usize) -> Result<Place, Failure> {
        let limits = &self.link.limits;
        let full = state.items >= limits.server_queue_items
            || (state.items >= ALWAYS && state.bytes + bytes > limits.server_queue_bytes);
        if full {
            let message = "the server does not keep up: too many messages wait for it";
            return Err(Failure::new(Kind::Overloaded, message).retry_after(Duration::from_secs(1)));
        }
        state.items += 1;
        state.bytes += bytes;
        Ok(Place { inner: Arc::downgrade(self), bytes })
    }

    fn next_in_lane(&self) -> Option<(Line, Place)> {
        let mut state = self.state.lock();
        let next = state.lane.pop_front();
        state.moving = next.is_some();
        next
    }
}

/// Carries a request when its turn has come.
async fn fly(landing: Landing, parcel: Parcel, before: u64, way: Way) {
    let inner = &landing.inner;
    let course = way.course.clone();
    let carried = async {
        if *inner.passed.borrow() < before {
            let _ = inner.passed.subscribe().wait_for(|passed| *passed >= before).await;
        }
        if way.course.starts(Step::Sending) {
            inner.carrier.clone().carry(parcel, way).await;
        }
    };
    tokio::select! {
        biased;
        () = course.stopped.notified() => {}
        () = carried => {}
    }
}

/// Carries a cancellation after its request, and ends the request's exchange then: nobody reads it any more.
async fn withdraw(inner: Arc<Inner>, line: Line, flight: Arc<Course>) {
    if flight.starts(Step::Lost) {
        return flight.stopped.notify_one();
    }
    let limits = &inner.link.limits;
    let _ = timeout(limits.write_stall, flight.reaches(Step::Written)).await;
    let _ = timeout(GRACE, flight.reaches(Step::Answered)).await;
    if flight.step() != Step::Lost as u8 {
        let way = Way { course: Arc::new(Course::at(Step::Sending)), place: None };
        let parcel = Parcel { line, about: None, label: Label::default() };
        let _ = timeout(limits.call, inner.carrier.clone().carry(parcel, way)).await;
    }
    flight.stopped.notify_one();
}

/// Carries what is in the lane, one after another.
async fn move_lane(inner: Arc<Inner>) {
    while let Some((line, place)) = inner.next_in_lane() {
        let course = Arc::new(Course::at(Step::Sending));
        let way = Way { course: course.clone(), place: Some(place) };
        let parcel = Parcel { line: line.clone(), about: None, label: Label::default() };
        let carried = inner.carrier.clone().carry(parcel, way);
        let limit = inner.link.limits.call;
        // A task of its own, so that one which is not answered holds up the others for a time only.
        inner.link.spawn("message to server", async move {
            let _ = timeout(limit, carried).await;
        });
        let _ = timeout(PATIENCE, course.reaches(Step::Answered)).await;
        inner.carrier.clone().passed(&line);
        inner.passed.send_modify(|passed| *passed += 1);
    }
}

impl Default for Label {
    fn default() -> Self {
        Label { method: Method::Other, headers: HeaderMap::new() }
    }
}

impl Course {
    fn at(step: Step) -> Self {
        Course { step: AtomicU8::new(step as u8), moved: Notify::new(), stopped: Notify::new() }
    }

    fn step(&self) -> u8 {
        self.step.load(Ordering::Acquire)
    }

    /// Goes from waiting to `step`; false if it did not wait any more.
    fn starts(&self, step: Step) -> bool {
        let waiting = Step::Waiting as u8;
        let started = self.step.compare_exchange(waiting, step as u8, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if started {
            self.moved.notify_waiters();
        }
        started
    }

    /// Goes on to `step`, unless it is there or further.
    fn raise(&self, step: Step) {
        if self.step.fetch_max(step as u8, Ordering::AcqRel) < step as u8 {
            self.moved.notify_waiters();
        }
    }

    /// Resolves when `step` is reached or passed.
    async fn reaches(&self, step: Step) {
        loop {
            let moved = self.moved.notified();
            if self.step() >= step as u8 {
                return;
            }
            moved.await;
        }
    }
}

impl Watcher for Course {
    fn written(&self) {
        self.raise(Step::Written);
    }
}

impl Way {
    /// Who wants to know when all of the message was given to the connection.
    pub(crate) fn watcher(&self) -> Arc<dyn Watcher> {
        self.course.clone()
    }

    /// The server has answered, at least with a status.
    pub(crate) fn answered(&mut self) {
        self.place = None;
        self.course.raise(Step::Answered);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let arrived = self.course.step() >= Step::Written as u8;
        self.course.raise(if arrived { Step::Answered } else { Step::Lost });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            let mut state = inner.state.lock();
            state.items -= 1;
            state.bytes -= self.bytes;
        }
    }
}

/// Takes a request off the list, however its carrying ended.
struct Landing {
    inner: Arc<Inner>,
    request: LinkId,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.inner.state.lock().flights.remove(&self.request);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::config::{Limits, RemoteServer, RemoteTransport};
    use crate::servers::http_client::Target;
    use crate::servers::remote::link::Reach;
    use crate::tasks::Tasks;

    /// Takes messages and answers none of its own accord.
    #[derive(Default)]
    struct Hand(Lock<Vec<(String, Way)>>);

    impl Carrier for Hand {
        fn carry(self: Arc<Self>, parcel: Parcel, way: Way) -> BoxFuture<'static, ()> {
            async move {
                let text = String::from_utf8_lossy(&parcel.line.into_bytes()).into_owned();
                self.0.lock().push((text, way));
                std::future::pending::<()>().await;
            }
            .boxed()
        }
    }

    impl Hand {
        /// What was sent so far, once nothing moves any more.
        async fn sent(&self) -> Vec<String> {
            // Time stands still and moves on only when every task waits.
            sleep(Duration::from_millis(1)).await;
            self.0.lock().iter().map(|(text, _)| text.clone()).collect()
        }

        fn answer(&self, text: &str) {
            self.0.lock().iter_mut().filter(|(sent, _)| sent == text).for_each(|(_, way)| way.answered());
        }

        fn write(&self, text: &str) {
            let watcher = self.0.lock().iter().find(|(sent, _)| sent == text).map(|(_, way)| way.watcher());
            watcher.expect("it was sent").written();
        }
    }

    fn posts(limits: Limits) -> (Arc<Hand>, Posts) {
        let url = "http://127.0.0.1:1/".parse().expect("a URL");
        let server = RemoteServer { url, headers: Vec::new(), transport: RemoteTransport::Http, allow_private: true };
        let target = Arc::new(Target::new(&server).expect("valid"));
        let reach = Reach { target, limits: Arc::new(limits), tasks: Tasks::default() };
        let hand = Arc::new(Hand::default());
        (hand.clone(), Posts::new(Shared::new(&reach), hand))
    }

    fn send(posts: &Posts, text: &'static str, about: Option<u64>) -> Result<(), Failure> {
        posts.send(Bytes::from_static(text.as_bytes()).into(), about.map(LinkId))
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_what_was_said_before_and_not_for_each_other() {
        let (hand, posts) = posts(Limits::default());
        for (text, about) in [("n1", None), ("n2", None), ("r1", Some(1)), ("r2", Some(2)), ("n3", None)] {
            send(&posts, text, about).expect("room");
        }
        assert_eq!(hand.sent().await, ["n1"]);
        hand.answer("n1");
        assert_eq!(hand.sent().await, ["n1", "n2"]);
        hand.answer("n2");
        let mut sent = hand.sent().await;
        sent.sort();
        assert_eq!(sent, ["n1", "n2", "n3", "r1", "r2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_notification_without_answer_holds_the_others_up_for_a_time_only() {
        let (hand, posts) = posts(Limits::default());
        let started = Instant::now();
        send(&posts, "n1", None).expect("room");
        send(&posts, "r1", Some(1)).expect("room");
        while hand.sent().await.len() < 2 {}
        let waited = started.elapsed();
        assert!((PATIENCE..PATIENCE * 2).contains(&waited), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_not_sent_is_taken_back() {
        let (hand, posts) = posts(Limits::default());
        for (text, about) in [("n1", None), ("r1", Some(1)), ("c1", Some(1))] {
            send(&posts, text, about).expect("room");
        }
        assert_eq!(hand.sent().await, ["n1"]);
        hand.answer("n1");
        assert_eq!(hand.sent().await, ["n1"]);
        send(&posts, "r2", Some(2)).expect("room");
        assert_eq!(hand.sent().await, ["n1", "r2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancellation_waits_for_its_request_to_be_written_and_answered() {
        let (hand, posts) = posts(Limits::default());
        send(&posts, "r1", Some(1)).expect("room");
        assert_eq!(hand.sent().await, ["r1"]);
        send(&posts, "c1", Some(1)).expect("room");
        sleep(GRACE * 10).await;
        assert_eq!(hand.sent().await, ["r1"]);
        let written = Instant::now();
        hand.write("r1");
        assert_eq!(hand.sent().await, ["r1"]);
        while hand.sent().await.len() < 2 {}
        assert!(written.elapsed() >= GRACE, "{:?}", written.elapsed());

        send(&posts, "r2", Some(2)).expect("room");
        hand.sent().await;
        send(&posts, "c2", Some(2)).expect("room");
        hand.answer("r2");
        assert_eq!(hand.sent().await, ["r1", "c1", "r2", "c2"]);
        // The exchange ends when the cancellation has gone through, or at the latest after a call's time.
        assert!(posts.0.state.lock().flights.contains_key(&LinkId(2)));
        sleep(posts.0.link.limits.call * 2).await;
        assert!(posts.0.state.lock().flights.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_is_bounded() {
        let limits = Limits { server_queue_items: 20, server_queue_bytes: 40, ..Limits::default() };
        let (hand, posts) = posts(limits);
        for request in 1..=16 {
            send(&posts, "1234567890", Some(request)).expect("sixteen always have room");
        }
        let refused = send(&posts, "r", Some(17)).expect_err("no room");
        assert_eq!((refused.kind, refused.sent), (Kind::Overloaded, false));
        send(&posts, "c", Some(16)).expect("a cancellation always has room");
        hand.sent().await;
        hand.answer("1234567890");
        for request in 17..=36 {
            send(&posts, "r", Some(request)).expect("room again");
        }
        send(&posts, "r", Some(37)).expect_err("twenty are the most");
        send(&posts, "n", None).expect_err("for notifications too");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_when_the_link_is_over() {
        let (hand, posts) = posts(Limits::default());
        send(&posts, "n1", None).expect("room");
        send(&posts, "r1", Some(1)).expect("room");
        posts.0.link.over(&Failure::new(Kind::Stopping, "enough"));
        assert!(hand.sent().await.is_empty());
        send(&posts, "n2", None).expect_err("it is over");
        assert!(posts.0.state.lock().flights.is_empty());
    }
}

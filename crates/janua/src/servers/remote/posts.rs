//! Messages on their way to a remote server: a task for each, bounded, in order where the order matters.
//!
//! Over HTTP each message is a request of its own, and nothing keeps one from overtaking another. So it is done
//! here:
//! - Notifications and answers go one after another, each when the one before was answered.
//! - A request waits for the notifications and answers that were accepted before it. That is how
//!   `notifications/initialized` comes before the first request. Requests do not wait for each other.
//! - A cancellation waits until its request was written whole, and then until the server answers it with a status,
//!   or for a moment: a server that answers with JSON shows nothing before the result. The cancellation of a
//!   request that was not sent yet takes the request back, and is not sent either.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use janua_wire::id::LinkId;
use janua_wire::line::Line;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::link::Shared;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::http_client::Written;
use crate::servers::peer::Outbox;

/// So long what comes later waits for the answer to a notification.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long a cancellation waits for a status once its request was written.
const GRACE: Duration = Duration::from_millis(100);
/// So many messages may be on their way whatever their size.
const ALWAYS: usize = 16;

/// Takes single messages to the server.
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Sends one message and sees to what comes back. `about` names the request it is; a request is settled when
    /// this resolves, unless its answer comes another way.
    fn carry(self: Arc<Self>, line: Line, about: Option<LinkId>, way: Way) -> BoxFuture<'static, ()>;

    /// A notification or an answer has reached the server, as far as one can wait for it.
    fn passed(self: Arc<Self>, _line: &Line) {}

    /// Takes leave when the link is over.
    fn farewell(self: Arc<Self>) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// One message's way, told by whoever carries it.
pub(crate) struct Way {
    step: watch::Sender<Step>,
    place: Option<Place>,
}

/// A request that is carried.
#[derive(Clone)]
struct Flight {
    step: watch::Sender<Step>,
    stop: CancellationToken,
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
    flights: HashMap<LinkId, Flight>,
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
        // Without a runtime (a reply dropped after its end) nothing can be sent.
        if inner.link.is_over() || Handle::try_current().is_err() {
            return Err(Failure::new(Kind::Unreachable, "the connection to the server is over"));
        }
        let mut state = inner.state.lock();
        // The second message about a request is its cancellation. It takes no place: there is one per request.
        if let Some(flight) = about.and_then(|link| state.flights.get(&link)).cloned() {
            drop(state);
            inner.link.spawn("cancellation to server", withdraw(inner.clone(), line, flight));
            return Ok(());
        }
        let place = inner.place(&mut state, line.len())?;
        let Some(request) = about else {
            state.accepted += 1;
            state.lane.push_back((line, place));
            let idle = !std::mem::replace(&mut state.moving, true);
            drop(state);
            if idle {
                inner.link.spawn("messages to server", move_lane(inner.clone()));
            }
            return Ok(());
        };
        let flight = Flight { step: watch::Sender::new(Step::Waiting), stop: CancellationToken::new() };
        state.flights.insert(request, flight.clone());
        let before = state.accepted;
        drop(state);
        let landing = Landing { inner: inner.clone(), request };
        inner.link.spawn("request to server", fly(landing, line, before, flight, place));
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
async fn fly(landing: Landing, line: Line, before: u64, flight: Flight, place: Place) {
    let inner = landing.inner.clone();
    let carried = async {
        let mut passed = inner.passed.subscribe();
        let _ = passed.wait_for(|passed| *passed >= before).await;
        if flight.moves(Step::Sending) {
            let way = Way { step: flight.step.clone(), place: Some(place) };
            inner.carrier.clone().carry(line, Some(landing.request), way).await;
        }
    };
    tokio::select! {
        biased;
        () = flight.stop.cancelled() => {}
        () = carried => {}
    }
}

/// Carries a cancellation after its request, and ends the request's exchange then: nobody reads it any more.
async fn withdraw(inner: Arc<Inner>, line: Line, flight: Flight) {
    if flight.moves(Step::Lost) {
        return flight.stop.cancel();
    }
    let mut step = flight.step.subscribe();
    let limits = &inner.link.limits;
    let _ = timeout(limits.write_stall, step.wait_for(|step| *step >= Step::Written)).await;
    let _ = timeout(GRACE, step.wait_for(|step| *step >= Step::Answered)).await;
    let lost = *step.borrow() == Step::Lost;
    if !lost {
        let way = Way { step: watch::Sender::new(Step::Sending), place: None };
        let _ = timeout(limits.call, inner.carrier.clone().carry(line, None, way)).await;
    }
    flight.stop.cancel();
}

/// Carries what is in the lane, one after another.
async fn move_lane(inner: Arc<Inner>) {
    while let Some((line, place)) = inner.next_in_lane() {
        let way = Way { step: watch::Sender::new(Step::Sending), place: Some(place) };
        let mut step = way.step.subscribe();
        let carried = inner.carrier.clone().carry(line.clone(), None, way);
        let limit = inner.link.limits.call;
        // A task of its own, so that one which is not answered holds up the others for a time only.
        inner.link.spawn("message to server", async move {
            let _ = timeout(limit, carried).await;
        });
        let _ = timeout(PATIENCE, step.wait_for(|step| *step >= Step::Answered)).await;
        inner.carrier.clone().passed(&line);
        inner.passed.send_modify(|passed| *passed += 1);
    }
}

impl Flight {
    /// Goes from waiting to `step`; false if it did not wait any more.
    fn moves(&self, step: Step) -> bool {
        self.step.send_if_modified(|now| {
            let waits = *now == Step::Waiting;
            if waits {
                *now = step;
            }
            waits
        })
    }
}

impl Way {
    /// What to call when all of the message was given to the connection.
    pub(crate) fn written(&self) -> Written {
        let step = self.step.clone();
        Arc::new(move || raise(&step, Step::Written))
    }

    /// The server has answered, at least with a status.
    pub(crate) fn answered(&mut self) {
        self.place = None;
        raise(&self.step, Step::Answered);
    }
}

fn raise(step: &watch::Sender<Step>, to: Step) {
    step.send_if_modified(|now| {
        let later = *now < to;
        if later {
            *now = to;
        }
        later
    });
}

impl Drop for Way {
    fn drop(&mut self) {
        let arrived = *self.step.borrow() >= Step::Written;
        raise(&self.step, if arrived { Step::Answered } else { Step::Lost });
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
        fn carry(self: Arc<Self>, line: Line, _: Option<LinkId>, way: Way) -> BoxFuture<'static, ()> {
            async move {
                let text = String::from_utf8_lossy(&line.into_bytes()).into_owned();
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
            let written = self.0.lock().iter().find(|(sent, _)| sent == text).map(|(_, way)| way.written());
            written.expect("it was sent")();
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

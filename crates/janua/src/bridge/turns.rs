//! Instances of a server that clients of one class share, and the turns they take at being asked.
//!
//! A server on one pipe does not say which call a question belongs to. So at most one call that may be asked about
//! is under way on each instance; a call that waits for its client's answer does not hold up the others: they get
//! an instance of their own.

use std::sync::Arc;
use std::time::Duration;

use janua_wire::capabilities::Class;
use janua_wire::version::Era;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Bridge, of_refusal};
use crate::call::Scope;
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::{Connection, Opening};

/// So many instances clients of one class may have at once.
const MOST: u16 = 8;
/// So long a call waits for its turn at an instance that is in use before it gets another.
const WAIT: Duration = Duration::from_millis(250);

/// The instances for one class of clients.
pub(super) struct Turns {
    class: Class,
    places: Lock<Vec<Place>>,
    /// Instances that may still be added.
    room: Arc<Semaphore>,
}

/// One instance.
#[derive(Clone)]
struct Place {
    number: u16,
    /// Who holds it has the turn.
    turn: Arc<Semaphore>,
}

/// An instance, and with it the turn to be asked, if there are turns.
pub(crate) struct Turn {
    pub(super) link: Arc<dyn Connection>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Turns at instances, of which the first is open already.
    pub(super) fn new(class: Class) -> Self {
        let first = Place { number: 0, turn: Arc::new(Semaphore::new(1)) };
        Turns { class, places: Lock::new(vec![first]), room: Arc::new(Semaphore::new(usize::from(MOST) - 1)) }
    }

    /// The first instance, without a turn.
    pub(super) async fn first(&self, bridge: &Arc<Bridge>) -> Result<Arc<dyn Connection>, Failure> {
        self.link(bridge, 0).await
    }

    /// An instance for a call; `asks` says whether the call may be asked about.
    pub(super) async fn take(&self, bridge: &Arc<Bridge>, asks: bool) -> Result<Turn, Failure> {
        let link = self.first(bridge).await?;
        if !asks || self.class.is_none() || link.attributes() {
            return Ok(Turn { link, _permit: None });
        }
        let (number, permit) = self.place().await?;
        Ok(Turn { link: self.link(bridge, number).await?, _permit: Some(permit) })
    }

    /// The first place that is free; a new one if none becomes free soon.
    async fn place(&self) -> Result<(u16, OwnedSemaphorePermit), Failure> {
        let places = self.places.lock().clone();
        for place in &places {
            if let Ok(permit) = place.turn.clone().try_acquire_owned() {
                return Ok((place.number, permit));
            }
        }
        let waiting = async {
            let turns = places.iter().map(|place| {
                let (number, turn) = (place.number, place.turn.clone());
                Box::pin(async move { (number, turn.acquire_owned().await) })
            });
            let ((number, permit), _, _) = futures_util::future::select_all(turns).await;
            permit.map(|permit| (number, permit)).map_err(|_| Failure::new(Kind::Stopping, "the gateway is stopping"))
        };
        let mut waiting = Box::pin(waiting);
        if let Ok(found) = tokio::time::timeout(WAIT, &mut waiting).await {
            return found;
        }
        let Ok(room) = self.room.clone().try_acquire_owned() else { return waiting.await };
        drop(waiting);
        // The place stays, so its room is not given back.
        room.forget();
        let turn = Arc::new(Semaphore::new(1));
        let permit = turn.clone().try_acquire_owned();
        let mut places = self.places.lock();
        let number = places.last().map_or(0, |last| last.number + 1);
        places.push(Place { number, turn });
        drop(places);
        permit.map(|permit| (number, permit)).map_err(|_| Failure::new(Kind::Stopping, "the gateway is stopping"))
    }

    /// The link of an instance; opened again if it is over.
    async fn link(&self, bridge: &Arc<Bridge>, number: u16) -> Result<Arc<dyn Connection>, Failure> {
        let scope = Scope::Class(self.class, number);
        if let Some(link) = bridge.pool.living(&scope) {
            return Ok(link);
        }
        let _turn = bridge.pool.turn(&scope).await;
        if let Some(link) = bridge.pool.living(&scope) {
            return Ok(link);
        }
        let opening = Opening::of_gateway(self.class.capabilities(), bridge.pool.eras_for(Era::Legacy));
        let link = bridge.open_link(opening).await.map_err(of_refusal)?;
        if link.opened().version.era() == Era::Modern {
            return Err(Failure::new(Kind::StartFailed, "the server has changed: it has no handshake any more"));
        }
        bridge.pool.keep(scope.clone(), link.clone());
        bridge.watch(scope, &link);
        Ok(link)
    }
}

//! Between clients and servers: which link serves a caller, and in which era.
//!
//! Where both sides are of one era, a link of the pool is handed out as it is.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use janua_wire::capabilities::ClientCapabilities;

use crate::call::Scope;
use crate::config::Limits;
use crate::error::{Failure, Kind};
use crate::servers::pool::Pool;
use crate::servers::{Connection, Eras, Opening, Refusal};
use crate::tasks::Tasks;

/// The links to one server, in the eras that its clients speak.
pub(crate) struct Bridge {
    pub(crate) pool: Pool,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tasks: Tasks,
}

impl Bridge {
    pub(crate) fn new(pool: Pool, limits: Arc<Limits>, tasks: Tasks) -> Arc<Self> {
        Arc::new(Bridge { pool, limits, tasks })
    }

    /// The link of a caller with a handshake, if it is still there.
    pub(crate) fn of_session(&self, scope: &Scope) -> Option<Arc<dyn Connection>> {
        self.pool.living(scope)
    }

    /// Opens the server for a client with a session, whose link it is from then on.
    pub(crate) async fn open_session(
        self: &Arc<Self>,
        scope: Scope,
        opening: Opening,
    ) -> Result<Arc<dyn Connection>, Refusal> {
        let link = self.pool.open(opening.speaking(Eras::Legacy)).await?;
        self.pool.keep(scope, link.clone());
        Ok(link)
    }

    /// The link that everybody with a handshake but without a session shares; nobody can be asked anything on it.
    pub(crate) async fn shared(self: &Arc<Self>) -> Result<Arc<dyn Connection>, Refusal> {
        if let Some(link) = self.pool.living(&Scope::Shared) {
            return Ok(link);
        }
        let _turn = self.pool.turn(&Scope::Shared).await;
        if let Some(link) = self.pool.living(&Scope::Shared) {
            return Ok(link);
        }
        let opening = Opening::of_gateway(ClientCapabilities::default(), Eras::LegacyFirst);
        let link = self.open_session(Scope::Shared, opening).await?;
        self.watch(Scope::Shared, &link);
        Ok(link)
    }

    /// Forgets a link when it is over; the next call opens another.
    pub(crate) fn watch(self: &Arc<Self>, scope: Scope, link: &Arc<dyn Connection>) {
        let (bridge, watched) = (self.clone(), link.clone());
        self.tasks.spawn("link watch", async move {
            let mut listening = watched.listen();
            while listening.next().await.is_some() {}
            bridge.pool.forget(&scope, &watched);
        });
    }

    /// Closes every link; parked calls are given up.
    pub(crate) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.pool.close_all(why)
    }
}

/// A refusal to be opened, where no client has asked for the opening itself.
pub(crate) fn of_refusal(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Failed(failure) => failure,
        Refusal::ByServer(response) => {
            let said = janua_wire::raw::peek_string(response.body(), "message").unwrap_or_default();
            Failure::new(Kind::StartFailed, format!("the server refused to be opened: {said}"))
        }
    }
}

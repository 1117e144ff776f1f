//! What exists, and what each address leads to.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::bridge::Bridge;
use crate::error::Failure;
use crate::servers::Place;

/// The places of one gateway.
pub(crate) enum Catalog {
    /// One server, which every address leads to.
    One(Arc<Bridge>),
}

impl Catalog {
    /// One server, which every address leads to.
    pub(crate) fn of_one(bridge: Arc<Bridge>) -> Self {
        Catalog::One(bridge)
    }

    /// Whether there are addresses with names.
    pub(crate) fn is_named(&self) -> bool {
        match self {
            Catalog::One(_) => false,
        }
    }

    /// What the address with that name leads to, or the one without; or why to nothing.
    pub(crate) fn place(&self, _name: Option<&str>) -> Result<Arc<dyn Place>, String> {
        match self {
            Catalog::One(bridge) => Ok(bridge.clone()),
        }
    }

    /// Calls that wait for their clients to come back.
    pub(crate) fn parked(&self) -> usize {
        match self {
            Catalog::One(bridge) => bridge.parked(),
        }
    }

    /// Closes every link; parked calls are given up.
    pub(crate) fn close_all(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        match self {
            Catalog::One(bridge) => bridge.close_all(why),
        }
    }
}

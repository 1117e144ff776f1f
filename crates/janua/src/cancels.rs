//! Requests under way that can be cancelled by the id their client gave them.

use std::sync::{Arc, Weak};

use janua_wire::id::ClientId;
use tokio_util::sync::CancellationToken;

use crate::lock::Lock;

/// The requests of one client.
#[derive(Debug, Default)]
pub(crate) struct Cancels(Lock<Vec<(ClientId, Weak<CancellationToken>)>>);

impl Cancels {
    /// Takes note of a request, as long as the token lives. The token says when it was cancelled.
    pub(crate) fn enter(&self, id: ClientId) -> Arc<CancellationToken> {
        let token = Arc::new(CancellationToken::new());
        let mut known = self.0.lock();
        known.retain(|(_, token)| token.strong_count() > 0);
        known.push((id, Arc::downgrade(&token)));
        token
    }

    /// Cancels the request with the raw id `id`. With several under one id nobody can say which is meant: none is.
    pub(crate) fn cancel(&self, id: &[u8]) {
        let known = self.0.lock();
        let mut meant = known.iter().filter(|(known, _)| known.raw() == id).filter_map(|(_, token)| token.upgrade());
        if let (Some(token), None) = (meant.next(), meant.next()) {
            token.cancel();
        }
    }
}

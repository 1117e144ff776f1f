//! What the gateway answers itself: the opening of a legacy session.

use std::sync::Arc;

use janua_wire::capabilities::ClientCapabilities;
use janua_wire::json::quote;
use janua_wire::message::{Request, Response};
use janua_wire::version::Version;

use crate::call::{Caller, Outcome, Scope};
use crate::gateway::Gateway;
use crate::observe::messages::{self, Way};
use crate::servers::{Opened, Opening, Place, Refusal};
use crate::sessions::Session;
use crate::user::Visitor;

/// Opens the server on behalf of a client's `initialize` and gives what the client is answered. If the server
/// refuses, nothing is left of it.
pub(crate) async fn initialize(
    gateway: &Arc<Gateway>,
    session: &Arc<Session>,
    request: &Request,
) -> Result<Response, Refusal> {
    let user = session.visitor.user.clone();
    let mut opening = Opening::of_client(request.params()).on_behalf_of(user.clone());
    opening.bound = session.kind.is_bound();
    let (version, capabilities) = (opening.version, opening.capabilities.clone());
    let observation = gateway.observer.begin(session.place.metrics(), request, version, session.origin());
    let between = messages::are_shown().then(|| session.between());
    if let Some(between) = &between {
        messages::show(Way::ToServer, between, request.text());
    }
    let link = match session.place.clone().open_session(session.scope(), opening).await {
        Ok(link) => link,
        Err(refusal) => {
            let outcome = outcome_of(&refusal);
            if let Some(between) = &between {
                outcome.show(between, Some(&request.id()));
            }
            observation.ended(&outcome.end());
            return Err(refusal);
        }
    };
    session.opened_by(Caller { scope: session.scope(), version, capabilities, user });
    gateway.attach(session, &link);
    let response = shown(link.opened(), version);
    let outcome = Outcome::Answer(response.clone());
    if let Some(between) = &between {
        outcome.show(between, Some(&request.id()));
    }
    observation.ended(&outcome.end());
    Ok(response)
}

/// The same for a client without a session, in front of a server that everybody shares.
pub(crate) async fn initialize_shared(
    place: &Arc<dyn Place>,
    request: &Request,
    visitor: &Visitor,
) -> Result<Response, Refusal> {
    let version = Opening::of_client(request.params()).version;
    let link = place.clone().connect(anybody(version, visitor)).await?;
    Ok(shown(link.opened(), version))
}

fn outcome_of(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::ByServer(response) => Outcome::Answer(response.clone()),
        Refusal::Failed(failure) => Outcome::Failure(failure.clone()),
    }
}

/// The caller that stands for everybody without a session.
pub(crate) fn anybody(version: Version, visitor: &Visitor) -> Arc<Caller> {
    let capabilities = ClientCapabilities::default();
    Arc::new(Caller { scope: Scope::Shared, version, capabilities, user: visitor.user.clone() })
}

/// Each side has a revision of its own: the client is told the one agreed with it.
fn shown(opened: &Opened, version: Version) -> Response {
    if opened.version == version {
        return opened.response.clone();
    }
    opened.response.with_member("protocolVersion", quote(version.name()).as_bytes())
}

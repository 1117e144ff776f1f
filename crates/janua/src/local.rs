//! What the gateway answers itself: the opening of a legacy session.

use std::sync::Arc;

use janua_wire::capabilities::ClientCapabilities;
use janua_wire::json::quote;
use janua_wire::message::{Request, Response};
use janua_wire::version::Version;

use crate::call::{Caller, Outcome, Scope};
use crate::gateway::Gateway;
use crate::observe::End;
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
    let opening = Opening::of_client(request.params()).on_behalf_of(user.clone());
    let (version, capabilities) = (opening.version, opening.capabilities.clone());
    let observation = gateway.observer.begin(session.place.metrics(), request, version, session.origin());
    let link = match session.place.clone().open_session(session.scope(), opening).await {
        Ok(link) => link,
        Err(refusal) => {
            observation.ended(&end(&refusal));
            return Err(refusal);
        }
    };
    session.opened_by(Caller { scope: session.scope(), version, capabilities, user });
    gateway.attach(session, &link);
    let response = shown(link.opened(), version);
    observation.ended(&Outcome::Answer(response.clone()).end());
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

fn end(refusal: &Refusal) -> End {
    match refusal {
        Refusal::ByServer(response) => Outcome::Answer(response.clone()).end(),
        Refusal::Failed(failure) => failure.end(),
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

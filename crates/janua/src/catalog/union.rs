//! The connection to a view: each request goes to the server it is about.
//!
//! A client with a handshake gets links of its own to the servers that it uses, opened when it first does. Clients
//! without share one connection here, and what the servers' settings say behind it.

use std::sync::{Arc, OnceLock, Weak};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND};
use janua_wire::json::{Span, quote};
use janua_wire::message::{Notification, Request, Response};
use janua_wire::method::Method;
use janua_wire::raw;
use janua_wire::version::{Era, Version};

use super::merged::Merged;
use super::own::Own;
use super::view::{Member, View};
use super::{greeting, hearing};
use crate::bridge::asking::{answer, empty_result, refused};
use crate::bridge::of_refusal;
use crate::call::{Call, Caller, Event, Outcome, Reply, Scope, Sink};
use crate::error::{Failure, Kind};
use crate::servers::{Connection, Opened, Opening, Place, Refusal};

/// The connection to a view of one session, or of everybody without a handshake.
pub(super) struct Union {
    me: Weak<Union>,
    view: Weak<View>,
    own: Option<Own>,
    opened: OnceLock<Opened>,
}

/// What a request is about.
struct Subject {
    /// Where the request says it.
    place: Span,
    key: String,
    /// The list that such things are in.
    list: Method,
}

impl Union {
    /// The connection of everybody without a handshake.
    pub(super) fn of_everybody(view: Weak<View>) -> Arc<Self> {
        Arc::new_cyclic(|me| Union { me: me.clone(), view, own: None, opened: OnceLock::new() })
    }

    /// The connection of a session that opened with `opening`. A view that can be one server only is what that is.
    pub(super) async fn of_session(view: &Arc<View>, scope: Scope, opening: Opening) -> Result<Arc<Self>, Refusal> {
        let class = opening.capabilities.class();
        view.prepare(class);
        let said = greeting::initialized(view, class, opening.version).await?;
        let opened = Opened { response: said, version: opening.version };
        let own = Own::new(scope, opening);
        Ok(Arc::new_cyclic(|me| Union {
            me: me.clone(),
            view: Arc::downgrade(view),
            own: Some(own),
            opened: OnceLock::from(opened),
        }))
    }

    /// Ends it; the links are closed by whoever closes the session.
    pub(super) fn end(&self) {
        if let Some(own) = &self.own {
            own.end();
        }
    }

    /// Ends it with every link of its own.
    pub(super) fn close_links(&self, why: &Failure) -> Vec<BoxFuture<'static, ()>> {
        self.own.as_ref().map_or_else(Vec::new, |own| own.close(why))
    }

    /// Who calls at a member: everybody alike where all share one link.
    fn caller_at(&self, member: &Member, caller: &Arc<Caller>) -> Arc<Caller> {
        self.own.as_ref().and_then(|own| own.caller_at(member)).unwrap_or_else(|| caller.clone())
    }

    async fn link(&self, member: &Member, caller: &Arc<Caller>) -> Result<Arc<dyn Connection>, Failure> {
        let bridge = member.served.bridge_of(caller.user.as_ref())?;
        if let Some(link) = bridge.ready(caller) {
            return Ok(link);
        }
        match &self.own {
            Some(own) if caller.scope == own.scope => own.open(member).await,
            _ => bridge.connect(caller.clone()).await.map_err(of_refusal),
        }
    }

    /// A request about something that a member has.
    fn pass(&self, view: &Arc<View>, call: Call) -> Reply {
        let Some(subject) = subject(&call.request) else {
            return Reply::ready(refused(INVALID_PARAMS, "the request does not say what it is about"));
        };
        let found = self.located(view, &call.caller, &subject);
        if let Some((member, real)) = &found {
            let caller = self.caller_at(member, &call.caller);
            let bridge = member.served.bridge_of(caller.user.as_ref());
            if let Some(link) = bridge.ok().and_then(|bridge| bridge.ready(&caller)) {
                return self.forward(&link, member, caller, call, &subject, real);
            }
        }
        let Some(union) = self.me.upgrade() else { return stopping() };
        let view = view.clone();
        let cancelled = self.own.as_ref().map(|own| own.cancels.enter(call.request.id().detached()));
        Reply::unfold(|sink| async move {
            let cancelling = async {
                match &cancelled {
                    Some(token) => token.cancelled().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                outcome = union.pass_on(&view, call, subject, sink) => outcome,
                () = cancelling => Outcome::Failure(Failure::cancelled()),
            }
        })
    }

    /// The same, where something has to be waited for.
    async fn pass_on(&self, view: &Arc<View>, call: Call, subject: Subject, sink: Sink) -> Outcome {
        let class = call.caller.capabilities.class();
        let found = match self.located(view, &call.caller, &subject) {
            Some(found) => Some(found),
            None => view.locate(class, subject.list, &subject.key).await,
        };
        let Some((member, real)) = found else { return self.unknown(view, call, subject, sink).await };
        sink.served_by(member.served.bridge.metrics());
        let caller = self.caller_at(&member, &call.caller);
        match self.link(&member, &caller).await {
            Ok(link) => relay(self.forward(&link, &member, caller, call, &subject, &real), &sink).await,
            Err(failure) => Outcome::Failure(failure),
        }
    }

    fn located(&self, view: &View, caller: &Caller, subject: &Subject) -> Option<(Member, String)> {
        let own = self.own.as_ref().and_then(|own| own.find(subject.list, &subject.key));
        own.or_else(|| view.located(caller.capabilities.class(), subject.list, &subject.key))
    }

    /// Sends a request to the server it is about, in the words of that server.
    fn forward(
        &self,
        link: &Arc<dyn Connection>,
        member: &Member,
        caller: Arc<Caller>,
        call: Call,
        subject: &Subject,
        real: &str,
    ) -> Reply {
        let method = call.request.method();
        if let Some(own) = &self.own {
            own.used(member, method);
        }
        let request = if real == subject.key {
            call.request
        } else {
            match call.request.edited(vec![(subject.place, quote(real).as_bytes())]) {
                Ok(request) => request,
                Err(why) => return Reply::ready(refused(INVALID_PARAMS, &why.why.to_string())),
            }
        };
        let limits = member.served.limits();
        let slot = match member.served.bridge.admit() {
            Ok(slot) => slot,
            Err(failure) => return Reply::failed(failure),
        };
        let reply = link.call(Call { request, caller }).holding(slot);
        let reply = reply.within(limits.call, limits.call_total);
        let reply = if method != Method::ResourcesRead || real == subject.key {
            reply
        } else {
            let (real, shown) = (real.to_owned(), subject.key.clone());
            Reply::stream(reply.map(move |event| readdressed(event, &real, &shown)))
        };
        reply.served_by(member.served.bridge.metrics())
    }

    /// A request about something that no list has. Reading does no harm, so whoever has resources may be asked.
    async fn unknown(&self, view: &Arc<View>, call: Call, subject: Subject, sink: Sink) -> Outcome {
        let class = call.caller.capabilities.class();
        let (merged, _) = view.now(class);
        if !matches!(subject.list, Method::ToolsList | Method::PromptsList) {
            let mut last = None;
            for (at, member) in merged.members.list.iter().enumerate() {
                let has = |known: &Arc<super::shelf::Known>| raw::peek(known.capabilities(), "resources").is_some();
                if call.request.method() != Method::ResourcesRead || !merged.known[at].as_ref().is_some_and(has) {
                    continue;
                }
                let caller = self.caller_at(member, &call.caller);
                let Ok(link) = self.link(member, &caller).await else { continue };
                let asked = self.forward(&link, member, caller, call.clone(), &subject, &subject.key);
                match relay(asked, &sink).await {
                    Outcome::Answer(response) if response.is_error() => last = Some(response),
                    Outcome::Failure(_) => {}
                    found @ Outcome::Answer(_) => return found,
                }
            }
            let code = if call.caller.version.era() == Era::Modern { INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
            let message = format!("no server here has the resource {}{}", subject.key, left_out(&merged));
            return last.map_or_else(|| refused(code, &message), Outcome::Answer);
        }
        for member in &merged.members.list {
            let whose = subject.key.starts_with(&format!("{}__", member.served.name)) || merged.members.is_lone;
            if let Some(trouble) = member.served.shelf.trouble().filter(|_| whose) {
                return Outcome::Failure((*trouble).clone());
            }
        }
        let what = if subject.list == Method::ToolsList { "tool" } else { "prompt" };
        refused(INVALID_PARAMS, &format!("Unknown {what}: {}{}", subject.key, left_out(&merged)))
    }

    /// A page of a list, at once if nothing is to be gained by waiting.
    fn list(&self, view: &Arc<View>, call: Call) -> Reply {
        let class = call.caller.capabilities.class();
        let own = self.own.as_ref().filter(|own| own.has_lists(view));
        if own.is_none()
            && let (merged, true) = view.now(class)
        {
            return Reply::ready(page(&merged, &call));
        }
        let (view, Some(union)) = (view.clone(), self.me.upgrade()) else { return stopping() };
        Reply::unfold(|_| async move {
            let merged = view.settled(class).await;
            match &union.own {
                Some(own) if own.has_lists(&view) => {
                    let merged = own.lists(&merged, call.request.method()).await;
                    page(&merged, &call)
                }
                _ => page(&merged, &call),
            }
        })
    }

    /// A request that names nothing: an extension's. It is for the only server, if there is only one.
    fn only(&self, view: &Arc<View>, call: Call) -> Reply {
        let members = view.members();
        let [member] = members.list.as_slice() else {
            let message = "several servers are behind this address, and none of them is named by this request; \
                           use the address of the server that it is for";
            return Reply::ready(refused(METHOD_NOT_FOUND, message));
        };
        let (Some(union), member) = (self.me.upgrade(), member.clone()) else { return stopping() };
        Reply::unfold(|sink| async move {
            let caller = union.caller_at(&member, &call.caller);
            let linked = union.link(&member, &caller).await;
            match linked.and_then(|link| Ok((link, member.served.bridge.admit()?))) {
                Ok((link, slot)) => relay(link.call(Call { request: call.request, caller }).holding(slot), &sink).await,
                Err(failure) => Outcome::Failure(failure),
            }
        })
    }
}

impl Connection for Union {
    fn opened(&self) -> &Opened {
        self.opened.get_or_init(|| Opened { response: greeting::nothing(), version: Version::NEWEST })
    }

    fn call(&self, call: Call) -> Reply {
        let Some(view) = self.view.upgrade() else { return stopping() };
        if view.is_gone() {
            let message = "there is no server or view at this address any more";
            return Reply::failed(Failure::new(Kind::SessionLost, message));
        }
        let method = call.request.method();
        match method {
            Method::Ping => Reply::ready(empty_result()),
            Method::Discover => Reply::unfold(|_| async move { greeting::discovered(&view, &call.caller).await }),
            Method::Listen => Reply::unfold(|sink| hearing::serve(view, call, sink)),
            Method::SetLevel => match self.me.upgrade() {
                Some(union) => Reply::unfold(|_| async move {
                    match &union.own {
                        Some(own) => own.set_level(&call).await,
                        None => refused(METHOD_NOT_FOUND, "this revision of the protocol has no such method"),
                    }
                }),
                None => stopping(),
            },
            _ if method.lists().is_some() => self.list(&view, call),
            _ if !method.about().is_empty() => self.pass(&view, call),
            _ => self.only(&view, call),
        }
    }

    /// What a client with a handshake says is for every server that it has a link to.
    fn notify(&self, caller: &Caller, notification: Notification) {
        if let Some(own) = self.own.as_ref().filter(|_| notification.method() != Method::Initialized) {
            own.notify(caller, &notification);
        }
    }

    fn listen(&self) -> Reply {
        match (self.view.upgrade(), self.me.upgrade()) {
            (Some(view), Some(union)) => Reply::unfold(|sink| async move {
                match &union.own {
                    Some(own) => hearing::of_session(&view, own, &sink).await,
                    None => std::future::pending().await,
                }
            }),
            _ => stopping(),
        }
    }

    fn is_over(&self) -> bool {
        self.own.as_ref().is_some_and(Own::is_over)
    }

    fn close(&self, why: Failure) -> BoxFuture<'static, ()> {
        futures_util::future::join_all(self.close_links(&why)).map(|_| ()).boxed()
    }
}

fn stopping() -> Reply {
    Reply::failed(Failure::new(Kind::Stopping, "the gateway is stopping"))
}

/// What a request says that it is about.
fn subject(request: &Request) -> Option<Subject> {
    let params = request.places().0?;
    request.method().about().iter().find_map(|(path, list)| {
        let place = raw::find_path(request.text(), params, path)?;
        Some(Subject { place, key: raw::string(&request.text()[place.range()])?, list: *list })
    })
}

/// Hands on what a reply says until its end.
pub(super) async fn relay(mut reply: Reply, sink: &Sink) -> Outcome {
    if let Some(server) = reply.server() {
        sink.served_by(server);
    }
    while let Some(event) = reply.next().await {
        match event {
            Event::Done(outcome) => return outcome,
            event => sink.send(event).await,
        }
    }
    Outcome::Failure(Failure::new(Kind::ServerExited, "the reply ended early").after_sending())
}

fn page(merged: &Merged, call: &Call) -> Outcome {
    if let Some(lacking) = merged.lacks() {
        return Outcome::Failure(Failure::new(Kind::Unreachable, lacking));
    }
    let cursor = call.request.param("cursor").filter(|cursor| *cursor != b"null");
    let Ok(cursor) = cursor.map(|raw| raw::string(raw).ok_or(())).transpose() else {
        return refused(INVALID_PARAMS, "the cursor is not a string");
    };
    match merged.page(call.request.method(), cursor.as_deref(), call.caller.version) {
        Some(page) => Outcome::Answer(page),
        None => refused(INVALID_PARAMS, "the cursor is not one of this list"),
    }
}

fn left_out(merged: &Merged) -> String {
    let names = merged.unavailable();
    if names.is_empty() { String::new() } else { format!(" (not available now: {})", names.join(", ")) }
}

/// What was read, under the address that was asked for.
fn readdressed(event: Event, real: &str, shown: &str) -> Event {
    let Event::Done(Outcome::Answer(response)) = event else { return event };
    let mut edits = janua_wire::edits::Edits::none();
    let body = response.body();
    if let Some(contents) = raw::find(body, raw::whole(body), "contents") {
        for content in raw::elements(body, contents) {
            if let Some(uri) = raw::find(body, content, "uri")
                && raw::string(&body[uri.range()]).as_deref() == Some(real)
            {
                edits.replace(uri, quote(shown));
            }
        }
    }
    let response: Response = response.edited(&edits);
    Event::Done(answer::<()>(Ok(response)))
}

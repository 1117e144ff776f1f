//! Tools that run as tasks only (2025-11-25 `basic/utilities/tasks`), driven for clients that have no tasks.

use std::collections::HashSet;
use std::sync::Arc;

use janua_wire::id::ClientId;
use janua_wire::message::{Refused, Request};
use janua_wire::raw;
use janua_wire::translate::tasks::{self, Task};

use super::facing::settled;
use crate::call::{Call, Caller, Reply};
use crate::error::{Failure, Kind};
use crate::lock::Lock;
use crate::servers::Connection;
use crate::tasks::Tasks;

/// Pages of a list that are read to find such tools.
const PAGES: usize = 64;

/// Which tools of a server run as tasks only.
#[derive(Default)]
pub(super) struct Tasked {
    names: Lock<HashSet<String>>,
    /// Locked while the server is asked; true once it has been.
    known: tokio::sync::Mutex<bool>,
}

/// A task at a server; dropped before its end, it is cancelled.
pub(super) struct Driven {
    link: Arc<dyn Connection>,
    caller: Arc<Caller>,
    params: String,
    tasks: Tasks,
    over: bool,
}

impl Tasked {
    /// Takes note of the tools in a raw `tools/list` result.
    pub(super) fn learn(&self, result: &[u8]) {
        self.names.lock().extend(tasks::required(result));
    }

    /// Whether this call is for such a tool. A server that has tasks is asked for its tools once.
    pub(super) async fn wants(&self, link: &Arc<dyn Connection>, call: &Call) -> bool {
        let capabilities = raw::peek(link.opened().response.body(), "capabilities").unwrap_or(b"{}");
        let path = ["tasks", "requests", "tools", "call"];
        if raw::find_path(capabilities, raw::whole(capabilities), &path).is_none() {
            return false;
        }
        self.ask(link, &call.caller).await;
        let tool = call.request.param("name").and_then(raw::string);
        tool.is_some_and(|tool| self.names.lock().contains(&tool))
    }

    async fn ask(&self, link: &Arc<dyn Connection>, caller: &Arc<Caller>) {
        let mut known = self.known.lock().await;
        let mut cursor = "{}".to_owned();
        for _ in 0..PAGES {
            if *known {
                return;
            }
            let Some(list) = settled(link, "tools/list", &cursor, caller).await else { break };
            self.learn(list.body());
            match raw::peek(list.body(), "nextCursor") {
                Some(next) => cursor = format!("{{\"cursor\":{}}}", String::from_utf8_lossy(next)),
                None => break,
            }
        }
        *known = true;
    }
}

/// The request, asking for a task.
pub(super) fn asking(request: &Request) -> Result<Request, Refused> {
    let Some(params) = request.places().0 else { return Ok(request.clone()) };
    let edits = tasks::asking(request.params(), None).shifted(params.start);
    request.edited(edits.pairs())
}

/// Follows a task to its end: the server answers `tasks/result` when there is one, and asks its client meanwhile.
pub(super) fn follow(
    link: &Arc<dyn Connection>,
    task: &Task,
    caller: &Arc<Caller>,
    spawner: &Tasks,
) -> Result<(Reply, Driven), Failure> {
    let params = task.params();
    let request = Request::new(&ClientId::number(0), "tasks/result", Some(&params))
        .map_err(|refused| Failure::new(Kind::InvalidResponse, refused.why.to_string()).after_sending())?;
    let reply = link.call(Call { request, caller: caller.clone() });
    let driven = Driven { link: link.clone(), caller: caller.clone(), params, tasks: spawner.clone(), over: false };
    Ok((reply, driven))
}

impl Driven {
    /// The task has ended by itself.
    pub(super) fn ended(mut self) {
        self.over = true;
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        if self.over || self.link.is_over() {
            return;
        }
        let (link, params, caller) = (self.link.clone(), std::mem::take(&mut self.params), self.caller.clone());
        self.tasks.spawn("cancel task", async move {
            settled(&link, "tasks/cancel", &params, &caller).await;
        });
    }
}

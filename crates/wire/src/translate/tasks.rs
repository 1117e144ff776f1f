//! Tasks of 2025-11-25 (`basic/utilities/tasks`), as far as a client needs them to see one through and to answer with
//! its result.

use crate::edits::{Edits, Object};
use crate::json::quote;
use crate::raw::{elements, find, may_hold, peek, peek_string, whole};

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Working,
    /// It waits for an answer of the client: `tasks/result` carries the question.
    InputRequired,
    /// `tasks/result` has its result.
    Completed,
    /// `tasks/result` has its error, or a result that tells of it.
    Failed,
    /// It was given up.
    Cancelled,
}

/// A task as its server told it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The server's id of it.
    pub id: String,
    /// How it stands.
    pub status: Status,
    /// How long to wait before the next look, in milliseconds, if the server says so.
    pub poll_ms: Option<u64>,
    /// What the server says about it, for people.
    pub message: Option<String>,
}

impl Status {
    /// Whether nothing changes any more.
    pub fn is_over(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

impl Task {
    /// The task that a result announces instead of being one (`CreateTaskResult`); `None` if it is a result.
    pub fn announced(result: &[u8]) -> Option<Task> {
        Task::told(peek(result, "task")?)
    }

    /// A task as `tasks/get`, `tasks/cancel` and `notifications/tasks/status` tell it; `None` if it is none.
    pub fn told(task: &[u8]) -> Option<Task> {
        let task = Object::of(task)?;
        let word = |key: &str| task.get(key).and_then(crate::raw::string);
        let status = match &word("status")?[..] {
            "working" => Status::Working,
            "input_required" => Status::InputRequired,
            "completed" => Status::Completed,
            "failed" => Status::Failed,
            "cancelled" => Status::Cancelled,
            _ => return None,
        };
        let number = |raw: &[u8]| std::str::from_utf8(raw).ok()?.parse().ok();
        let poll_ms = task.get("pollInterval").and_then(number);
        Some(Task { id: word("taskId")?, status, poll_ms, message: word("statusMessage") })
    }

    /// The parameters of `tasks/get`, `tasks/result` and `tasks/cancel`, raw.
    pub fn params(&self) -> String {
        format!("{{\"taskId\":{}}}", quote(&self.id))
    }
}

/// What makes the parameters of a `tools/call` ask for a task, to be kept for `ttl_ms` milliseconds after its creation
/// if that is told.
pub fn asking(params: &[u8], ttl_ms: Option<u64>) -> Edits {
    let mut edits = Edits::none();
    if let Some(object) = Object::of(params) {
        let task = ttl_ms.map_or_else(|| "{}".to_owned(), |ttl| format!("{{\"ttl\":{ttl}}}"));
        object.change(&mut edits, &[("task", Some(task.as_bytes()))]);
    }
    edits
}

/// The names of the tools in a `tools/list` result that run as tasks only (`execution.taskSupport: "required"`).
pub fn required(list: &[u8]) -> Vec<String> {
    if !may_hold(list, &["taskSupport"]) {
        return Vec::new();
    }
    let tools = find(list, whole(list), "tools").map(|tools| elements(list, tools)).unwrap_or_default();
    let tools = tools.into_iter().map(|tool| &list[tool.range()]);
    let required = |tool: &&[u8]| {
        let support = peek(tool, "execution").and_then(|execution| peek_string(execution, "taskSupport"));
        support.is_some_and(|support| support == "required")
    };
    tools.filter(required).filter_map(|tool| peek_string(tool, "name")).collect()
}

//! What people are told when there is no result: what went wrong, whose fault it was, and what to do next.

use std::fmt::Write as _;

use anyhow::anyhow;
use janua::call::Outcome;
use janua_wire::error::{INVALID_PARAMS, METHOD_NOT_FOUND, URL_REQUIRED};
use janua_wire::message::Response;
use serde_json::Value;

use super::super::Failed;
use super::clean;

/// The error that an outcome is.
pub(super) fn object(outcome: &Outcome) -> Response {
    match outcome {
        Outcome::Answer(response) => response.clone(),
        Outcome::Failure(failure) => failure.response(),
    }
}

/// The failure of a command that `label` gave no result for.
pub(super) fn told(outcome: &Outcome, label: &str, name: Option<&str>) -> Failed {
    let error: Value = serde_json::from_slice(object(outcome).body()).unwrap_or_default();
    let (code, data) = (error["code"].as_i64().unwrap_or_default(), &error["data"]);
    let message = error["message"].as_str().unwrap_or("no message");
    let culprit = data["culprit"].as_str().unwrap_or("server");
    let mut text = format!("error: {label}: {message} (code {code}, culprit {culprit})");
    if let Some(next) = next(code, data, name) {
        let _ = write!(text, "\n{next}");
    }
    if let Some(stderr) = data["stderr"].as_str() {
        text.push_str("\nits last words:");
        for line in stderr.lines() {
            let _ = write!(text, "\n  {line}");
        }
    }
    Failed::Run(anyhow!("{}", clean(&text)))
}

/// What to do about it, if there is anything.
fn next(code: i64, data: &Value, name: Option<&str>) -> Option<String> {
    let tools = name.map_or_else(|| "janua tools".to_owned(), |name| format!("janua tools {name}"));
    let text = match data["code"].as_str() {
        Some("start_failed") => "try the command of the server by hand; --timeout gives a slow one longer".to_owned(),
        Some("backing_off") => "it failed to start several times; try again in a while".to_owned(),
        Some("server_exited") => {
            "it ended in mid-call, which may have had an effect; look before you call again".to_owned()
        }
        Some("deadline_exceeded") => "--timeout gives it longer; it may have had an effect already".to_owned(),
        Some("unreachable") => "check its address and that it runs there".to_owned(),
        Some("response_too_large") => "ask for less at once, or raise limits.server_message".to_owned(),
        _ if code == i64::from(INVALID_PARAMS) => format!("`{tools}` shows what there is, and with which parameters"),
        _ if code == i64::from(METHOD_NOT_FOUND) => {
            format!("the server has nothing of the kind; `{tools}` shows its tools")
        }
        _ if code == i64::from(URL_REQUIRED) => {
            let urls = data["elicitations"].as_array().into_iter().flatten().filter_map(|one| one["url"].as_str());
            let urls: Vec<&str> = urls.collect();
            format!("visit {} if you trust it, then call again", urls.join(", "))
        }
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_culprit_and_what_to_do() {
        let response = Response::error(INVALID_PARAMS, "Unknown tool: \u{1b}[31mx", None);
        let Failed::Run(error) = told(&Outcome::Answer(response), "files", Some("files")) else { panic!("usage") };
        let text = error.to_string();
        assert!(text.contains("files: Unknown tool") && text.contains("(code -32602, culprit server)"), "{text}");
        assert!(text.contains("`janua tools files`") && !text.contains('\u{1b}'), "{text}");
    }
}

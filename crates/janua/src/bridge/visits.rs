//! Servers of 2025-11-25 that want their user to visit an address first, and say so with an error (-32042).

use janua_wire::error::{MISSING_CAPABILITY, URL_REQUIRED};
use janua_wire::message::Response;
use janua_wire::method::Method;
use janua_wire::raw;

use super::asking::refused_with;
use super::parking::Parking;
use super::questions::members;
use super::seal::Ticket;
use crate::call::{Call, Outcome};

/// A call that has ended with the wish for a visit: it comes back as a new one.
pub(super) const VISIT: Ticket = Ticket { slot: 0, round: 0 };

/// What a server wants whose user has to visit an address, and whose client cannot be told to.
const LACKING: &str = "{\"requiredCapabilities\":{\"elicitation\":{\"url\":{}}}}";

/// Whether an answer is the wish for a visit.
pub(super) fn wanted(method: Method, response: &Response) -> bool {
    let may_ask = matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead);
    let code = URL_REQUIRED.to_string();
    may_ask && response.is_error() && raw::peek(response.body(), "code") == Some(code.as_bytes())
}

impl Parking {
    /// What a client is told whose user has to visit addresses: to ask the user, and to come back. The call has ended,
    /// so what comes back is sent anew.
    pub(super) fn visit(&self, call: &Call, response: &Response) -> Outcome {
        if call.caller.capabilities.permit(Method::Elicit, b"{\"mode\":\"url\"}").is_err() {
            let message = "the server wants its user to visit an address, and the client cannot be told to";
            return refused_with(MISSING_CAPABILITY, message, LACKING);
        }
        let listed = raw::peek(response.body(), "data").and_then(|data| raw::peek(data, "elicitations"));
        let listed = listed.unwrap_or(b"[]");
        let mut questions = Vec::new();
        for (at, span) in raw::elements(listed, raw::whole(listed)).into_iter().enumerate() {
            let wish = &listed[span.range()];
            let kept: Vec<String> = members(wish)
                .into_iter()
                .filter(|(key, _)| key != "\"elicitationId\"" && key != "\"mode\"")
                .map(|(key, value)| format!(",{key}:{}", String::from_utf8_lossy(value)))
                .collect();
            let params = format!("{{\"mode\":\"url\"{}}}", kept.concat());
            questions.push(format!("\"visit-{}\":{{\"method\":\"elicitation/create\",\"params\":{params}}}", at + 1));
        }
        self.told(VISIT, &questions.join(","), call)
    }
}

/// Whether the user has agreed to every visit. Answers that are missing are no agreement: the server asks again.
pub(super) fn agreed(answers: &[u8]) -> bool {
    members(answers).iter().all(|(_, given)| raw::peek(given, "action") == Some(b"\"accept\""))
}

/// Why a call ends whose user does not want to visit an address.
pub(super) const DECLINED: &str = "the user did not agree to visit the address that the server needs";

//! What every request of 2026-07-28 carries, and how one is repeated with answers.

use crate::client::message::{self, Message};
use crate::servers::message::members;

const PREFIX: &str = "io.modelcontextprotocol";
/// The digits of base64.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The members of `params._meta` that make a request describe itself.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The version.
    pub version: String,
    /// The capabilities as JSON text.
    pub capabilities: String,
    /// More members as JSON text without braces, such as `"progressToken":1`; empty for none.
    pub meta: String,
}

impl Envelope {
    /// An envelope of this version; `capabilities` is JSON text.
    pub fn new(version: &str, capabilities: &str) -> Self {
        Self { version: version.to_owned(), capabilities: capabilities.to_owned(), meta: String::new() }
    }

    /// The members of `_meta`, without braces.
    pub fn members(&self) -> String {
        let version = message::quoted(&self.version);
        let capabilities = &self.capabilities;
        let mut meta = format!(r#""{PREFIX}/protocolVersion":{version},"{PREFIX}/clientCapabilities":{capabilities}"#);
        meta.push_str(r#","io.modelcontextprotocol/clientInfo":{"name":"testkit","version":"1.0"}"#);
        if !self.meta.is_empty() {
            meta.push(',');
            meta.push_str(&self.meta);
        }
        meta
    }

    /// These params with the envelope in them, everything else untouched; `params` is the text of a JSON
    /// object, or empty.
    pub fn wrap(&self, params: &str) -> String {
        let params = if params.trim().is_empty() { "{}" } else { params };
        let own = self.members();
        if let Some((_, meta)) = members(params).into_iter().rfind(|(name, _)| name == "_meta") {
            let at = meta.as_ptr() as usize - params.as_ptr() as usize + 1;
            let comma = if members(meta).is_empty() { "" } else { "," };
            return format!("{}{own}{comma}{}", &params[..at], &params[at..]);
        }
        let at = params.find('{').expect("params are an object") + 1;
        let comma = if members(params).is_empty() { "" } else { "," };
        format!(r#"{}"_meta":{{{own}}}{comma}{}"#, &params[..at], &params[at..])
    }
}

/// What a server wants to know before it answers: the keys and the questions, in order.
///
/// `None` if the answer is one already.
pub fn questions(answer: &Message) -> Option<Vec<(String, Message)>> {
    if answer.at("/result/resultType") != "input_required" {
        return None;
    }
    let result = answer.member("result").unwrap_or_default();
    let asked = members(&result).into_iter().find(|(name, _)| name == "inputRequests");
    let asked = asked.map(|(_, text)| members(text)).unwrap_or_default();
    let question = |(key, text): (String, &str)| {
        let question = Message::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
        (key, question)
    };
    Some(asked.into_iter().map(question).collect())
}

/// The params of a request that is repeated with these answers, each a key and the text of a result, and with
/// the state that came with the questions; `params` are those of the request before, in text.
pub fn repeated(params: &str, asked: &Message, answers: &[(String, String)]) -> String {
    let kept = members(params).into_iter().filter(|(name, _)| name != "inputResponses" && name != "requestState");
    let mut all: Vec<String> = kept.map(|(name, text)| format!("{}:{text}", message::quoted(&name))).collect();
    if !answers.is_empty() {
        let answers = answers.iter().map(|(key, result)| format!("{}:{result}", message::quoted(key)));
        all.push(format!(r#""inputResponses":{{{}}}"#, answers.collect::<Vec<_>>().join(",")));
    }
    let result = asked.member("result").unwrap_or_default();
    if let Some((_, state)) = members(&result).into_iter().find(|(name, _)| name == "requestState") {
        all.push(format!(r#""requestState":{state}"#));
    }
    format!("{{{}}}", all.join(","))
}

/// The value of `Mcp-Name` or `Mcp-Param-*` for this text.
pub fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && text.trim() == text;
    if plain && !(text.starts_with("=?base64?") && text.ends_with("?=")) {
        return text.to_owned();
    }
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4_usize {
            let letter = LETTERS[usize::try_from((bits >> (18 - 6 * place)) & 63).expect("six bits")];
            encoded.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    format!("=?base64?{encoded}?=")
}

#[cfg(test)]
mod tests {
    use super::{Envelope, header_value, questions, repeated};
    use crate::client::message::Message;

    #[test]
    fn params_keep_their_text_around_the_envelope() {
        let envelope = Envelope::new("2026-07-28", "{}");
        for (params, starts, ends) in [
            ("", r#"{"_meta":{"io.model"#, "}}"),
            (r#"{ "a" : 1.0 }"#, r#"{"_meta":{"io.model"#, r#"}, "a" : 1.0 }"#),
            (r#"{"a":1,"_meta":{ "progressToken":7}}"#, r#"{"a":1,"_meta":{"io.model"#, r#", "progressToken":7}}"#),
            (r#"{"_meta":{}}"#, r#"{"_meta":{"io.model"#, "}}"),
        ] {
            let wrapped = envelope.wrap(params);
            assert!(wrapped.starts_with(starts) && wrapped.ends_with(ends), "{wrapped}");
            let parsed = Message::parse(&wrapped).expect("json");
            assert_eq!(parsed.at("/_meta/io.modelcontextprotocol~1protocolVersion"), "2026-07-28");
        }
    }

    #[test]
    fn a_request_is_repeated_with_answers_and_state() {
        let asked = r#"{"id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}},"requestState":"\u0041"}}"#;
        let asked = Message::parse(asked).expect("json");
        let questions = questions(&asked).expect("questions");
        assert_eq!((questions[0].0.as_str(), questions[0].1.method()), ("k", Some("roots/list")));
        let params = repeated(r#"{"name":"x","requestState":"old"}"#, &asked, &[("k".into(), "{}".into())]);
        assert_eq!(params, r#"{"name":"x","inputResponses":{"k":{}},"requestState":"\u0041"}"#);
    }

    #[test]
    fn odd_texts_are_encoded_for_headers() {
        for (text, value) in [
            ("plain", "plain"),
            ("", ""),
            (" x", "=?base64?IHg=?="),
            ("é", "=?base64?w6k=?="),
            ("🚪", "=?base64?8J+aqg==?="),
            ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?="),
        ] {
            assert_eq!(header_value(text), value);
        }
    }
}

//! Shapes that older revisions do not have: content blocks, structured content, forms.

use crate::edits::{Edits, Object};
use crate::error::{INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::json::{Span, quote};
use crate::method::Method;
use crate::raw::{elements, find, may_hold, peek, peek_string, string, whole};
use crate::version::{Era, Version};

/// Why a question cannot be put to a client of an older revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its form has a part that the revision has no form for: the user is taken to have closed it (`action: "cancel"`).
    Cancel,
    /// It asks in a way that the revision does not have: an error (-32602).
    Refuse,
    /// The revision does not have the method: an error (-32601).
    Absent,
}

impl Unfit {
    /// The code of the error that answers the server; `None` if a result does.
    pub fn code(self) -> Option<i32> {
        match self {
            Unfit::Cancel => None,
            Unfit::Refuse => Some(INVALID_PARAMS),
            Unfit::Absent => Some(METHOD_NOT_FOUND),
        }
    }
}

/// What to change in the result of a `method` so that a client of `version` can read it.
///
/// Content blocks that the revision lacks become text; structured content is given as text too where the revision
/// lacks it; structured content that is no object, and schemas of such, exist in 2026-07-28 only and go.
pub fn for_client(method: Method, result: &[u8], version: Version) -> Edits {
    let mut edits = Edits::none();
    if version.era() == Era::Modern {
        return edits;
    }
    match method {
        Method::ToolsCall => {
            if may_hold(result, newer_kinds(version)) {
                blocks(result, version, &mut edits);
            }
            if may_hold(result, &["structuredContent"]) {
                structured(result, version, &mut edits);
            }
        }
        Method::PromptsGet if may_hold(result, newer_kinds(version)) => prompt(result, version, &mut edits),
        Method::ToolsList if may_hold(result, &["outputSchema"]) => schemas(result, &mut edits),
        _ => {}
    }
    edits
}

/// What to change in the parameters of a server's question so that a client of `version` can read it.
pub fn question_for_client(method: Method, params: &[u8], version: Version) -> Result<Edits, Unfit> {
    match method {
        Method::Elicit if version < Version::V2025_06_18 => Err(Unfit::Absent),
        Method::Elicit if version < Version::V2025_11_25 => form(params),
        Method::CreateMessage if version < Version::V2025_11_25 => sampling(params, version),
        _ => Ok(Edits::none()),
    }
}

/// What to change in the parameters of an elicitation so that a client of 2025-11-25 can take it: one that sends the
/// user to an address has an id there (`elicitationId`), by which its end can be told; `id` if it has none.
pub fn with_elicitation_id(params: &[u8], id: &str) -> Edits {
    let mut edits = Edits::none();
    let Some(question) = Object::of(params) else { return edits };
    let by_url = question.get("mode").and_then(string).is_some_and(|mode| mode == "url");
    if by_url && question.get("elicitationId").is_none() {
        question.change(&mut edits, &[("elicitationId", Some(quote(id).as_bytes()))]);
    }
    edits
}

/// The kinds of content blocks that the revision lacks.
fn newer_kinds(version: Version) -> &'static [&'static str] {
    match version {
        Version::V2024_11_05 => &["audio", "resource_link"],
        Version::V2025_03_26 => &["resource_link"],
        _ => &[],
    }
}

fn list(text: &[u8], key: &str) -> Vec<Span> {
    find(text, whole(text), key).map(|array| elements(text, array)).unwrap_or_default()
}

fn blocks(result: &[u8], version: Version, edits: &mut Edits) {
    for block in list(result, "content") {
        to_text(result, block, version, edits);
    }
}

fn prompt(result: &[u8], version: Version, edits: &mut Edits) {
    for message in list(result, "messages") {
        if let Some(block) = find(result, message, "content") {
            to_text(result, block, version, edits);
        }
    }
}

/// A block of a kind that the revision lacks becomes a text that tells what it was; what else it has stays.
fn to_text(text: &[u8], block: Span, version: Version, edits: &mut Edits) {
    let Some(block) = Object::at(text, block) else { return };
    let word = |key: &str| block.get(key).and_then(string);
    let Some(kind) = word("type").filter(|kind| newer_kinds(version).contains(&&kind[..])) else { return };
    let mime = word("mimeType");
    let told = if kind == "audio" {
        let mime = mime.map(|mime| format!(" ({mime})")).unwrap_or_default();
        format!("Audio{mime} left out: this revision of the protocol has none.")
    } else {
        [Some("Resource"), word("name").as_deref(), word("uri").as_deref(), mime.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("\n")
    };
    let told = quote(&told);
    let all = [("type", Some(&b"\"text\""[..])), ("text", Some(told.as_bytes())), ("data", None)];
    block.change(edits, if kind == "audio" { &all } else { &all[..2] });
}

fn structured(result: &[u8], version: Version, edits: &mut Edits) {
    let Some(whole) = Object::of(result) else { return };
    let Some(value) = whole.get("structuredContent") else { return };
    let fits = value.starts_with(b"{");
    let blocks = whole.find("content").filter(|content| result[content.start] == b'[');
    let readable = if fits { version >= Version::V2025_06_18 } else { value == b"null" };
    let told = readable || blocks.is_some_and(|blocks| has_text(result, blocks));
    let list = (!told).then(|| add_text(result, blocks, &String::from_utf8_lossy(value), edits)).flatten();
    let mut changes: Vec<(&str, Option<&[u8]>)> = Vec::new();
    changes.extend((!fits).then_some(("structuredContent", None)));
    changes.extend(list.as_ref().map(|list| ("content", Some(list.as_bytes()))));
    whole.change(edits, &changes);
}

fn has_text(result: &[u8], blocks: Span) -> bool {
    let is_text = |block: Span| peek_string(&result[block.range()], "type").is_some_and(|kind| kind == "text");
    elements(result, blocks).into_iter().any(is_text)
}

/// Adds a text to a list of blocks; gives the list if there is none yet.
fn add_text(result: &[u8], blocks: Option<Span>, text: &str, edits: &mut Edits) -> Option<String> {
    let block = format!("{{\"type\":\"text\",\"text\":{}}}", quote(text));
    let Some(blocks) = blocks else {
        return Some(format!("[{block}]"));
    };
    let comma = if elements(result, blocks).is_empty() { "" } else { "," };
    edits.insert(blocks.end - 1, format!("{comma}{block}"));
    None
}

/// Output schemas whose root is no object.
fn schemas(result: &[u8], edits: &mut Edits) {
    for tool in list(result, "tools").into_iter().filter_map(|tool| Object::at(result, tool)) {
        let kind = tool.get("outputSchema").map(|schema| peek_string(schema, "type"));
        if kind.is_some_and(|kind| kind.as_deref() != Some("object")) {
            tool.change(edits, &[("outputSchema", None)]);
        }
    }
}

/// A form as 2025-06-18 knows it.
fn form(params: &[u8]) -> Result<Edits, Unfit> {
    let mut edits = Edits::none();
    let Some(question) = Object::of(params) else { return Ok(edits) };
    if question.get("mode").and_then(string).is_some_and(|mode| mode != "form") {
        return Err(Unfit::Refuse);
    }
    question.change(&mut edits, &[("mode", None)]);
    let properties = question
        .find("requestedSchema")
        .and_then(|schema| find(params, schema, "properties"))
        .and_then(|properties| crate::raw::members(params, properties));
    for (_, property) in properties.unwrap_or_default() {
        field(params, property, &mut edits)?;
    }
    Ok(edits)
}

/// One field of a form: a choice among titles is written as `enum` and `enumNames`, as 2025-06-18 has it.
fn field(params: &[u8], field: Span, edits: &mut Edits) -> Result<(), Unfit> {
    let Some(field) = Object::at(params, field) else { return Ok(()) };
    if field.get("type").and_then(string).is_some_and(|kind| kind == "array") {
        return Err(Unfit::Cancel);
    }
    let Some(choices) = field.find("oneOf") else { return Ok(()) };
    let (mut values, mut titles) = (Vec::new(), Vec::new());
    for choice in elements(params, choices) {
        let choice = &params[choice.range()];
        let value = peek(choice, "const").filter(|value| value.starts_with(b"\"")).ok_or(Unfit::Cancel)?;
        values.push(value);
        titles.push(peek(choice, "title").filter(|title| title.starts_with(b"\"")).unwrap_or(value));
    }
    let array = |items: &[&[u8]]| [b"[", &items.join(&b',')[..], b"]"].concat();
    let (values, titles) = (array(&values), array(&titles));
    field.change(edits, &[("oneOf", None), ("enum", Some(&values)), ("enumNames", Some(&titles))]);
    Ok(())
}

/// A request to sample without what came later: audio (2025-03-26), tools and several blocks (2025-11-25).
fn sampling(params: &[u8], version: Version) -> Result<Edits, Unfit> {
    let mut edits = Edits::none();
    let Some(question) = Object::of(params) else { return Ok(edits) };
    if question.get("tools").is_some() {
        return Err(Unfit::Refuse);
    }
    question.change(&mut edits, &[("toolChoice", None)]);
    let messages = question.find("messages").map(|messages| elements(params, messages));
    for message in messages.unwrap_or_default() {
        let Some(block) = find(params, message, "content") else { continue };
        let kind = peek_string(&params[block.range()], "type");
        if params[block.start] == b'[' || kind.is_some_and(|kind| matches!(&kind[..], "tool_use" | "tool_result")) {
            return Err(Unfit::Refuse);
        }
        to_text(params, block, version, &mut edits);
    }
    Ok(edits)
}

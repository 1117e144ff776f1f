//! What a path below `/api` means: read from the path as it was sent, whose segments are decoded once.

use std::borrow::Cow;

use axum::http::Method as Verb;
use janua_wire::method::Method;
use janua_wire::percent;

use crate::clients::openapi::Format;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// All servers and views.
    Everything,
    /// Names for sessions.
    SessionId,
    /// The sessions of one name.
    Session(String),
    /// What one server has.
    Server,
    /// One list of it.
    List(Method),
    /// A tool of it.
    Tool(String),
    /// A prompt of it.
    Prompt(String),
    /// The content of a resource.
    Content,
    /// Completions of an argument.
    Completion,
    /// Where the answers to questions go.
    Question(String),
    /// The OpenAPI document.
    Document(Format),
}

/// A path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The server or view; `None` where there is only one, and for what belongs to none.
    pub(super) server: Option<String>,
    pub(super) subject: Subject,
    /// Whether a tool's name was given in several segments, which only a name that there is may be.
    pub(super) is_split: bool,
}

/// The words that a list has in paths.
const LISTS: [(&str, Method); 4] = [
    ("tools", Method::ToolsList),
    ("prompts", Method::PromptsList),
    ("resources", Method::ResourcesList),
    ("templates", Method::TemplatesList),
];

impl Subject {
    /// The methods that it is asked for with.
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Subject::Session(_) => "DELETE",
            Subject::Tool(_) | Subject::Prompt(_) | Subject::Completion | Subject::Question(_) => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether it is asked for with this method.
    pub(super) fn allows(&self, verb: &Verb) -> bool {
        self.allowed().split(", ").any(|allowed| allowed == verb.as_str())
    }
}

impl Address {
    /// Reads what comes behind `/api`, in a gateway of `many` servers or of one. `None`: it means nothing.
    pub(super) fn read(rest: &str, verb: &Verb, many: bool) -> Option<Address> {
        let mut segments = rest.split('/').skip(1).map(decoded).collect::<Option<Vec<Cow<'_, str>>>>()?;
        if segments.last().is_some_and(|last| last.is_empty()) && segments.len() <= 1 + usize::from(many) {
            segments.pop();
        }
        let of =
            |server: Option<&str>, subject, is_split| Address { server: server.map(str::to_owned), subject, is_split };
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        match segments.as_slice() {
            [] if many => return Some(of(None, Subject::Everything, false)),
            [file] if format(file).is_some() => {
                return format(file).map(|file| of(None, Subject::Document(file), false));
            }
            ["sessionid"] => return Some(of(None, Subject::SessionId, false)),
            ["sessionid", id] => return Some(of(None, Subject::Session((*id).to_owned()), false)),
            _ => {}
        }
        let (server, rest) = if many { (Some(*segments.first()?), segments.get(1..)?) } else { (None, &*segments) };
        let (subject, is_split) = subject(rest, verb)?;
        Some(of(server, subject, is_split))
    }
}

/// The form of a document that has this name.
fn format(file: &str) -> Option<Format> {
    match file {
        "openapi.json" => Some(Format::Json),
        "openapi.yaml" => Some(Format::Yaml),
        _ => None,
    }
}

/// What the segments behind the server mean, and whether they are a tool's name in several segments.
fn subject(segments: &[&str], verb: &Verb) -> Option<(Subject, bool)> {
    let subject = match segments {
        [] => Subject::Server,
        [""] | ["", ..] => return None,
        [word] if *verb != Verb::POST && format(word).is_some() => Subject::Document(format(word)?),
        [word] => match LISTS.iter().find(|(list, _)| list == word) {
            // A tool may have such a name, and is called with another method.
            Some((_, list)) if *verb != Verb::POST => Subject::List(*list),
            _ => Subject::Tool((*word).to_owned()),
        },
        ["resources", "content"] => Subject::Content,
        ["completion", "complete"] => Subject::Completion,
        ["questions", handle] => Subject::Question((*handle).to_owned()),
        ["prompts", name @ ..] => Subject::Prompt(name.join("/")),
        ["tools" | "resources" | "templates" | "completion" | "questions", ..] => return None,
        name => return Some((Subject::Tool(name.join("/")), true)),
    };
    Some((subject, false))
}

/// A segment with its percent-encoding undone (RFC 3986, section 2.1); `None` if that gives no text.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    if !percent::is_sound(segment) {
        return None;
    }
    match percent::decoded(segment) {
        Cow::Borrowed(_) => Some(Cow::Borrowed(segment)),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str, verb: &Verb, many: bool) -> Option<(Option<String>, Subject, bool)> {
        Address::read(rest, verb, many).map(|address| (address.server, address.subject, address.is_split))
    }

    #[test]
    fn a_path_names_a_server_and_what_is_meant_of_it() {
        let tool = |name: &str| Subject::Tool(name.to_owned());
        let at = |subject: Subject| Some((Some("s".to_owned()), subject, false));
        for (path, verb, meant) in [
            ("/s", Verb::GET, at(Subject::Server)),
            ("/s/", Verb::GET, at(Subject::Server)),
            ("/s/tools", Verb::GET, at(Subject::List(Method::ToolsList))),
            ("/s/tools", Verb::POST, at(tool("tools"))),
            ("/s/echo", Verb::POST, at(tool("echo"))),
            ("/s/a%2Fb%20c", Verb::POST, at(tool("a/b c"))),
            ("/s/a%252Fb", Verb::POST, at(tool("a%2Fb"))),
            ("/s/prompts/p", Verb::POST, at(Subject::Prompt("p".to_owned()))),
            ("/s/prompts%2Fp", Verb::POST, at(tool("prompts/p"))),
            ("/s/resources/content", Verb::GET, at(Subject::Content)),
            ("/s/completion/complete", Verb::POST, at(Subject::Completion)),
            ("/s/questions/h", Verb::POST, at(Subject::Question("h".to_owned()))),
            ("/s/a/b", Verb::POST, Some((Some("s".to_owned()), tool("a/b"), true))),
            ("/s/tools/b", Verb::POST, None),
            ("/s//b", Verb::POST, None),
            ("/s/%zz", Verb::POST, None),
            ("/s/%ff", Verb::POST, None),
            ("/sessionid", Verb::GET, Some((None, Subject::SessionId, false))),
            ("/sessionid/x", Verb::DELETE, Some((None, Subject::Session("x".to_owned()), false))),
            ("", Verb::GET, Some((None, Subject::Everything, false))),
            ("/", Verb::GET, Some((None, Subject::Everything, false))),
        ] {
            assert_eq!(read(path, &verb, true), meant, "{path}");
        }
        assert_eq!(read("/echo", &Verb::POST, false), Some((None, tool("echo"), false)));
        assert_eq!(read("/prompts/p", &Verb::POST, false), Some((None, Subject::Prompt("p".to_owned()), false)));
        assert_eq!(read("", &Verb::GET, false), Some((None, Subject::Server, false)));
    }

    #[test]
    fn each_subject_has_its_methods() {
        assert!(Subject::Tool(String::new()).allows(&Verb::POST) && !Subject::Tool(String::new()).allows(&Verb::GET));
        assert!(Subject::Server.allows(&Verb::HEAD) && !Subject::Server.allows(&Verb::DELETE));
    }
}

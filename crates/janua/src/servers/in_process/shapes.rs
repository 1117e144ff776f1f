//! What servers in this process say in MCP's own shapes: who they are, what they offer, and their results.

use janua_wire::base64;

use super::{Json, Object};

/// What a server says of itself.
///
/// It offers nothing until it says so: without [`About::tools`] nobody sees its tools.
#[derive(Clone, Debug)]
pub struct About {
    pub(super) name: String,
    version: String,
    title: Option<String>,
    instructions: Option<String>,
    pub(super) offers: Offers,
    more: Vec<(String, Json)>,
}

/// The capabilities that the gateway acts upon.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "five capabilities, each there or not")]
pub(super) struct Offers {
    pub(super) tools: bool,
    pub(super) prompts: bool,
    pub(super) resources: bool,
    pub(super) subscriptions: bool,
    pub(super) completions: bool,
    pub(super) logging: bool,
}

impl About {
    /// A server of that name and version.
    pub fn new(name: &str, version: &str) -> Self {
        About {
            name: name.to_owned(),
            version: version.to_owned(),
            title: None,
            instructions: None,
            offers: Offers::default(),
            more: Vec::new(),
        }
    }

    /// The same with a name for people.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    /// The same with a text that tells models how to use it.
    #[must_use]
    pub fn instructions(mut self, text: &str) -> Self {
        self.instructions = Some(text.to_owned());
        self
    }

    /// It has tools.
    #[must_use]
    pub fn tools(mut self) -> Self {
        self.offers.tools = true;
        self
    }

    /// It has prompts.
    #[must_use]
    pub fn prompts(mut self) -> Self {
        self.offers.prompts = true;
        self
    }

    /// It has resources, or templates of them.
    #[must_use]
    pub fn resources(mut self) -> Self {
        self.offers.resources = true;
        self
    }

    /// It has resources and says when one of them changes.
    #[must_use]
    pub fn subscriptions(mut self) -> Self {
        self.offers.subscriptions = true;
        self.resources()
    }

    /// It completes arguments.
    #[must_use]
    pub fn completions(mut self) -> Self {
        self.offers.completions = true;
        self
    }

    /// It logs to its clients.
    #[must_use]
    pub fn logging(mut self) -> Self {
        self.offers.logging = true;
        self
    }

    /// It has a capability that the gateway does not know; see [`Server::other`](super::Server::other).
    #[must_use]
    pub fn capability(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.more.push((name.to_owned(), value.into()));
        self
    }

    /// The result of `initialize` in `version`.
    pub(super) fn opened(&self, version: &str) -> Json {
        let Offers { tools, prompts, resources, subscriptions, completions, logging } = self.offers;
        let changes = || Object::new().put("listChanged", true);
        let watched = if subscriptions { changes().put("subscribe", true) } else { changes() };
        let mut capabilities = Object::new()
            .put_some("tools", tools.then(changes))
            .put_some("prompts", prompts.then(changes))
            .put_some("resources", resources.then_some(watched))
            .put_some("completions", completions.then(Object::new))
            .put_some("logging", logging.then(Object::new));
        for (name, value) in &self.more {
            capabilities = capabilities.put(name, value.clone());
        }
        let info = Object::new().put("name", self.name.as_str()).put_some("title", self.title.as_deref());
        let opened = Object::new()
            .put("protocolVersion", version)
            .put("capabilities", capabilities)
            .put("serverInfo", info.put("version", self.version.as_str()));
        opened.put_some("instructions", self.instructions.as_deref()).into()
    }
}

/// A tool as it is listed.
#[derive(Clone, Debug)]
pub struct Tool(Object);

impl Tool {
    /// A tool whose arguments fit `schema`, a JSON Schema as text.
    pub fn new(name: &str, description: &str, schema: &str) -> Self {
        let named = Object::new().put("name", name).put("description", description);
        Tool(named.put("inputSchema", Json::raw(schema.to_owned())))
    }

    /// The same with another member of MCP's `Tool`: `title`, `annotations`, `outputSchema`, …
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Json>) -> Self {
        Tool(self.0.put(key, value))
    }
}

/// What a call of a tool gives.
#[derive(Clone, Debug, Default)]
pub struct ToolResult {
    content: Vec<Json>,
    rest: Object,
}

impl ToolResult {
    /// A text.
    pub fn text(text: &str) -> Self {
        ToolResult::default().and_text(text)
    }

    /// A failure that the model shall read.
    pub fn failed(text: &str) -> Self {
        ToolResult::text(text).with("isError", true)
    }

    /// A value, as structured content and as a text for clients that do not know such.
    pub fn structured(value: impl Into<Json>) -> Self {
        let value = value.into();
        ToolResult::text(value.as_str()).with("structuredContent", value)
    }

    /// The same with one more text.
    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        self.and(Object::new().put("type", "text").put("text", text))
    }

    /// The same with an image.
    #[must_use]
    pub fn and_image(self, bytes: &[u8], mime_type: &str) -> Self {
        let image = Object::new().put("type", "image").put("data", base64::encode(bytes));
        self.and(image.put("mimeType", mime_type))
    }

    /// The same with one more block of content, whatever it is.
    #[must_use]
    pub fn and(mut self, block: impl Into<Json>) -> Self {
        self.content.push(block.into());
        self
    }

    /// The same with another member of MCP's `CallToolResult`: `structuredContent`, `_meta`, …
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.rest = self.rest.put(key, value);
        self
    }
}

/// A prompt as it is listed.
#[derive(Clone, Debug)]
pub struct Prompt {
    listed: Object,
    arguments: Vec<Json>,
}

impl Prompt {
    /// A prompt without arguments.
    pub fn new(name: &str, description: &str) -> Self {
        let listed = Object::new().put("name", name).put("description", description);
        Prompt { listed, arguments: Vec::new() }
    }

    /// The same with an argument that it needs.
    #[must_use]
    pub fn needs(self, name: &str, description: &str) -> Self {
        self.argument(name, description, true)
    }

    /// The same with an argument that it takes.
    #[must_use]
    pub fn takes(self, name: &str, description: &str) -> Self {
        self.argument(name, description, false)
    }

    fn argument(mut self, name: &str, description: &str, required: bool) -> Self {
        let argument = Object::new().put("name", name).put("description", description).put("required", required);
        self.arguments.push(argument.into());
        self
    }
}

/// What a prompt comes to: messages.
#[derive(Clone, Debug, Default)]
pub struct PromptResult(Vec<Json>);

impl PromptResult {
    /// What the user says.
    pub fn user(text: &str) -> Self {
        PromptResult::default().and("user", text)
    }

    /// The same with one more message of `role`, `user` or `assistant`.
    #[must_use]
    pub fn and(mut self, role: &str, text: &str) -> Self {
        let content = Object::new().put("type", "text").put("text", text);
        self.0.push(Object::new().put("role", role).put("content", content).into());
        self
    }
}

/// A resource as it is listed.
#[derive(Clone, Debug)]
pub struct Resource(Object);

impl Resource {
    /// A resource.
    pub fn new(uri: &str, name: &str, mime_type: &str) -> Self {
        Resource(Object::new().put("uri", uri).put("name", name).put("mimeType", mime_type))
    }

    /// The same with another member of MCP's `Resource`: `title`, `description`, `size`, …
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Json>) -> Self {
        Resource(self.0.put(key, value))
    }
}

/// A template of resources as it is listed.
#[derive(Clone, Debug)]
pub struct Template(Object);

impl Template {
    /// Resources whose addresses fit `uri`, a URI template (RFC 6570).
    pub fn new(uri: &str, name: &str, mime_type: &str) -> Self {
        Template(Object::new().put("uriTemplate", uri).put("name", name).put("mimeType", mime_type))
    }

    /// The same with another member of MCP's `ResourceTemplate`.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Json>) -> Self {
        Template(self.0.put(key, value))
    }
}

/// What a resource holds.
#[derive(Clone, Debug)]
pub struct Contents(Object);

impl Contents {
    /// Text.
    pub fn text(uri: &str, mime_type: &str, text: &str) -> Self {
        Contents(Object::new().put("uri", uri).put("mimeType", mime_type).put("text", text))
    }

    /// Bytes.
    pub fn blob(uri: &str, mime_type: &str, bytes: &[u8]) -> Self {
        Contents(Object::new().put("uri", uri).put("mimeType", mime_type).put("blob", base64::encode(bytes)))
    }
}

/// An argument that is being typed.
#[derive(Clone, Debug)]
pub struct Completing {
    /// What it is an argument of.
    pub of: Argued,
    /// The argument's name.
    pub argument: String,
    /// What was typed so far.
    pub value: String,
    /// The arguments that have their value already: an object.
    pub others: Json,
}

/// What has arguments that can be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argued {
    /// The prompt of this name.
    Prompt(String),
    /// The template of resources with this address.
    Template(String),
}

/// The result of a completion: as many as MCP lets through, and how many there are (2025-11-25
/// `server/utilities/completion`).
pub(super) fn completion(values: &[String]) -> Json {
    const MOST: usize = 100;
    let shown: Vec<&str> = values.iter().take(MOST).map(String::as_str).collect();
    let completion =
        Object::new().put("values", shown).put("total", values.len() as u64).put("hasMore", values.len() > MOST);
    Object::new().put("completion", completion).into()
}

/// A list under its name.
pub(super) fn list<T: Into<Json>>(name: &str, entries: Vec<T>) -> Json {
    Object::new().put(name, entries).into()
}

impl From<Tool> for Json {
    fn from(tool: Tool) -> Self {
        tool.0.into()
    }
}

impl From<ToolResult> for Json {
    fn from(result: ToolResult) -> Self {
        result.rest.put("content", result.content).into()
    }
}

impl From<Prompt> for Json {
    fn from(prompt: Prompt) -> Self {
        let arguments = Some(prompt.arguments).filter(|arguments| !arguments.is_empty());
        prompt.listed.put_some("arguments", arguments).into()
    }
}

impl From<PromptResult> for Json {
    fn from(result: PromptResult) -> Self {
        list("messages", result.0)
    }
}

impl From<Resource> for Json {
    fn from(resource: Resource) -> Self {
        resource.0.into()
    }
}

impl From<Template> for Json {
    fn from(template: Template) -> Self {
        template.0.into()
    }
}

impl From<Contents> for Json {
    fn from(contents: Contents) -> Self {
        contents.0.into()
    }
}

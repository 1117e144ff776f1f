//! A server that does everything a server can do, a little of each.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::lock::Lock;
use crate::servers::in_process::{
    About, Answer, Argued, Completing, Contents, Error, Exchange, Json, Level, News, Prompt, PromptResult, Resource,
    Server, Template, Tool, ToolResult,
};

const NOTHING: &str = r#"{"type":"object","properties":{}}"#;
const TEXT: &str = r#"{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}"#;
const TWO: &str =
    r#"{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]}"#;
const COUNT: &str =
    r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":100}},"required":["n"]}"#;
const PROMPT: &str = r#"{"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]}"#;
const LOG: &str = r#"{"type":"object","properties":{"message":{"type":"string"},"level":{"type":"string","enum":["debug","info","notice","warning","error","critical","alert","emergency"]}},"required":["message"]}"#;
const NAME: &str =
    r#"{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z0-9-]{1,32}$"}},"required":["name"]}"#;

/// What `greet` asks for.
const FORM: &str = r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;

const NOTE: &str = "demo://note";
const PICTURE: &str = "demo://picture";
const COUNTER: &str = "demo://counter";
const SQUARE: &str = "demo://square/";

/// A picture of one black dot.
const DOT: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x01\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// The ways to greet that `welcome` knows.
const TONES: [&str; 3] = ["brief", "formal", "friendly"];

/// One instance, with what its clients have changed.
pub(super) struct Everything {
    news: News,
    counter: Lock<i64>,
    /// Tools that were added.
    added: Lock<BTreeSet<String>>,
}

impl Everything {
    pub(super) fn new(news: News) -> Self {
        Everything { news, counter: Lock::new(0), added: Lock::default() }
    }
}

impl Server for Everything {
    fn about(&self) -> About {
        About::new("janua-everything", env!("CARGO_PKG_VERSION"))
            .title("Janua's demo server")
            .instructions("A demo: call echo, add or countdown; greet asks the person, sample the model.")
            .tools()
            .prompts()
            .subscriptions()
            .completions()
            .logging()
    }

    async fn tools(&self, _: &Exchange) -> Result<Vec<Tool>, Error> {
        let mut tools = vec![
            Tool::new("echo", "Gives back the text it gets", TEXT),
            Tool::new("add", "Adds two numbers", TWO),
            Tool::new("countdown", "Counts down from n, a step every tenth of a second, reporting progress", COUNT),
            Tool::new("greet", "Asks the person at the client for a name, and greets", NOTHING),
            Tool::new("sample", "Asks the client's model to go on after a prompt", PROMPT),
            Tool::new("roots", "Says which folders the client shows", NOTHING),
            Tool::new("log", "Logs a message to the client, at level info unless told otherwise", LOG),
            Tool::new("touch", "Counts up the resource demo://counter, which those hear who watch it", NOTHING),
            Tool::new("add-tool", "Adds a tool of that name, which says its name", NAME),
            Tool::new("remove-tool", "Removes a tool that was added", NAME),
        ];
        tools.extend(self.added.lock().iter().map(|name| Tool::new(name, "Says its name", NOTHING)));
        Ok(tools)
    }

    async fn call(&self, tool: &str, arguments: Json, exchange: &Exchange) -> Result<ToolResult, Error> {
        let said = match tool {
            "echo" => arguments.string("text")?,
            "add" => (arguments.number("a")? + arguments.number("b")?).to_string(),
            "countdown" => countdown(arguments.integer("n")?, exchange).await?,
            "greet" => greet(exchange).await?,
            "sample" => exchange.sample(&arguments.string("prompt")?, 200).await?,
            "roots" => roots(exchange).await?,
            "log" => log(&arguments, exchange).await?,
            "touch" => self.touch(),
            "add-tool" => self.add(&arguments.string("name")?)?,
            "remove-tool" => self.remove(&arguments.string("name")?)?,
            other if self.added.lock().contains(other) => format!("I am {other}."),
            other => return Err(Error::no_tool(other)),
        };
        Ok(ToolResult::text(&said))
    }

    async fn prompts(&self, _: &Exchange) -> Result<Vec<Prompt>, Error> {
        Ok(vec![
            Prompt::new("welcome", "Has the model welcome somebody")
                .needs("name", "Whom to welcome")
                .takes("tone", "brief, formal or friendly"),
        ])
    }

    async fn prompt(&self, name: &str, arguments: Json, _: &Exchange) -> Result<PromptResult, Error> {
        if name != "welcome" {
            return Err(Error::no_prompt(name));
        }
        let (whom, tone) = (arguments.string("name")?, arguments.string("tone"));
        let tone = tone.unwrap_or_else(|_| "friendly".to_owned());
        Ok(PromptResult::user(&format!("Please welcome {whom} in a {tone} way.")))
    }

    async fn resources(&self, _: &Exchange) -> Result<Vec<Resource>, Error> {
        Ok(vec![
            Resource::new(NOTE, "note", "text/plain").with("description", "A text"),
            Resource::new(PICTURE, "picture", "image/gif").with("description", "A dot"),
            Resource::new(COUNTER, "counter", "text/plain").with("description", "How often touch was called"),
        ])
    }

    async fn templates(&self, _: &Exchange) -> Result<Vec<Template>, Error> {
        let square = Template::new("demo://square/{n}", "square", "text/plain");
        Ok(vec![square.with("description", "The square of a number")])
    }

    async fn read(&self, uri: &str, _: &Exchange) -> Result<Vec<Contents>, Error> {
        let text = |text: String| Ok(vec![Contents::text(uri, "text/plain", &text)]);
        match uri {
            NOTE => text("A door has two sides.".to_owned()),
            PICTURE => Ok(vec![Contents::blob(uri, "image/gif", DOT)]),
            COUNTER => text(self.counter.lock().to_string()),
            _ => {
                let number = uri.strip_prefix(SQUARE).and_then(|n| n.parse::<i32>().ok());
                let number = number.map(i64::from).ok_or_else(|| Error::no_resource(uri))?;
                text((number * number).to_string())
            }
        }
    }

    async fn watch(&self, uri: &str, _: &Exchange) -> Result<(), Error> {
        // The others never change, but that is no reason to refuse.
        if [NOTE, PICTURE, COUNTER].contains(&uri) { Ok(()) } else { Err(Error::no_resource(uri)) }
    }

    async fn complete(&self, completing: Completing, _: &Exchange) -> Result<Vec<String>, Error> {
        let known: Vec<String> = match (completing.of, completing.argument.as_str()) {
            (Argued::Prompt(name), "tone") if name == "welcome" => TONES.map(str::to_owned).to_vec(),
            (Argued::Template(uri), "n") if uri.starts_with(SQUARE) => (0..1000).map(|n| n.to_string()).collect(),
            _ => Vec::new(),
        };
        Ok(known.into_iter().filter(|value| value.starts_with(&completing.value)).collect())
    }
}

impl Everything {
    fn touch(&self) -> String {
        let now = {
            let mut counter = self.counter.lock();
            *counter += 1;
            *counter
        };
        self.news.resource_updated(COUNTER);
        format!("The counter is at {now}.")
    }

    fn add(&self, name: &str) -> Result<String, Error> {
        const MOST: usize = 100;
        let fits = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if name.is_empty() || name.len() > 32 || !fits(name) {
            return Err(Error::invalid("\"name\" must be 1 to 32 of a-z, 0-9 and -"));
        }
        {
            let mut added = self.added.lock();
            if added.len() == MOST {
                return Err(Error::tool("that is enough tools: remove one first"));
            }
            if !added.insert(name.to_owned()) {
                return Err(Error::tool(format!("the tool {name} is there already")));
            }
        }
        self.news.tools_changed();
        Ok(format!("Added {name}."))
    }

    fn remove(&self, name: &str) -> Result<String, Error> {
        if !self.added.lock().remove(name) {
            return Err(Error::tool(format!("no tool {name} was added")));
        }
        self.news.tools_changed();
        Ok(format!("Removed {name}."))
    }
}

async fn countdown(from: i64, exchange: &Exchange) -> Result<String, Error> {
    let from = i32::try_from(from).ok().filter(|from| (1..=100).contains(from));
    let from = from.ok_or_else(|| Error::invalid("\"n\" must be between 1 and 100"))?;
    for step in 1..=from {
        tokio::time::sleep(Duration::from_millis(100)).await;
        exchange.progress(f64::from(step), Some(f64::from(from)), None).await;
    }
    Ok("Lift-off.".to_owned())
}

async fn greet(exchange: &Exchange) -> Result<String, Error> {
    if !exchange.can_elicit() {
        return Ok("Hello, whoever you are: your client cannot be asked.".to_owned());
    }
    match exchange.elicit("What is your name?", FORM).await? {
        Answer::Accepted(form) => Ok(format!("Hello, {}!", form.string("name")?)),
        Answer::Declined | Answer::Cancelled => Ok("Then I do not greet anybody.".to_owned()),
    }
}

async fn roots(exchange: &Exchange) -> Result<String, Error> {
    let roots = exchange.roots().await?;
    let lines: Vec<String> = roots.into_iter().map(|root| root.uri).collect();
    Ok(if lines.is_empty() { "No roots.".to_owned() } else { lines.join("\n") })
}

async fn log(arguments: &Json, exchange: &Exchange) -> Result<String, Error> {
    let level = match arguments.get("level") {
        Some(_) => Level::named(&arguments.string("level")?).ok_or_else(|| Error::invalid("there is no such level"))?,
        None => Level::Info,
    };
    exchange.log(level, arguments.string("message")?).await;
    Ok("Logged.".to_owned())
}

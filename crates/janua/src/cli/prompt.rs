//! `janua prompt`: one prompt, filled in.

use clap::Args;
use janua_wire::json::quote;
use serde_json::{Value, json};

use super::reach::shown::{self, Shown};
use super::reach::{Reach, Session, arguments, clean};
use super::{Failed, Global};

/// Fill in a prompt: NAME.PROMPT with its arguments as NAME=VALUE; prints the messages as ROLE: TEXT.
#[derive(Args, Debug)]
pub(super) struct PromptArgs {
    /// The prompt
    #[arg(value_name = "NAME.PROMPT")]
    prompt: String,
    /// Its arguments, as NAME=VALUE or NAME=@FILE
    #[arg(value_name = "K=V")]
    words: Vec<String>,
    /// Print the result as the server gave it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: PromptArgs) -> Result<(), Failed> {
    let site = args.reach.site()?;
    let (name, prompt) = site.split(&args.prompt);
    let known = if name.is_none() { site.known() } else { String::new() };
    args.reach.run(global, site, name, async |session: &mut Session| {
        session.json = args.json;
        let found = session.find("prompt", prompt, &known).await?;
        let prompt = found["name"].as_str().unwrap_or(prompt);
        let arguments = arguments::read(&args.words, &schema(&found), None)
            .map_err(|error| Failed::Usage(clean(&format!("{prompt}: {error:#}\n{}", takes(&found))).into_owned()))?;
        let asked = format!("\"name\":{},\"arguments\":{arguments}", quote(prompt));
        let response = session.ask("prompts/get", &asked).await?;
        if args.json {
            return shown::put_raw(response.body());
        }
        let result: Value = serde_json::from_slice(response.body())?;
        let mut shown = Shown::new(None)?;
        for message in result["messages"].as_array().into_iter().flatten() {
            let mut content = Shown::new(None)?;
            content.content(&message["content"])?;
            let role = message["role"].as_str().unwrap_or("user");
            shown.line(&format!("{role}: {}", String::from_utf8_lossy(&content.into_bytes())));
        }
        shown::put(&shown.into_bytes())
    })
}

/// The arguments of a prompt, which are all text, as a schema.
fn schema(prompt: &Value) -> Value {
    let named = || prompt["arguments"].as_array().into_iter().flatten();
    let name = |argument: &Value| argument["name"].as_str().map(str::to_owned);
    let properties = named().filter_map(|argument| Some((name(argument)?, json!({"type": "string"}))));
    let properties: serde_json::Map<String, Value> = properties.collect();
    let required: Vec<String> = named().filter(|argument| argument["required"] == true).filter_map(name).collect();
    json!({"properties": properties, "required": required, "additionalProperties": false})
}

fn takes(prompt: &Value) -> String {
    let argument = |argument: &Value| {
        let sign = if argument["required"] == true { " (required)" } else { "" };
        let about = argument["description"].as_str().map(|about| format!(": {about}")).unwrap_or_default();
        format!("\n  {}{sign}{about}", argument["name"].as_str().unwrap_or_default())
    };
    let all: String = prompt["arguments"].as_array().into_iter().flatten().map(argument).collect();
    if all.is_empty() { "it takes no arguments".to_owned() } else { format!("it takes:{all}") }
}

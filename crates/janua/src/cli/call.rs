//! `janua call`: one tool, called from the command line.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use janua_wire::json::quote;
use janua_wire::raw;

use super::reach::shown::{self, Shown};
use super::reach::{Reach, Session, arguments, clean, schema};
use super::{Failed, Global};

/// Call a tool: NAME.TOOL with its arguments as NAME=VALUE.
///
/// NAME is a server or view of the configuration; a tool that only one server has needs none, and neither does the
/// server of --url or after `--`. Values are read as the tool's schema says: k=v, k:=JSON, k=@FILE, k=@- (standard
/// input), a.b=v for what is nested, and repeated for lists. What the server asks is asked here, on a terminal; progress
/// and log lines go to standard error. Ctrl-C cancels the call.
#[derive(Args, Debug)]
pub(super) struct CallArgs {
    /// The tool, and its arguments
    #[arg(value_name = "NAME.TOOL [K=V]…")]
    words: Vec<String>,
    /// Alone: print the result as the server gave it. With an object: the arguments, or `-` or @FILE for where they are
    #[arg(long, num_args = 0..=1, default_missing_value = "", action = ArgAction::Append, value_name = "OBJECT")]
    json: Vec<String>,
    /// Save images, sounds and files in this folder
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// What was typed, in order.
struct Line {
    tool: String,
    words: Vec<String>,
    /// The arguments as one raw object.
    whole: Option<String>,
    json: bool,
}

/// Runs the command.
pub(super) fn run(global: &Global, args: CallArgs) -> Result<(), Failed> {
    let line = line(args.words, args.json)?;
    let site = args.reach.site()?;
    let (name, tool) = site.split(&line.tool);
    let known = if name.is_none() { site.known() } else { String::new() };
    let save = args.save;
    args.reach.run(global, site, name, async |session: &mut Session| {
        session.json = line.json;
        let (tool, arguments) = match &line.whole {
            Some(whole) if line.words.is_empty() => (tool.to_owned(), whole.clone()),
            whole => {
                let found = session.find("tool", tool, &known).await?;
                let tool = found["name"].as_str().unwrap_or(tool).to_owned();
                let read = arguments::read(&line.words, &found["inputSchema"], whole.as_deref());
                let arguments = read.map_err(|error| {
                    let parameters = schema::parameters(&found["inputSchema"]);
                    Failed::Usage(clean(&format!("{tool}: {error:#}\n{}", listed(&parameters))).into_owned())
                })?;
                (tool, arguments)
            }
        };
        let asked = format!("\"name\":{},\"arguments\":{arguments}", quote(&tool));
        let response = session.ask("tools/call", &asked).await?;
        let is_error = raw::peek(response.body(), "isError") == Some(b"true");
        let mut shown = Shown::new(save)?;
        if line.json {
            shown::put_raw(response.body())?;
        } else {
            shown.tool(response.body())?;
            if is_error {
                eprint!("{}", clean(&String::from_utf8_lossy(&shown.into_bytes())));
            } else {
                shown::put(&shown.into_bytes())?;
            }
        }
        if is_error { Err(anyhow::anyhow!("{tool} says that it failed").into()) } else { Ok(()) }
    })
}

fn listed(parameters: &str) -> String {
    if parameters.is_empty() {
        "it takes no arguments".to_owned()
    } else {
        format!("it takes:\n{}", parameters.trim_end())
    }
}

/// Tells the tool from its arguments, and the two meanings of `--json` from each other.
fn line(words: Vec<String>, json: Vec<String>) -> Result<Line, Failed> {
    let is_whole = |text: &String| text == "-" || text.starts_with('{') || text.starts_with('@');
    let (whole, rest): (Vec<String>, Vec<String>) = json.into_iter().partition(is_whole);
    let json = !rest.is_empty();
    // `--json` before a word takes it for its value.
    let words = words.into_iter().chain(rest.into_iter().filter(|word| !word.is_empty()));
    let (words, tools): (Vec<String>, Vec<String>) = words.partition(|word| word.contains('='));
    let [tool] = <[String; 1]>::try_from(tools).map_err(|tools| match tools.as_slice() {
        [] => Failed::Usage("no tool is named: janua call NAME.TOOL [K=V]…".to_owned()),
        _ => Failed::Usage(format!("{} are several tools; an argument is written K=V", tools.join(" and "))),
    })?;
    if whole.len() > 1 {
        return Err(Failed::Usage("the arguments are given twice with --json".to_owned()));
    }
    let whole = whole.first().map(|text| arguments::whole(text)).transpose();
    let whole = whole.map_err(|error| Failed::Usage(format!("--json: {error:#}")))?;
    Ok(Line { tool, words, whole, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], json: &[&str]) -> Result<Line, Failed> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        line(owned(words), owned(json))
    }

    #[test]
    fn json_is_a_flag_or_the_arguments() {
        let plain = of(&["a.b", "x=1"], &[]).expect("valid");
        assert!(plain.tool == "a.b" && plain.words == ["x=1"] && !plain.json && plain.whole.is_none());
        let flag = of(&["x=1"], &["a.b"]).expect("valid");
        assert!(flag.tool == "a.b" && flag.words == ["x=1"] && flag.json);
        let whole = of(&["a.b"], &["{\"x\":1}"]).expect("valid");
        assert!(whole.whole.as_deref() == Some("{\"x\":1}") && !whole.json);
        let both = of(&["a.b"], &["{}", ""]).expect("valid");
        assert!(both.whole.is_some() && both.json);
        assert!(of(&[], &[""]).is_err() && of(&["a", "b"], &[]).is_err() && of(&["a"], &["{"]).is_err());
    }
}

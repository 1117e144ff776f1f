//! A fast MCP server for measuring: it echoes over stdio, or with `--http PORT` speaks for itself.
//!
//! It knows the handshake of the 2025 revisions and three tools: `echo` (text), `big` (bytes) and
//! `notify` (count), and pads its list of tools to `--tools N`.

#![expect(clippy::disallowed_methods, reason = "a measuring program, not the product")]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
const BUFFER: usize = 1 << 16;

/// The members of an object, each as raw text; none when it is not an object.
type Fields<'a> = BTreeMap<&'a str, &'a RawValue>;

/// What the server answers with.
struct Server {
    tools: String,
}

fn main() -> io::Result<()> {
    let (mut tools, mut port) = (3, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value: usize = args.next().and_then(|v| v.parse().ok()).unwrap_or_default();
        match arg.as_str() {
            "--tools" => tools = value,
            "--http" => port = Some(u16::try_from(value).expect("a port has 16 bits")),
            _ => {
                return Err(io::Error::other("usage: benchecho [--tools N] [--http PORT]"));
            }
        }
    }
    let server = Server { tools: tool_list(tools) };
    match port {
        None => stdio(&server),
        Some(port) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, http(Rc::new(server), port))
        }
    }
}

/// Answers line by line; what is ready together is written together.
fn stdio(server: &Server) -> io::Result<()> {
    let mut input = BufReader::with_capacity(BUFFER, io::stdin().lock());
    let mut output = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    let mut line = Vec::new();
    let mut answers = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        server.answer(&line, &mut answers);
        for answer in answers.drain(..) {
            output.write_all(answer.as_bytes())?;
            output.write_all(b"\n")?;
        }
        line.clear();
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    output.flush()
}

/// Serves Streamable HTTP on loopback until it is killed.
async fn http(server: Rc<Server>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let server = Rc::clone(&server);
        let service = hyper::service::service_fn(move |request| {
            let server = Rc::clone(&server);
            async move { Ok::<_, Infallible>(server.respond(request).await) }
        });
        tokio::task::spawn_local(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            // A client that goes away is none of our business.
            let _ = connection.await;
        });
    }
}

impl Server {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::POST {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Ok(body) = request.into_body().collect().await else {
            return status(StatusCode::BAD_REQUEST);
        };
        let mut answers = Vec::new();
        let opens = self.answer(&body.to_bytes(), &mut answers);
        let (kind, body) = match answers.len() {
            0 => return status(StatusCode::ACCEPTED),
            1 => ("application/json", answers.remove(0)),
            _ => ("text/event-stream", events(&answers)),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        let headers = response.headers_mut();
        headers.insert("content-type", http::HeaderValue::from_static(kind));
        if opens {
            headers.insert("mcp-session-id", http::HeaderValue::from_static("bench"));
        }
        response
    }

    /// Adds the answers to one message; true when that message opened a session.
    fn answer(&self, message: &[u8], answers: &mut Vec<String>) -> bool {
        let message = fields(message);
        let (Some(id), Some(method)) = (message.get("id"), message.get("method")) else {
            return false;
        };
        let params = message.get("params").map_or_else(Fields::new, |p| fields(p.get().as_bytes()));
        let id = id.get();
        match method.get() {
            "\"tools/call\"" => call(id, &params, answers),
            "\"tools/list\"" => answers.push(result(id, &format!("\"tools\":{}", self.tools))),
            "\"ping\"" => answers.push(result(id, "")),
            "\"initialize\"" => answers.push(opening(id, &params)),
            _ => answers.push(failure(id, -32601, "method not found")),
        }
        method.get() == "\"initialize\""
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn events(messages: &[String]) -> String {
    let mut stream = String::new();
    for message in messages {
        let _ = write!(stream, "event: message\ndata: {message}\n\n");
    }
    stream
}

fn opening(id: &str, params: &Fields<'_>) -> String {
    let asked = params.get("protocolVersion").map_or("", |v| v.get().trim_matches('"'));
    let version = if REVISIONS.contains(&asked) { asked } else { REVISIONS[0] };
    result(
        id,
        &format!(
            "\"protocolVersion\":\"{version}\",\"capabilities\":{{\"tools\":{{}}}},\
             \"serverInfo\":{{\"name\":\"benchecho\",\"version\":\"1\"}}"
        ),
    )
}

fn call(id: &str, params: &Fields<'_>, answers: &mut Vec<String>) {
    let within = |name| params.get(name).map_or_else(Fields::new, |v| fields(v.get().as_bytes()));
    let arguments = within("arguments");
    let number = |name| arguments.get(name).and_then(|v| v.get().parse().ok()).unwrap_or(0_usize);
    match params.get("name").map_or("", |name| name.get()) {
        "\"echo\"" => answers.push(text(id, arguments.get("text").map_or("\"\"", |t| t.get()))),
        "\"big\"" => answers.push(text(id, &format!("\"{}\"", "x".repeat(number("bytes"))))),
        "\"notify\"" => {
            let meta = within("_meta");
            let token = meta.get("progressToken").map_or("null", |t| t.get());
            let count = number("count");
            answers.extend((1..=count).map(|at| {
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":\
                     {{\"progressToken\":{token},\"progress\":{at},\"total\":{count}}}}}"
                )
            }));
            answers.push(text(id, "\"done\""));
        }
        _ => answers.push(failure(id, -32602, "unknown tool")),
    }
}

/// A tool result whose one content is a text, given as JSON.
fn text(id: &str, json: &str) -> String {
    result(id, &format!("\"content\":[{{\"type\":\"text\",\"text\":{json}}}],\"isError\":false"))
}

fn result(id: &str, members: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{members}}}}}")
}

fn failure(id: &str, code: i32, message: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\"message\":\"{message}\"}}}}")
}

fn fields(json: &[u8]) -> Fields<'_> {
    serde_json::from_slice(json).unwrap_or_default()
}

/// The three tools and as many more, with a schema of everyday size, as `total` asks for.
fn tool_list(total: usize) -> String {
    let real = [("echo", "text", "string"), ("big", "bytes", "integer"), ("notify", "count", "integer")];
    let mut tools: Vec<String> = Vec::new();
    for (name, argument, kind) in real {
        tools.push(format!(
            "{{\"name\":\"{name}\",\"description\":\"for measuring\",\"inputSchema\":{{\"type\":\"object\",\
             \"properties\":{{\"{argument}\":{{\"type\":\"{kind}\"}}}},\"required\":[\"{argument}\"]}}}}"
        ));
    }
    for at in tools.len()..total {
        tools.push(format!(
            "{{\"name\":\"filler_{at}\",\"title\":\"Filler {at}\",\"description\":\"Stands for one of the \
             many tools a server may list. It looks up what is stored under a key and gives it back in \
             pages, in the order that was asked for.\",\"inputSchema\":{{\"type\":\"object\",\"properties\":\
             {{\"key\":{{\"type\":\"string\",\"description\":\"What to look up\"}},\"page\":{{\"type\":\
             \"integer\",\"minimum\":1,\"default\":1}},\"order\":{{\"type\":\"string\",\"enum\":[\"up\",\
             \"down\"]}},\"columns\":{{\"type\":\"array\",\"items\":{{\"type\":\"string\"}}}}}},\
             \"required\":[\"key\"]}},\"annotations\":{{\"readOnlyHint\":true}}}}"
        ));
    }
    format!("[{}]", tools.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answers(message: &Value) -> Vec<Value> {
        let mut answers = Vec::new();
        Server { tools: tool_list(500) }.answer(message.to_string().as_bytes(), &mut answers);
        answers.iter().map(|a| serde_json::from_str(a).expect("answers are JSON")).collect()
    }

    fn call(name: &str, arguments: &Value) -> Vec<Value> {
        answers(&json!({"jsonrpc": "2.0", "id": "a\"b", "method": "tools/call", "params":
            {"name": name, "arguments": arguments, "_meta": {"progressToken": 7}}}))
    }

    #[test]
    fn each_tool_answers_under_its_id() {
        let echo = call("echo", &json!({"text": "a \"quote\""}));
        assert_eq!(echo[0]["id"], "a\"b");
        assert_eq!(echo[0]["result"]["content"][0]["text"], "a \"quote\"");
        let big = call("big", &json!({"bytes": 1000}));
        assert_eq!(big[0]["result"]["content"][0]["text"].as_str().map(str::len), Some(1000));
        let notify = call("notify", &json!({"count": 3}));
        assert_eq!(notify.len(), 4);
        assert_eq!(notify[2]["params"], json!({"progressToken": 7, "progress": 3, "total": 3}));
        assert_eq!(call("none", &json!({}))[0]["error"]["code"], -32602);
    }

    #[test]
    fn the_list_is_as_long_as_asked_for() {
        let list = answers(&json!({"id": 1, "method": "tools/list"}));
        assert_eq!(list[0]["result"]["tools"].as_array().map(Vec::len), Some(500));
    }

    #[test]
    fn notifications_get_no_answer_and_unknown_methods_an_error() {
        assert_eq!(answers(&json!({"method": "notifications/initialized"})), [] as [Value; 0]);
        assert_eq!(answers(&json!({"id": 1, "method": "x"}))[0]["error"]["code"], -32601);
    }
}

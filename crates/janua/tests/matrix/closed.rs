//! Kinds that Janua turns away as a whole: what they are told, and that nothing is started for them.

use std::path::Path;

use http::Method;
use janua_testkit::client::Answer;
use janua_testkit::client::message::Message;
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::{Gateway, program};
use janua_testkit::process;
use janua_testkit::upstream::canned::{Canned, CannedServer};

use super::kinds::Closed;
use super::link::SOON;
use super::scene::{JANUA, Verdict};

const MODERN: &str = "2026-07-28";
/// What a server of 2026-07-28 alone says to any other revision.
const UNSUPPORTED: &str = r#"{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}"#;
/// Such a server in the words of a shell.
const MODERN_SERVER: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,"error":%s}\n' "$id" "$0"
done
"#;

/// Tries the kind; a panic means that it is treated in some other way than any verdict says.
pub(crate) async fn observe(kind: Closed) -> Verdict {
    match kind {
        Closed::ModernHttpClient => modern_http().await,
        Closed::ModernStdioClient => modern_stdio().await,
        Closed::RestClient => {
            let json = [("content-type", "application/json")];
            Verdict::status(plain(Method::POST, "/api/probe/echo", r#"{"text":"x"}"#, &json).await.status.as_u16())
        }
        Closed::ModernHttpServer => {
            let body = format!(r#"{{"jsonrpc":"2.0","id":null,"error":{UNSUPPORTED}}}"#);
            let refusal = Canned::new(400, &body).header("content-type", "application/json");
            let server = CannedServer::builder().on("POST /elsewhere", refusal).start().await;
            opened(&[server.site.url("/elsewhere")]).await
        }
        Closed::ModernStdioServer => opened(&["--", "sh", "-c", MODERN_SERVER, UNSUPPORTED].map(str::to_owned)).await,
    }
}

/// A gateway in front of a program that must not be started.
async fn untouched() -> Gateway {
    let probe = program("probe").display().to_string();
    Gateway::start(JANUA, &["proxy", "--port", "0", "--", &probe]).await
}

async fn plain(method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let gateway = untouched().await;
    let answer = gateway.client().send(method, path, body.to_owned(), headers).await;
    assert_eq!(process::children(gateway.pid()), [] as [u32; 0], "nothing is started");
    answer
}

async fn modern_http() -> Verdict {
    let gateway = untouched().await;
    let modern = gateway.client().modern(MODERN, "{}");
    let mut verdicts = Vec::new();
    for (method, members) in
        [("server/discover", ""), ("tools/list", ""), ("tools/call", r#""name":"echo","arguments":{"text":"x"}"#)]
    {
        let reply = modern.request(method, members).await;
        let code = reply.error_code().expect("a JSON-RPC error");
        assert_eq!(reply.response().id().as_deref(), Some(reply_id(&reply.body)).filter(|id| *id != "null"));
        verdicts.push(format!("HTTP {} with a JSON-RPC error ({code})", reply.status.as_u16()));
    }
    assert_eq!(process::children(gateway.pid()), [] as [u32; 0], "nothing is started");
    verdicts.dedup();
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    Verdict::Refused(verdicts.remove(0))
}

fn reply_id(body: &str) -> &str {
    body.split_once(r#""id":"#).and_then(|(_, rest)| rest.split([',', '}']).next()).unwrap_or("null")
}

async fn modern_stdio() -> Verdict {
    let probe = program("probe").display().to_string();
    let mut client = StdioClient::start(Path::new(JANUA), &["connect", "--", &probe]).deadline(SOON);
    let meta = format!(
        r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}}}}}}"#
    );
    let answer = client.request("server/discover", &meta).await;
    assert_eq!(process::children(client.pid()), [] as [u32; 0], "nothing is started");
    let code = answer.error_code().expect("a JSON-RPC error");
    // A client of both eras falls back to the handshake on the same pipe.
    client.initialize("2025-11-25", "{}").await;
    assert_eq!(client.call("echo", r#"{"text":"x"}"#).await.text(), "x");
    Verdict::Refused(format!("a JSON-RPC error ({code})"))
}

/// What a client with a handshake is told when the server has none.
async fn opened(words: &[String]) -> Verdict {
    let gateway = Gateway::builder(JANUA).args(&["proxy", "--port", "0"]).args(words).start().await;
    let reply = gateway.client().try_initialize("2025-11-25", "{}").await;
    let error = reply.response().member("error").expect("an error");
    if error == UNSUPPORTED {
        return Verdict::Refused(format!("the server's own error ({})", reply.error_code().unwrap_or_default()));
    }
    let code = Message::parse(&error).expect("JSON").at("/data/code").as_str().expect("a kind").to_owned();
    Verdict::Refused(format!("HTTP {} ({code})", reply.status.as_u16()))
}

//! Both sides without a handshake: what passes is not written anew, whatever it looks like.

use janua_testkit::client::Client;
use janua_testkit::client::message::{Message, quoted};
use janua_testkit::client::stdio::StdioClient;
use janua_testkit::gateway::program;
use janua_testkit::servers::journal;
use janua_testkit::upstream::modern::ModernServer;
use tempfile::TempDir;

use crate::scene::{JANUA, MODERN, Parked, SOON, client, everything, front};

/// A result that nobody would write like this, and that must come as it is.
const ODD: &str = "{ \"resultType\" :\t\"complete\" , \"c\\u006fntent\":[ {\"type\":\"text\",\"text\":\"\\ud83d\\udeaa\\/ \u{e9}\"} ],\
    \"n\":12345678901234567890.10,\"e\":[1E5 , -0.0,1e-7, 98765432109876543210],\"x-unknown\":{\"\":null},\"_meta\" : {} }";

/// A call of `tool` with arguments in JSON text, spelled as nobody would, with the id in place of `ID`.
fn odd_call(tool: &str, arguments: &str) -> String {
    let meta = "{ \"io.modelcontextprotocol\\/protocolVersion\":\"2026-07-\\u00328\",\t\"io.modelcontextprotocol/clientCapabilities\" : { \"x\":12345678901234567890 } ,\"io.modelcontextprotocol/clientInfo\":{\"version\":\"1\",\"name\":\"t\u{e9}\"},\"x.test/y\":[1.50] }";
    format!(
        "{{ \"x-first\":[1.0,{{}}], \"id\" :\tID , \"params\":{{\"_m\\u0065ta\":{meta} , \"name\" :\"{tool}\",\"arguments\" : {arguments}, \"x-param\":0.10 }} ,\"m\\u0065thod\":\"tools\\/call\", \"jsonrpc\":\"2.0\" }}"
    )
}

/// The arguments that have a server answer with `ODD`.
fn spelling() -> String {
    format!("{{ \"json\":{} ,\"big\" : 12345678901234567890 }}", quoted(ODD))
}

/// Posts a call as it is and gives the answer.
async fn post(client: &Client, id: &str, tool: &str, body: String) -> Message {
    let headers = client.modern(MODERN, "{}").headers("tools/call", &format!(r#"{{"name":"{tool}"}}"#));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.exchange(id, body, &headers).await.finish().await.response().clone()
}

/// Holds what has reached a server to being what was sent, but for the id.
fn assert_same(reached: &Message, sent: &str, id: &str) {
    let theirs = reached.id().expect("a request");
    assert_eq!(reached.raw(), sent.replacen(id, &theirs, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_gets_and_gives_what_was_written() {
    let scene = everything("", "--era modern").await;
    let client = scene.gateway.client().deadline(SOON);
    for id in ["\"\\u0061/7\"", "98765432109876543210", "\"ID\""] {
        let body = odd_call("rawresult", &spelling()).replacen("ID", id, 1);
        let answer = post(&client, id, "rawresult", body.clone()).await;
        assert_eq!(answer.raw(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ODD}}}"#));
        assert_same(scene.seen("tools/call").last().expect("a call"), &body, id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_server_gets_and_gives_what_was_written() {
    let server = ModernServer::builder().start().await;
    let proxy = front(&server.url(), |_| {}).await;
    let client = client(&proxy);
    let id = "98765432109876543210";
    let body = odd_call("rawresult", &spelling()).replacen("ID", id, 1);
    let answer = post(&client, id, "rawresult", body.clone()).await;
    assert_eq!(answer.raw(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ODD}}}"#));
    let seen = server.site.seen_rpc("tools/call").pop().expect("a call");
    assert_same(&Message::parse(&seen.body).expect("json"), &body, id);
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_gets_and_gives_what_was_written() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("journal");
    let program = program("everything");
    let words = [program.to_str().expect("text"), "--era", "modern", "--journal", file.to_str().expect("text")];
    let mut client = StdioClient::start(JANUA.as_ref(), &[&["connect", "--"], &words[..]].concat()).deadline(SOON);
    let id = "\"\\u0061/7\"";
    let body = odd_call("rawresult", &spelling()).replacen("ID", id, 1);
    client.write_line(&body).await;
    assert_eq!(client.response(id).await.raw(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{ODD}}}"#));
    let lines = journal::lines(&file);
    let call = lines.iter().find(|line| line.contains("rawresult")).expect("a call");
    assert_same(&Message::parse(call).expect("json"), &body, id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_remembers_is_not_touched() {
    // Its states are made of everything that is easily written in another way.
    let scene = everything("", "--era modern").await;
    let modern = scene.modern(crate::scene::CAPABLE);
    let asked = Parked::call(&modern, "test_input_required_result_request_state", "{}").await;
    let body = scene.gateway.client().get("/health", &[]).await.json();
    assert_eq!(body["parked_calls"], 0, "nothing of it is kept");
    assert_eq!(asked.answer(&modern).await.text(), "state-ok");
    assert_eq!(scene.calls("test_input_required_result_request_state"), 2);
    let forged = r#"{"name":"test_input_required_result_request_state","arguments":{},"requestState":"x"}"#;
    assert_eq!(modern.request("tools/call", forged).await.error_code(), Some(-32602));
    assert_eq!(scene.calls("test_input_required_result_request_state"), 3, "whether it is good, the server decides");
}

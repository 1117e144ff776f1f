//! Messages of unusual shape: big, oddly written, oddly numbered, several at once.

use janua_testkit::client::message::{self, Message, call_params};

use super::kinds::ServerKind;
use super::scene::{Scene, Verdict};
use super::upstream::ODD;

const MEGABYTE: usize = 1 << 20;

fn echo(text: &str) -> (&'static str, String) {
    ("echo", format!(r#"{{"text":{}}}"#, message::quoted(text)))
}

pub(crate) async fn big(mut scene: Scene) -> Verdict {
    for size in [MEGABYTE, 3 * MEGABYTE] {
        let text = "0123456789abcde\"".repeat(size / 17);
        let answer = scene.link.call(&echo(&text)).await;
        assert!(answer.text() == text, "{} bytes of {}", answer.text().len(), text.len());
    }
    Verdict::Works
}

/// The message as it is under another id.
fn renamed(message: &Message, id: &str) -> String {
    let own = message.id().expect("an id");
    message.raw().replacen(&format!(r#""id":{own}"#), &format!(r#""id":{id}"#), 1)
}

pub(crate) async fn fidelity(mut scene: Scene) -> Verdict {
    let name = if scene.server.kind == ServerKind::Stdio { "raw" } else { "echo" };
    let sent = format!(
        r#"{{ "jsonrpc" : "2.0","id":"f-1","method":"tools\/call","params":{{"name":"{name}" , "arguments":{{"more":{ODD}}},"_meta":{{"com.example/x":[ ]}}}},"com.example/top":{{"y" : null}} }}"#
    );
    scene.link.post(&sent).await;
    let answer = scene.link.answer("\"f-1\"").await;
    let received = match scene.server.kind {
        ServerKind::Stdio => Message::parse(answer.text()).expect("JSON"),
        ServerKind::Http | ServerKind::Sse => scene.server.calls().remove(0),
        // It has nothing to show; that it answers is all there is.
        ServerKind::Demo => {
            assert_eq!(answer.error_code(), Some(-32602), "{}", answer.raw());
            scene.link.call(&echo("as before")).await.result();
            return Verdict::Works;
        }
    };
    assert_eq!(renamed(&received, "\"f-1\""), sent, "toward the server");
    if scene.server.kind == ServerKind::Stdio {
        let args = format!(r#"{{"json":{},"extra":"\"com.example/top\":{{\"y\" : null}}"}}"#, message::quoted(ODD));
        let params = call_params("rawresult", &args);
        scene.link.send_as("\"f-2\"", "tools/call", &params).await;
        let answer = scene.link.answer("\"f-2\"").await;
        let wanted = format!(r#"{{"jsonrpc":"2.0","id":"f-2","result":{ODD},"com.example/top":{{"y" : null}}}}"#);
        assert_eq!(answer.raw(), wanted, "toward the client");
    } else {
        let answer = scene.link.request("acme/thing", "").await;
        assert_eq!(answer.member("result").as_deref(), Some(ODD), "toward the client");
    }
    Verdict::Works
}

pub(crate) async fn ids(mut scene: Scene) -> Verdict {
    let ids = [r#""🚪""#, r#""\ud83d\udeaa""#, "12345678901234567890", r#""""#, "-7", r#""12345678901234567890""#];
    for id in ids {
        let (tool, args) = echo(id);
        scene.link.send_as(id, "tools/call", &call_params(tool, &args)).await;
        let answer = scene.link.answer(id).await;
        assert_eq!(answer.text(), id);
        assert_eq!(answer.id().as_deref(), Some(id));
    }
    Verdict::Works
}

/// A call that takes a while and one that does not, under the same id.
pub(crate) async fn same_id(mut scene: Scene) -> Verdict {
    let slow = scene.server.slow();
    scene.link.send_as("1", "tools/call", &call_params(slow.0, &slow.1)).await;
    scene.server.has_heard(&mut scene.link, "tools/call").await;
    let (tool, args) = echo("at once");
    scene.link.send_as("1", "tools/call", &call_params(tool, &args)).await;
    assert_eq!(scene.link.answer("1").await.text(), "at once");
    scene.server.release();
    let text = scene.link.answer("1").await.text().to_owned();
    assert!(["slept", "waited", "Lift-off."].contains(&text.as_str()), "{text}");
    Verdict::Works
}

pub(crate) async fn batch(mut scene: Scene) -> Verdict {
    let call = |id: &str, text: &str| {
        let (tool, args) = echo(text);
        message::request(id, "tools/call", &call_params(tool, &args))
    };
    let told = message::notification("notifications/roots/list_changed", "");
    scene.link.post(&format!("[{},{told},{}]", call("\"b1\"", "one"), call("\"b2\"", "two"))).await;
    let refused = |message: &Message| message.error_code().is_some() && message.value()["id"].is_null();
    let first = scene.link.until("an answer", |m| m.answers("\"b1\"") || refused(m)).await;
    if let Some(code) = first.error_code() {
        // Nothing of it was done, and the connection goes on.
        scene.link.request("ping", "").await.result();
        assert!(scene.server.calls().is_empty());
        return Verdict::error(code);
    }
    assert_eq!(first.text(), "one");
    assert_eq!(scene.link.answer("\"b2\"").await.text(), "two");
    Verdict::Works
}

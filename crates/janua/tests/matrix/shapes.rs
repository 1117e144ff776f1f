//! Messages of unusual shape: big, oddly written, oddly numbered, several at once.

use janua_testkit::client::message::{self, Message, call_params};
use janua_testkit::servers::message::members;

use super::kinds::{Era, Make};
use super::scene::{Scene, Verdict};
use super::upstream::ODD;

const MEGABYTE: usize = 1 << 20;

fn echo(text: &str) -> (&'static str, String) {
    ("echo", format!(r#"{{"text":{}}}"#, message::quoted(text)))
}

pub(crate) async fn big(scene: &mut Scene) -> Verdict {
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

pub(crate) async fn fidelity(scene: &mut Scene) -> Verdict {
    let envelope = scene.link.envelope.as_ref().map(|envelope| envelope.members() + ",").unwrap_or_default();
    let sent = format!(
        r#"{{ "jsonrpc" : "2.0","id":"f-1","method":"tools\/call","params":{{"name":"echo" , "arguments":{{"text":"x","more":{ODD}}},"_meta":{{{envelope}"com.example/x":[ ]}}}},"com.example/top":{{"y" : null}} }}"#
    );
    scene.link.post(&sent).await;
    let answer = scene.link.answer("\"f-1\"").await;
    if scene.server.kind.make() == Make::Demo {
        // It has nothing to show; that it answers is all there is.
        answer.result();
        return Verdict::Works;
    }
    let received = scene.server.received("tools/call").remove(0);
    if scene.client.is_modern() || scene.beyond() == Era::Modern {
        // What describes the request is the era's; everything else is the client's.
        assert!(received.raw().contains(&format!(r#"{{"text":"x","more":{ODD}}}"#)), "{}", received.raw());
        assert!(received.raw().contains(r#""com.example/x":[ ]"#), "{}", received.raw());
        if scene.beyond() == Era::Legacy {
            assert!(!received.raw().contains("io.modelcontextprotocol/"), "of another era: {}", received.raw());
        }
    } else {
        assert_eq!(renamed(&received, "\"f-1\""), sent, "toward the server");
    }
    // A method of nobody's goes nowhere where there are several.
    if !(scene.is_union() && scene.server.kind.make() == Make::Scripted) {
        toward_the_client(scene).await;
    }
    Verdict::Works
}

async fn toward_the_client(scene: &mut Scene) {
    let result =
        if scene.is_modern_beyond() { ODD.replacen('{', r#"{"resultType":"complete","#, 1) } else { ODD.into() };
    let answer = if scene.server.kind.make() == Make::Scripted {
        scene.link.request("acme/thing", "").await
    } else {
        let extra = r#""extra":"\"com.example/top\":{\"y\" : null}""#;
        let args = format!(r#"{{"json":{},{extra}}}"#, message::quoted(&result));
        scene.link.send_as("\"f-2\"", "tools/call", &call_params("rawresult", &args)).await;
        scene.link.answer("\"f-2\"").await
    };
    let came = answer.member("result").unwrap_or_else(|| panic!("no result: {}", answer.raw()));
    if scene.client.is_modern() || scene.is_modern_beyond() {
        for (name, text) in members(ODD) {
            assert!(members(&came).contains(&(name.clone(), text)), "{name} toward the client: {came}");
        }
    } else {
        assert_eq!(came, ODD, "toward the client");
    }
    if scene.server.kind.make() == Make::Probe && !scene.crosses() {
        let wanted = format!(r#"{{"jsonrpc":"2.0","id":"f-2","result":{ODD},"com.example/top":{{"y" : null}}}}"#);
        assert_eq!(answer.raw(), wanted, "toward the client");
    }
}

pub(crate) async fn ids(scene: &mut Scene) -> Verdict {
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
pub(crate) async fn same_id(scene: &mut Scene) -> Verdict {
    let slow = scene.server.slow();
    scene.link.send_as("1", "tools/call", &call_params(slow.0, &slow.1)).await;
    scene.server.has_begun(slow.0).await;
    let (tool, args) = echo("at once");
    scene.link.send_as("1", "tools/call", &call_params(tool, &args)).await;
    let first = scene.link.answer("1").await;
    if let Some(code) = first.error_code() {
        return Verdict::error(code);
    }
    assert_eq!(first.text(), "at once");
    scene.server.release();
    let text = scene.link.answer("1").await.text().to_owned();
    assert!(["slept", "waited", "Lift-off.", "computed for 2 s"].contains(&text.as_str()), "{text}");
    Verdict::Works
}

pub(crate) async fn batch(scene: &mut Scene) -> Verdict {
    let envelope = scene.link.envelope.clone();
    let call = |id: &str, text: &str| {
        let (tool, args) = echo(text);
        let params = call_params(tool, &args);
        message::request(id, "tools/call", &envelope.as_ref().map_or(params.clone(), |own| own.wrap(&params)))
    };
    let told = message::notification("notifications/roots/list_changed", "");
    scene.link.post(&format!("[{},{told},{}]", call("\"b1\"", "one"), call("\"b2\"", "two"))).await;
    let refused = |message: &Message| message.error_code().is_some() && message.value()["id"].is_null();
    let first = scene.link.until("an answer", |m| m.answers("\"b1\"") || refused(m)).await;
    if let Some(code) = first.error_code() {
        // Nothing of it was done, and the connection goes on.
        scene.link.request("tools/list", "").await.result();
        assert!(scene.server.received("tools/call").is_empty());
        return Verdict::error(code);
    }
    assert_eq!(first.text(), "one");
    assert_eq!(scene.link.answer("\"b2\"").await.text(), "two");
    Verdict::Works
}

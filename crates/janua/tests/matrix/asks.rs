//! What servers ask their clients in mid-call.

use janua_testkit::client::envelope::questions;
use janua_testkit::client::message::{self, Message};

use super::kinds::{Era, Make, ServerKind};
use super::link::{Link, SOON};
use super::scene::{Scene, Verdict};

/// What follows the members that an answer must have: it must reach the server as it is.
const MORE: &str = r#","x-n": 1.0,"x-s":"\u0041"}"#;

/// The client's answer to a question; the name is that of the user.
fn result(question: &Message, name: &str) -> String {
    let known = match question.method() {
        Some("elicitation/create") if question.at("/params/mode") == "url" => r#"{"action":"accept""#.to_owned(),
        Some("elicitation/create") => format!(r#"{{"action":"accept","content":{{"name":"{name}"}}"#),
        Some("sampling/createMessage") => {
            r#"{"role":"assistant","model":"m","content":{"type":"text","text":"Paris"}"#.to_owned()
        }
        Some("roots/list") => r#"{"roots":[{"uri":"file:///r"}]"#.to_owned(),
        _ => return "{}".to_owned(),
    };
    known + MORE
}

fn ann(question: &Message) -> String {
    result(question, "Ann")
}

pub(crate) async fn elicitation(scene: &mut Scene) -> Verdict {
    ask(scene, "elicitation/create").await
}

pub(crate) async fn sampling(scene: &mut Scene) -> Verdict {
    ask(scene, "sampling/createMessage").await
}

pub(crate) async fn roots(scene: &mut Scene) -> Verdict {
    ask(scene, "roots/list").await
}

pub(crate) async fn ping(scene: &mut Scene) -> Verdict {
    if scene.server.kind.make() == Make::Everything {
        return Verdict::not_offered();
    }
    ask(scene, "ping").await
}

pub(crate) async fn url(scene: &mut Scene) -> Verdict {
    if scene.server.kind == ServerKind::Demo {
        return Verdict::not_offered();
    }
    let call = scene.server.visiting();
    asked(scene, &call, "elicitation/create").await
}

async fn ask(scene: &mut Scene, method: &str) -> Verdict {
    let call = scene.server.asking(method);
    asked(scene, &call, method).await
}

async fn asked(scene: &mut Scene, call: &(&'static str, String), method: &str) -> Verdict {
    if !scene.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let id = scene.link.send_call(call).await;
    let answer = scene.link.answering(&id, ann).await;
    if let Some(code) = answer.error_code() {
        return Verdict::error(code);
    }
    let text = answer.text();
    if scene.link.asked.is_empty() {
        return unasked(text);
    }
    let methods: Vec<_> = scene.link.asked.iter().filter_map(Message::method).collect();
    assert_eq!(methods, [method]);
    if scene.client.is_modern() {
        assert_eq!(scene.link.rounds, 1, "the question ended the request once");
    }
    ran_once(scene, call.0);
    let given = ann(&scene.link.asked[0]);
    match scene.server.kind.make() {
        Make::Demo => assert!(["Hello, Ann!", "Paris", "file:///r"].contains(&text), "{text}"),
        Make::Everything => {
            let told = scene.server.received("tools/call").iter().any(|call| call.raw().contains(&given))
                || scene.server.responses().iter().any(|answer| answer.raw().contains(&given));
            assert!(told, "the client's bytes {given} in {:?}", scene.server.received("tools/call"));
        }
        Make::Probe | Make::Scripted => assert!(text.contains(&given), "the client's bytes: {text}"),
    }
    Verdict::Works
}

/// The call that asked ran once, however often it was sent.
fn ran_once(scene: &Scene, tool: &str) {
    let repeated = usize::from(scene.is_modern_beyond());
    if scene.server.kind != ServerKind::Demo {
        assert_eq!(scene.server.runs(tool), (1, repeated), "runs of {tool}, and repetitions");
    }
}

/// The client was not asked: what became of the question.
fn unasked(text: &str) -> Verdict {
    for (sign, how) in [
        (r#""code":-32601"#, "the server's question is refused: method not found (-32601)"),
        ("your client cannot be asked", "the server's question is refused: method not found (-32601)"),
        ("the client's revision has no such question", "the client's revision has no such question"),
        (r#""code":-32602"#, "the server's question is refused: invalid params (-32602)"),
    ] {
        if text.contains(sign) {
            return Verdict::degrades(how);
        }
    }
    assert!(matches!(text, "{}" | r#"{"result":{}}"#), "{text}");
    Verdict::degrades("Janua answers for the client")
}

/// Two questions in one call.
pub(crate) async fn several(scene: &mut Scene) -> Verdict {
    if scene.server.kind == ServerKind::Demo || !scene.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let call = scene.server.choose(
        ("ask2", "{}".to_owned()),
        ("slow", "{}".to_owned()),
        ("multi_input", "{}".to_owned()),
        ("none", "{}".to_owned()),
    );
    if scene.server.kind.make() == Make::Scripted {
        return several_pushed(scene, call).await;
    }
    let id = scene.link.send_call(&call).await;
    if scene.client.is_sessionless() {
        let answer = scene.link.answer(&id).await;
        if let Some(code) = answer.error_code() {
            return Verdict::error(code);
        }
        assert!(answer.text().contains("-32601"), "{}", answer.raw());
        return Verdict::degrades("the server's question is refused: method not found (-32601)");
    }
    let answer =
        if scene.beyond() == Era::Legacy && !scene.client.is_modern() && scene.server.kind.make() == Make::Probe {
            // Both are open at once, and the second is answered first.
            backwards(&mut scene.link).await;
            scene.link.answer(&id).await
        } else {
            let answer = scene.link.answering(&id, named).await;
            if scene.link.asked.is_empty() {
                return answer.error_code().map_or_else(|| unasked(answer.text()), Verdict::error);
            }
            assert_eq!(scene.link.asked.len(), 2, "{:?}", scene.link.asked);
            answer
        };
    ran_once(scene, call.0);
    if scene.server.kind.make() == Make::Everything {
        assert_eq!(answer.text(), "got 2 answers", "{}", answer.raw());
    } else {
        let names: Vec<_> = answer.text().split("\"name\":\"").skip(1).map(|rest| &rest[..3]).collect();
        assert_eq!(names, ["one", "two"], "{}", answer.raw());
    }
    Verdict::Works
}

/// The answer that fits the question.
fn named(question: &Message) -> String {
    let first = question.at("/params/message").as_str().is_some_and(|text| text.starts_with("First"));
    result(question, if first { "one" } else { "two" })
}

async fn backwards(link: &mut Link) {
    let mut questions = Vec::new();
    for _ in 0..2 {
        questions.push(link.until_method("elicitation/create").await);
    }
    questions.sort_by_key(|question| question.at("/params/message").to_string());
    for question in questions.iter().rev() {
        link.post(&message::response(&question.id().expect("an id"), &named(question))).await;
    }
}

/// The questions come on the server's own stream while a call is under way.
async fn several_pushed(scene: &mut Scene, call: (&'static str, String)) -> Verdict {
    if !scene.server.kind.speaks_up() {
        return Verdict::not_offered();
    }
    let mut id = scene.link.send_call(&call).await;
    scene.server.has_begun(call.0).await;
    for question in ["First?", "Second?"] {
        let params = format!(r#"{{"message":"{question}","requestedSchema":{{}}}}"#);
        scene.server.push(&message::request(&message::quoted(question), "elicitation/create", &params)).await;
    }
    if scene.client.is_sessionless() {
        for question in ["First?", "Second?"] {
            answered(scene, question, "-32601").await;
        }
        scene.server.release();
        scene.link.answer(&id).await.result();
        return Verdict::degrades("the server's question is refused: method not found (-32601)");
    }
    if scene.client.is_modern() {
        while scene.link.asked.len() < 2 {
            let ended = scene.link.answer(&id).await;
            assert!(questions(&ended).is_some(), "{}", ended.raw());
            id = scene.link.again(&id, &ended, named).await.expect("it asks");
        }
    } else {
        backwards(&mut scene.link).await;
    }
    for (question, name) in [("First?", "one"), ("Second?", "two")] {
        answered(scene, question, name).await;
    }
    scene.server.release();
    scene.link.answer(&id).await.result();
    assert_eq!(scene.server.runs(call.0), (1, 0));
    Verdict::Works
}

/// The questions come while something is under way that does not wait for them, or nothing is.
pub(crate) async fn beside(scene: &mut Scene) -> Verdict {
    if !scene.server.kind.speaks_up() || matches!(scene.server.kind.make(), Make::Everything | Make::Demo) {
        return Verdict::not_offered();
    }
    let curious = scene.server.kind == ServerKind::Stdio;
    let count = if curious { 2 } else { 1 };
    if curious && scene.is_union() {
        // It has nothing that could be asked for.
        return Verdict::not_offered();
    }
    if curious {
        for (method, params) in [("tools/list", "{}"), ("tools/call", r#"{"name":"any","arguments":{}}"#)] {
            let id = scene.link.send(method, params).await;
            scene.link.answering(&id, ann).await.result();
        }
    } else {
        // The link is there once something went over it.
        scene.link.request("tools/list", "").await.result();
        scene.server.push(&message::request("\"beside\"", "roots/list", "")).await;
    }
    let askable = !scene.client.is_sessionless() && !scene.client.is_modern();
    while askable && scene.link.asked.len() < count {
        let question = scene.link.until_method("roots/list").await;
        scene.link.post(&message::response(&question.id().expect("an id"), &ann(&question))).await;
        scene.link.asked.push(question);
    }
    // The catalogue's own link is asked as well, and shows none.
    let refused = usize::from(scene.is_union() && askable);
    let there = janua_testkit::process::eventually(SOON, || scene.server.responses().len() >= count + refused).await;
    let mut told = scene.server.responses();
    if refused > 0 {
        told.retain(|answer| answer.raw().contains(MORE));
        assert_eq!(told.len(), count, "{:?}", scene.server.responses());
    }
    assert!(there, "{count} questions, and answers to {told:?}");
    if askable {
        assert!(told.iter().all(|answer| answer.raw().contains(MORE)), "{told:?}");
        return Verdict::Works;
    }
    if scene.client.is_modern() {
        // Nothing that is asked beside its requests can reach it.
        let settled = |answer: &Message| answer.error_code().is_some() || answer.raw().contains(r#""roots":[]"#);
        assert!(told.iter().all(settled), "{told:?}");
        return Verdict::degrades("Janua answers for the client");
    }
    let code = told[0].error_code().unwrap_or_else(|| panic!("an error: {told:?}"));
    assert!(told.iter().all(|answer| answer.error_code() == Some(code)), "{told:?}");
    Verdict::degrades(match code {
        -32601 => "the server's question is refused: method not found (-32601)",
        -32602 => "the server's question is refused: invalid params (-32602)",
        other => panic!("refused with {other}"),
    })
}

/// Waits until a scripted server has the answer to one of its questions.
async fn answered(scene: &Scene, question: &str, wanted: &str) {
    let id = message::quoted(question);
    // The catalogue's own link is asked as well, and refuses.
    let fits = |answer: &Message| answer.answers(&id) && (!scene.is_union() || answer.raw().contains(wanted));
    let mut last = None;
    let came = janua_testkit::process::eventually(SOON, || {
        last = scene.server.responses().into_iter().find(fits);
        last.is_some()
    });
    assert!(came.await, "no answer to {question}");
    assert!(last.as_ref().is_some_and(|answer| answer.raw().contains(wanted)), "{last:?}");
}

pub(crate) async fn undeclared(scene: &mut Scene) -> Verdict {
    if !scene.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let mut link = scene.another("{}").await;
    for method in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        let call = scene.server.asking(method);
        let id = link.send_call(&call).await;
        let answer = link.answering(&id, ann).await;
        assert!(link.asked.is_empty(), "{method} reached a client that did not declare it");
        match scene.server.kind.make() {
            Make::Demo if method == "elicitation/create" => {
                assert!(answer.text().contains("your client cannot be asked"), "{}", answer.raw());
            }
            Make::Demo => assert_eq!(answer.error_code(), Some(-32601), "{method}: {}", answer.raw()),
            Make::Everything if scene.is_modern_beyond() => {
                // The server says what it lacks; what the codes mean came with the revision.
                assert!(answer.raw().contains("-32021"), "{method}: {}", answer.raw());
                let lacks = method.split('/').next().unwrap_or_default();
                assert!(answer.raw().contains(lacks), "{method}: {}", answer.raw());
            }
            _ => {
                let refused = ["-32601", "-32602"].iter().any(|code| answer.text().contains(code));
                assert!(refused, "{method}: {}", answer.raw());
            }
        }
    }
    scene.link.request("tools/list", "").await.result();
    Verdict::Works
}

/// The server asks in two rounds, and to be asked again without a question.
pub(crate) async fn rounds(scene: &mut Scene) -> Verdict {
    if scene.server.kind.make() != Make::Everything {
        return Verdict::not_offered();
    }
    for (tool, questions, text) in
        [("test_input_required_result_multi_round", 2, "Ann likes "), ("shed", 0, "You came again.")]
    {
        scene.link.asked.clear();
        let id = scene.link.send_call(&(tool, "{}".to_owned())).await;
        let answer = scene.link.answering(&id, ann).await;
        if scene.link.asked.is_empty() && questions > 0 {
            return answer.error_code().map_or_else(|| unasked(answer.text()), Verdict::error);
        }
        assert_eq!((scene.link.asked.len(), answer.text()), (questions, text), "{tool}");
        let repeated = if scene.is_modern_beyond() { questions.max(1) } else { 0 };
        assert_eq!(scene.server.runs(tool), (1, repeated), "runs of {tool}, and repetitions");
    }
    Verdict::Works
}

/// The user says no.
pub(crate) async fn declined(scene: &mut Scene) -> Verdict {
    if !scene.server.kind.says_besides() {
        return Verdict::not_offered();
    }
    let call = scene.server.asking("elicitation/create");
    let id = scene.link.send_call(&call).await;
    let answer = scene.link.answering(&id, |_| r#"{"action":"decline"}"#.to_owned()).await;
    if scene.link.asked.is_empty() {
        return answer.error_code().map_or_else(|| unasked(answer.text()), Verdict::error);
    }
    assert!(answer.error_code().is_none(), "{}", answer.raw());
    if scene.server.kind.make() == Make::Everything {
        assert_eq!(answer.text(), "Hello, nobody!");
    }
    ran_once(scene, call.0);
    Verdict::Works
}

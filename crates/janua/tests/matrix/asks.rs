//! What servers ask their clients in mid-call.

use janua_testkit::client::message::{self, Message};

use super::kinds::{ClientKind, ServerKind};
use super::link::{Link, SOON};
use super::scene::{Scene, Verdict};
use super::upstream::{ANSWER, ToolCall};

pub(crate) async fn elicitation(scene: Scene) -> Verdict {
    ask(scene, "elicitation/create").await
}

pub(crate) async fn sampling(scene: Scene) -> Verdict {
    ask(scene, "sampling/createMessage").await
}

pub(crate) async fn roots(scene: Scene) -> Verdict {
    ask(scene, "roots/list").await
}

pub(crate) async fn ping(scene: Scene) -> Verdict {
    ask(scene, "ping").await
}

async fn ask(mut scene: Scene, method: &str) -> Verdict {
    let call = scene.server.asking(method);
    let answer = asked(&mut scene.link, &call).await;
    if let Some(code) = answer.error_code() {
        return Verdict::error(code);
    }
    let text = answer.text();
    if text.contains(r#""code":-32601"#) || text.contains("your client cannot be asked") {
        assert!(scene.link.asked.is_empty());
        return Verdict::degrades("the server's question is refused: method not found (-32601)");
    }
    if scene.link.asked.is_empty() {
        assert!(matches!(text, "{}" | r#"{"result":{}}"#), "{text}");
        return Verdict::degrades("Janua answers for the client");
    }
    let methods: Vec<_> = scene.link.asked.iter().filter_map(Message::method).collect();
    assert_eq!(methods, [method]);
    if scene.server.kind == ServerKind::Demo {
        assert_eq!(text, "Hello, Ann!");
    } else {
        assert!(text.contains(ANSWER), "the client's bytes: {text}");
    }
    Verdict::Works
}

async fn asked(link: &mut Link, call: &ToolCall) -> Message {
    let id = link.send_call(call).await;
    link.answering(&id, ANSWER).await
}

/// Two questions are open at once, and the second is answered first.
pub(crate) async fn several(mut scene: Scene) -> Verdict {
    let scripted = matches!(scene.server.kind, ServerKind::Http | ServerKind::Sse);
    let call = if scripted { scene.server.slow() } else { ("ask2", "{}".to_owned()) };
    let id = scene.link.send_call(&call).await;
    if scripted {
        scene.server.has_heard(&mut scene.link, "tools/call").await;
        for question in ["First?", "Second?"] {
            let params = format!(r#"{{"message":"{question}","requestedSchema":{{}}}}"#);
            scene.server.push(&message::request(&message::quoted(question), "elicitation/create", &params));
        }
    }
    if scene.client == ClientKind::Sessionless || scene.server.kind == ServerKind::Demo {
        return unasked(&mut scene, &id, scripted).await;
    }
    let mut questions = Vec::new();
    for _ in 0..2 {
        questions.push(scene.link.until_method("elicitation/create").await);
    }
    questions.sort_by_key(|question| question.at("/params/message").to_string());
    for (question, name) in questions.iter().zip(["one", "two"]).rev() {
        let result = format!(r#"{{"action":"accept","content":{{"name":"{name}"}}}}"#);
        scene.link.post(&message::response(&question.id().expect("an id"), &result)).await;
    }
    if scripted {
        for (question, name) in [("First?", "one"), ("Second?", "two")] {
            answered(&scene, question, name).await;
        }
        scene.server.release();
        scene.link.answer(&id).await.result();
    } else {
        let answer = scene.link.answer(&id).await;
        let names: Vec<_> = answer.text().split("\"name\":\"").skip(1).map(|rest| &rest[..3]).collect();
        assert_eq!(names, ["one", "two"], "{}", answer.raw());
    }
    Verdict::Works
}

/// The questions come while something is under way that does not wait for them, or nothing is.
pub(crate) async fn beside(mut scene: Scene) -> Verdict {
    match scene.server.kind {
        ServerKind::Stdio => {
            for (method, params) in [("tools/list", "{}"), ("tools/call", r#"{"name":"any","arguments":{}}"#)] {
                let id = scene.link.send(method, params).await;
                scene.link.answering(&id, ANSWER).await.result();
            }
        }
        ServerKind::Http | ServerKind::Sse => {
            scene.server.push(&message::request("\"beside\"", "roots/list", ""));
        }
        ServerKind::Demo => {
            scene.link.request("tools/list", "").await.result();
            assert!(scene.link.passed.is_empty(), "{:?}", scene.link.passed);
            return Verdict::Refused("not offered".to_owned());
        }
    }
    let unasked = scene.client == ClientKind::Sessionless;
    let questions = if scene.server.kind == ServerKind::Stdio { 2 } else { 1 };
    while !unasked && scene.link.asked.len() < questions {
        let question = scene.link.until_method("roots/list").await;
        scene.link.post(&message::response(&question.id().expect("an id"), ANSWER)).await;
        scene.link.asked.push(question);
    }
    let wanted = if unasked { r#""code":-32601"# } else { ANSWER };
    if scene.server.kind == ServerKind::Stdio {
        recalled(&mut scene, questions, wanted).await;
    } else {
        answered(&scene, "beside", wanted).await;
    }
    if unasked {
        return Verdict::degrades("the server's question is refused: method not found (-32601)");
    }
    Verdict::Works
}

/// Waits until the server says that it was told so many answers, all of this kind.
async fn recalled(scene: &mut Scene, questions: usize, wanted: &str) {
    loop {
        let told = scene.link.request("acme/answers", "").await;
        let answers = told.at("/result/told").as_array().map_or(0, Vec::len);
        if answers == questions {
            assert_eq!(told.raw().matches(wanted).count(), questions, "{}", told.raw());
            return;
        }
    }
}

/// There is nobody to ask: the server is told so.
async fn unasked(scene: &mut Scene, id: &str, scripted: bool) -> Verdict {
    if scripted {
        for question in ["First?", "Second?"] {
            answered(scene, question, "-32601").await;
        }
        scene.server.release();
        scene.link.answer(id).await.result();
        return Verdict::degrades("the server's question is refused: method not found (-32601)");
    }
    let answer = scene.link.answer(id).await;
    if let Some(code) = answer.error_code() {
        return Verdict::error(code);
    }
    assert_eq!(answer.text().matches("-32601").count(), 2, "{}", answer.raw());
    Verdict::degrades("the server's question is refused: method not found (-32601)")
}

/// Waits until a scripted server has the answer to one of its questions.
async fn answered(scene: &Scene, question: &str, wanted: &str) {
    let id = message::quoted(question);
    let mut last = None;
    let came = janua_testkit::process::eventually(SOON, || {
        last = scene.server.responses().into_iter().find(|answer| answer.answers(&id));
        last.is_some()
    });
    assert!(came.await, "no answer to {question}");
    assert!(last.as_ref().is_some_and(|answer| answer.raw().contains(wanted)), "{last:?}");
}

pub(crate) async fn undeclared(mut scene: Scene) -> Verdict {
    let mut link = scene.another("{}").await;
    for method in ["elicitation/create", "sampling/createMessage", "roots/list"] {
        let call = scene.server.asking(method);
        let answer = asked(&mut link, &call).await;
        assert!(link.asked.is_empty(), "{method} reached a client that did not declare it");
        if scene.server.kind != ServerKind::Demo {
            assert!(answer.text().contains(r#""code":-32601"#), "{method}: {}", answer.raw());
        } else if method == "elicitation/create" {
            assert!(answer.text().contains("your client cannot be asked"), "{}", answer.raw());
        }
    }
    scene.link.request("ping", "").await.result();
    Verdict::Works
}

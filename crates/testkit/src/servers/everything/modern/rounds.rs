//! Questions as endings of requests, and the state that leads from one round to the next.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::servers::everything::modern::envelope::Envelope;
use crate::servers::everything::script::{Question, Stop};
use crate::servers::message::Message;
use crate::servers::peer::held;

/// The states given out, by their text.
#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<HashMap<String, Round>>);

/// What a state stands for.
#[derive(Clone, Debug)]
struct Round {
    /// Method and params that it belongs to.
    digest: String,
    /// Answers of earlier rounds.
    answers: Map<String, Value>,
}

impl Rounds {
    /// The answers, if there is one for every question; else the ending that asks for the rest.
    pub(super) fn ask(
        &self,
        request: &Message,
        envelope: &Envelope,
        questions: &[Question],
        state: &Value,
    ) -> Result<Map<String, Value>, Stop> {
        let digest = digest(request);
        let round = self.round(envelope, &digest)?;
        let mut answers = round.as_ref().map(|round| round.answers.clone()).unwrap_or_default();
        for (key, answer) in envelope.responses.as_ref().and_then(Value::as_object).into_iter().flatten() {
            answers.insert(key.clone(), answer.clone());
        }
        for question in questions {
            if let Some(answer) = answers.get(&question.key) {
                well_formed(question, answer)?;
            }
        }
        let missing: Vec<_> = questions.iter().filter(|question| !answers.contains_key(&question.key)).collect();
        // Asks for nothing but to come again, once.
        let shed = state["shed"] == true && round.is_none();
        if missing.is_empty() && !shed {
            return Ok(answers);
        }
        let keep = !state.is_null() || !answers.is_empty();
        let state = keep.then(|| self.remember(Round { digest, answers }));
        Err(Stop::Ask(ending(&missing, state)))
    }

    fn round(&self, envelope: &Envelope, digest: &str) -> Result<Option<Round>, Stop> {
        let Some(state) = &envelope.state else { return Ok(None) };
        let round = held(&self.0).get(state).cloned();
        match round {
            Some(round) if round.digest == digest => Ok(Some(round)),
            Some(_) => Err(invalid("a requestState of another request")),
            None => Err(invalid("a requestState that was not given out")),
        }
    }

    fn remember(&self, round: Round) -> String {
        let mut rounds = held(&self.0);
        // Everything that is easily written in another way or cut short.
        let state = format!("s{} \"\\/é\u{1f6aa}\n== ", rounds.len() + 1);
        rounds.insert(state.clone(), round);
        state
    }
}

fn invalid(what: &str) -> Stop {
    Stop::Fail(json!({"code": -32602, "message": what}))
}

/// What must be the same in every round.
fn digest(request: &Message) -> String {
    let mut params = request.value()["params"].clone();
    if let Some(params) = params.as_object_mut() {
        params.retain(|name, _| !matches!(name.as_str(), "_meta" | "inputResponses" | "requestState"));
    }
    format!("{} {params}", request.method().unwrap_or_default())
}

fn ending(missing: &[&Question], state: Option<String>) -> Value {
    let mut result = json!({"resultType": "input_required"});
    if !missing.is_empty() {
        let one = |question: &&Question| {
            let mut asked = json!({"method": question.method});
            if let Some(params) = &question.params {
                asked["params"] = params.clone();
            }
            (question.key.clone(), asked)
        };
        result["inputRequests"] = missing.iter().map(one).collect();
    }
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    result
}

/// Whether the client can be asked all this; the error says what it lacks.
pub(super) fn may_ask(questions: &[Question], capabilities: &Value) -> Result<(), Value> {
    for question in questions {
        let url = question.params.as_ref().is_some_and(|params| params["mode"] == "url");
        let elicitation = &capabilities["elicitation"];
        let form = elicitation.as_object().is_some_and(|modes| modes.is_empty() || modes.contains_key("form"));
        let (declared, wanted) = match question.method {
            "elicitation/create" if url => (elicitation.get("url").is_some(), json!({"elicitation": {"url": {}}})),
            "elicitation/create" => (form, json!({"elicitation": {"form": {}}})),
            "sampling/createMessage" => (capabilities.get("sampling").is_some(), json!({"sampling": {}})),
            _ => (capabilities.get("roots").is_some(), json!({"roots": {}})),
        };
        if !declared {
            let data = json!({"requiredCapabilities": wanted});
            return Err(json!({"code": -32021, "message": "The client cannot be asked", "data": data}));
        }
    }
    Ok(())
}

/// Whether an answer is a result of its kind; error objects have no place here.
fn well_formed(question: &Question, answer: &Value) -> Result<(), Stop> {
    let fits = match question.method {
        "elicitation/create" => {
            let action = answer["action"].as_str().unwrap_or_default();
            let form = question.params.as_ref().is_some_and(|params| params["mode"] != "url");
            let content = !form || action != "accept" || answer["content"].is_object();
            matches!(action, "accept" | "decline" | "cancel") && content
        }
        "sampling/createMessage" => answer["role"].is_string() && answer["model"].is_string(),
        _ => answer["roots"].is_array(),
    };
    if fits { Ok(()) } else { Err(invalid(&format!("the answer to {} is none", question.key))) }
}

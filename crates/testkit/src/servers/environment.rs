//! What a server inherited from whoever started it.

use std::env;

use serde_json::{Map, Value};

/// The variables whose name begins so, as the text of a JSON object; all, if it is empty.
pub fn as_json(prefix: &str) -> String {
    let all: Map<String, Value> = env::vars_os()
        .map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            (name, Value::from(value.to_string_lossy().into_owned()))
        })
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    Value::Object(all).to_string()
}

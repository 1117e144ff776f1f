//! Raw JSON as servers in this process take it in and give it out.

use std::fmt::{self, Write};

use bytes::Bytes;
use janua_wire::json::quote;
use janua_wire::raw;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

/// One JSON value as text. What comes from a client was checked before; what a server makes is checked when it goes
/// out, and what is no JSON then is an error of that call.
///
/// ```
/// use janua::server::{Json, Object};
///
/// let place: Json = Object::new().put("city", "Rome").put("gates", 7).into();
/// assert_eq!(place.as_str(), r#"{"city":"Rome","gates":7}"#);
/// assert_eq!(place.string("city").unwrap(), "Rome");
/// assert!(place.string("gates").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Bytes);

/// An object in the making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object(String);

impl Json {
    /// `text`, which must be one JSON value.
    pub fn raw(text: impl Into<Bytes>) -> Self {
        Json(text.into())
    }

    /// What serde makes of `value`. Fails, as an internal error, for what is no JSON: maps with keys that are no text.
    pub fn of(value: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_vec(value).map_err(|why| Error::internal(format!("a value is no JSON: {why}")))?;
        Ok(Json(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("null")
    }

    /// Reads it into a type of one's own. Fails as wrong parameters of the request, saying what is wrong where.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.0).map_err(|why| Error::invalid(why.to_string()))
    }

    /// The member `key`, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<Json> {
        let value = raw::peek(&self.0, key).filter(|value| *value != b"null")?;
        Some(Json(self.0.slice_ref(value)))
    }

    /// The elements, if it is an array.
    pub fn elements(&self) -> Vec<Json> {
        let spans = raw::elements(&self.0, raw::whole(&self.0));
        spans.into_iter().map(|span| Json(self.0.slice(span.range()))).collect()
    }

    /// The text that it stands for, if it is a string.
    pub fn as_string(&self) -> Option<String> {
        raw::string(&self.0)
    }

    /// The member `key` as a string. Fails as wrong parameters.
    pub fn string(&self, key: &str) -> Result<String, Error> {
        let found = self.get(key).and_then(|value| value.as_string());
        found.ok_or_else(|| Error::invalid(format!("{key:?} must be a string")))
    }

    /// The member `key` as a number. Fails as wrong parameters.
    pub fn number(&self, key: &str) -> Result<f64, Error> {
        let found = self.get(key).and_then(|value| value.as_str().parse().ok());
        found.ok_or_else(|| Error::invalid(format!("{key:?} must be a number")))
    }

    /// The member `key` as an integer. Fails as wrong parameters.
    pub fn integer(&self, key: &str) -> Result<i64, Error> {
        let found = self.get(key).and_then(|value| value.as_str().parse().ok());
        found.ok_or_else(|| Error::invalid(format!("{key:?} must be an integer")))
    }

    /// The member `key` as true or false. Fails as wrong parameters.
    pub fn boolean(&self, key: &str) -> Result<bool, Error> {
        let found = self.get(key).and_then(|value| value.as_str().parse().ok());
        found.ok_or_else(|| Error::invalid(format!("{key:?} must be true or false")))
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Object {
    /// An object without members.
    pub fn new() -> Self {
        Object::default()
    }

    /// The same with one more member, which must not be there yet.
    #[must_use]
    pub fn put(mut self, key: &str, value: impl Into<Json>) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let _ = write!(self.0, "{}:{}", quote(key), value.into());
        self
    }

    /// The same with one more member, if there is a value for it.
    #[must_use]
    pub fn put_some(self, key: &str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Json(format!("{{{}}}", object.0).into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json(quote(text).into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::from(text.as_str())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json(value.to_string().into())
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Json(value.to_string().into())
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Json(value.to_string().into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Json(value.to_string().into())
    }
}

impl From<f64> for Json {
    /// What is not finite becomes null: JSON has no word for it.
    fn from(value: f64) -> Self {
        Json(if value.is_finite() { value.to_string() } else { "null".to_owned() }.into())
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(values: Vec<T>) -> Self {
        let texts: Vec<String> = values.into_iter().map(|value| value.into().to_string()).collect();
        Json(format!("[{}]", texts.join(",")).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_json_and_come_back() {
        let inner = Object::new().put_some("none", None::<&str>).put("quote\"", vec![1.5, f64::NAN]);
        let json: Json = Object::new().put("a", "line\nbreak").put("b", inner).put("c", true).into();
        assert_eq!(json.as_str(), r#"{"a":"line\nbreak","b":{"quote\"":[1.5,null]},"c":true}"#);
        assert_eq!(json.string("a").expect("a string"), "line\nbreak");
        assert!(json.boolean("c").expect("a boolean"));
        let array = json.get("b").and_then(|inner| inner.get("quote\"")).expect("an array");
        assert_eq!(array.elements().len(), 2);
        assert_eq!(array.read::<Vec<Option<f64>>>().expect("numbers"), [Some(1.5), None]);
        assert!(json.get("missing").is_none() && json.integer("a").is_err());
        assert_eq!(Json::of(&[("x", 1)]).expect("JSON").as_str(), r#"[["x",1]]"#);
    }
}

//! How a parameter's value is written into a URL, a header or a form (OpenAPI 3.1, 4.8.12: `style` and `explode`).

use serde_json::Value;

use super::document::text;
use super::percent;

/// The way a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    form: Form,
    explode: bool,
    /// Whether reserved characters stay as they are.
    reserved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Simple,
    Label,
    Matrix,
    Named,
    Spaces,
    Pipes,
    Deep,
    /// As JSON, for what is described by a media type.
    Json,
}

/// A name and a value, both encoded.
pub(super) type Pair = (String, String);

impl Style {
    /// The style of a parameter, or of a property of a form; `usual` is the one that its place has.
    pub(super) fn of(described: &Value, usual: Style) -> Style {
        let form = match text(described, "style") {
            Some("simple") => Form::Simple,
            Some("label") => Form::Label,
            Some("matrix") => Form::Matrix,
            Some("form") => Form::Named,
            Some("spaceDelimited") => Form::Spaces,
            Some("pipeDelimited") => Form::Pipes,
            Some("deepObject") => Form::Deep,
            _ => usual.form,
        };
        let explode = described.get("explode").and_then(Value::as_bool);
        let reserved = described.get("allowReserved").and_then(Value::as_bool).unwrap_or(false);
        Style { form, explode: explode.unwrap_or(form == Form::Named), reserved }
    }

    /// The usual style in a path or header.
    pub(super) const fn simple() -> Style {
        Style { form: Form::Simple, explode: false, reserved: false }
    }

    /// The usual style in a query, cookie or form.
    pub(super) const fn form() -> Style {
        Style { form: Form::Named, explode: true, reserved: false }
    }

    /// The value as JSON.
    pub(super) const fn json() -> Style {
        Style { form: Form::Json, explode: false, reserved: false }
    }

    fn encoded(self, text: &str) -> String {
        if self.reserved { percent::reserved(text) } else { percent::encoded(text) }
    }

    /// A value as a part of a path.
    pub(super) fn in_path(self, name: &str, value: &Value) -> Result<String, &'static str> {
        let checked = |text: String| percent::astray(&text).map_or(Ok(percent::encoded(&text)), Err);
        let parts = self.parts(value)?.into_iter().map(|(key, text)| Ok((key, checked(text)?)));
        let parts: Vec<(Option<String>, String)> = parts.collect::<Result<_, &'static str>>()?;
        if parts.is_empty() {
            return Err("must not be empty: it is part of the path");
        }
        let named = |name: &str, text: &str| format!("{}={text}", percent::encoded(name));
        let keyed = |(key, text): &(Option<String>, String)| match key {
            Some(key) if self.explode => named(key, text),
            Some(key) => format!("{},{text}", percent::encoded(key)),
            None => text.clone(),
        };
        let joined = |with: &str| parts.iter().map(keyed).collect::<Vec<_>>().join(with);
        Ok(match self.form {
            Form::Label => format!(".{}", joined(if self.explode { "." } else { "," })),
            Form::Matrix if self.explode => {
                let one = |(key, text): &(Option<String>, String)| named(key.as_deref().unwrap_or(name), text);
                format!(";{}", parts.iter().map(one).collect::<Vec<_>>().join(";"))
            }
            Form::Matrix => format!(";{}", named(name, &joined(","))),
            _ => joined(","),
        })
    }

    /// A value as pairs of a query or form.
    pub(super) fn in_query(self, name: &str, value: &Value) -> Result<Vec<Pair>, &'static str> {
        if self.form == Form::Deep {
            let mut pairs = Vec::new();
            self.deep(name, value, &mut pairs);
            return Ok(pairs);
        }
        let whole = percent::encoded(name);
        let parts = self.parts(value)?;
        if self.explode {
            let named = |(key, text): (Option<String>, String)| {
                (key.map_or_else(|| whole.clone(), |key| percent::encoded(&key)), self.encoded(&text))
            };
            return Ok(parts.into_iter().map(named).collect());
        }
        let between = match self.form {
            Form::Spaces => "%20",
            Form::Pipes => "%7C",
            _ => ",",
        };
        let mut words = Vec::new();
        for (key, text) in parts {
            words.extend(key.map(|key| percent::encoded(&key)));
            words.push(self.encoded(&text));
        }
        let is_empty = words.is_empty() && matches!(value, Value::Array(_) | Value::Object(_));
        Ok(if is_empty { Vec::new() } else { vec![(whole, words.join(between))] })
    }

    /// A value as text of a header, which has no encoding of its own.
    pub(super) fn in_header(self, value: &Value) -> Result<String, &'static str> {
        let mut words = Vec::new();
        for (key, text) in self.parts(value)? {
            match key {
                Some(key) if self.explode => words.push(format!("{key}={text}")),
                key => words.extend(key.into_iter().chain([text])),
            }
        }
        let text = words.join(",");
        // Other characters have no meaning in a header that all agree upon (RFC 9110, 5.5).
        if text.chars().all(|c| c == '\t' || c == ' ' || c.is_ascii_graphic()) {
            Ok(text)
        } else {
            Err("must hold printable ASCII only: it is sent as a header")
        }
    }

    /// A value as text of a cookie.
    pub(super) fn in_cookie(self, value: &Value) -> Result<String, &'static str> {
        let mut words = Vec::new();
        for (key, text) in self.parts(value)? {
            words.extend(key.into_iter().chain([text]).map(|word| percent::encoded(&word)));
        }
        Ok(words.join(","))
    }

    /// The texts of a value: one, or those of its elements, or of its members with their keys.
    fn parts(self, value: &Value) -> Result<Vec<(Option<String>, String)>, &'static str> {
        const NESTED: &str = "holds lists or objects that this style cannot write";
        let plain = |value: &Value| scalar(value).ok_or(NESTED);
        match value {
            value if self.form == Form::Json => Ok(vec![(None, value.to_string())]),
            Value::Array(values) => values.iter().map(|value| Ok((None, plain(value)?))).collect(),
            Value::Object(members) => {
                members.iter().map(|(key, value)| Ok((Some(key.clone()), plain(value)?))).collect()
            }
            value => Ok(vec![(None, plain(value)?)]),
        }
    }

    fn deep(self, name: &str, value: &Value, pairs: &mut Vec<Pair>) {
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(key, value)| self.deep(&format!("{name}[{key}]"), value, pairs));
            }
            Value::Array(values) => {
                let numbered = values.iter().enumerate();
                numbered.for_each(|(at, value)| self.deep(&format!("{name}[{at}]"), value, pairs));
            }
            value => pairs.push((percent::encoded(name), self.encoded(&scalar(value).unwrap_or_default()))),
        }
    }
}

/// The text of a value that is neither list nor object.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn style(style: &str, explode: bool) -> Style {
        Style::of(&json!({"style": style, "explode": explode}), Style::form())
    }

    /// The table of OpenAPI 3.1, 4.8.12.4, without what the styles cannot do.
    #[test]
    fn values_are_written_as_the_table_says() {
        let (one, list, object) = (json!("blue"), json!(["blue", "black"]), json!({"R": 100, "G": 200}));
        for (name, explode, wanted) in [
            ("matrix", false, [";color=blue", ";color=blue,black", ";color=G,200,R,100"]),
            ("matrix", true, [";color=blue", ";color=blue;color=black", ";G=200;R=100"]),
            ("label", false, [".blue", ".blue,black", ".G,200,R,100"]),
            ("label", true, [".blue", ".blue.black", ".G=200.R=100"]),
            ("simple", false, ["blue", "blue,black", "G,200,R,100"]),
            ("simple", true, ["blue", "blue,black", "G=200,R=100"]),
        ] {
            for (value, wanted) in [&one, &list, &object].into_iter().zip(wanted) {
                assert_eq!(style(name, explode).in_path("color", value).as_deref(), Ok(wanted), "{name} {explode}");
            }
        }
        for (name, explode, wanted) in [
            ("form", false, ["color=blue", "color=blue,black", "color=G,200,R,100"]),
            ("form", true, ["color=blue", "color=blue&color=black", "G=200&R=100"]),
            ("spaceDelimited", false, ["color=blue", "color=blue%20black", "color=G%20200%20R%20100"]),
            ("pipeDelimited", false, ["color=blue", "color=blue%7Cblack", "color=G%7C200%7CR%7C100"]),
            (
                "deepObject",
                true,
                ["color=blue", "color%5B0%5D=blue&color%5B1%5D=black", "color%5BG%5D=200&color%5BR%5D=100"],
            ),
        ] {
            for (value, wanted) in [&one, &list, &object].into_iter().zip(wanted) {
                let pairs = style(name, explode).in_query("color", value).expect("pairs");
                let text: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
                assert_eq!(text.join("&"), wanted, "{name} {explode}");
            }
        }
        assert_eq!(style("simple", false).in_header(&object).as_deref(), Ok("G,200,R,100"));
        assert_eq!(style("simple", true).in_header(&object).as_deref(), Ok("G=200,R=100"));
        assert_eq!(Style::form().in_cookie(&json!("a; b=c")).as_deref(), Ok("a%3B%20b%3Dc"));
        assert_eq!(Style::json().in_query("q", &object).expect("pairs")[0].1, "%7B%22G%22%3A200%2C%22R%22%3A100%7D");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let nested = json!([[1]]);
        assert!(Style::form().in_query("x", &nested).is_err() && Style::simple().in_path("x", &nested).is_err());
        assert!(Style::simple().in_path("x", &json!([])).is_err());
        assert!(Style::simple().in_path("x", &json!(["a", ".."])).is_err());
        for text in ["a\r\nX: y", "a\nb", "a\0b", "ü", "\u{7f}"] {
            assert!(Style::simple().in_header(&json!(text)).is_err(), "{text:?}");
        }
        assert_eq!(Style::form().in_query("x", &json!([])), Ok(Vec::new()));
    }
}

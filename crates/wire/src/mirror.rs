//! Parameter headers: which arguments of a tool are mirrored into `Mcp-Param-…` headers, how their values are
//! written there, and whether a request keeps to it (2026-07-28 `basic/transports/streamable-http`, "Custom Headers
//! from Tool Parameters").

mod annotations;

use std::fmt;

use crate::base64;
use crate::edits::Edits;
use crate::json::{Span, check};
use crate::raw;

/// What the names of parameter headers begin with, in lower case.
pub const PREFIX: &str = "mcp-param-";

/// The annotation in a tool's `inputSchema`.
const ANNOTATION: &str = "x-mcp-header";
const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// Integers beyond this either way have no place in a header: not every reader keeps them apart.
const LARGEST_INTEGER: &str = "9007199254740991";

/// Which arguments of one tool are mirrored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    parameters: Vec<Parameter>,
}

/// One argument that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The header's whole name, in lower case.
    pub header: String,
    /// The names of the properties that lead to the argument, outermost first.
    pub path: Vec<String>,
}

/// Why a tool's definition is not valid. The tool must not be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The schema cannot be read.
    Unreadable,
    /// A name is no string, empty, or no token of RFC 9110.
    Name,
    /// Two properties have this name, apart from case.
    Double(String),
    /// The property of this name is not of type string, integer or boolean.
    Type(String),
    /// An annotation is somewhere else than on a property that `properties` alone lead to.
    Place,
}

/// What is wrong with the values of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The argument is there and the header is not.
    Missing,
    /// The header is there and the argument is not.
    Unexpected,
    /// Header and argument differ.
    Different,
    /// The header is there several times, with different values.
    Repeated,
    /// The value holds bytes that have no place in a header.
    Characters,
    /// The value says that it is base64 of a text and is not.
    Encoding,
    /// The argument is an integer beyond 2^53 - 1 either way.
    Range,
    /// The argument is there several times.
    Ambiguous,
}

/// A header that does not say what the body says: the request is refused with -32020. It shows no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The header's name, in lower case.
    pub header: String,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A list of tools without those that are not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sifted {
    /// What makes the rest of the result.
    pub edits: Edits,
    /// The names of the tools taken out, and why.
    pub dropped: Vec<(String, Defect)>,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Unreadable => f.write_str("the input schema cannot be read"),
            Defect::Name => f.write_str("the name of a parameter header is no HTTP token"),
            Defect::Double(name) => write!(f, "two parameters have the header name {name}"),
            Defect::Type(name) => {
                write!(f, "the parameter with the header name {name} is no string, integer or boolean")
            }
            Defect::Place => f.write_str("a parameter header is not on a property that properties alone lead to"),
        }
    }
}

impl std::error::Error for Defect {}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Missing => "is missing, though the body has the value",
            Flaw::Unexpected => "is there, though the body has no such value",
            Flaw::Different => "does not match the body",
            Flaw::Repeated => "is there several times with different values",
            Flaw::Characters => "holds invalid characters",
            Flaw::Encoding => "is not valid base64 of a text",
            Flaw::Range => "mirrors an integer that is too large",
            Flaw::Ambiguous => "mirrors a value that the body has several times",
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header {} {}", self.header, self.flaw)
    }
}

impl std::error::Error for Mismatch {}

impl Mirror {
    /// Reads a tool's `inputSchema`, raw. Most tools mirror nothing, and that is found out quickly.
    pub fn of_schema(schema: &[u8]) -> Result<Mirror, Defect> {
        if !raw::may_hold(schema, &[ANNOTATION]) {
            return Ok(Mirror::default());
        }
        annotations::read(schema).map(|parameters| Mirror { parameters })
    }

    /// Whether nothing is mirrored.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// What is mirrored, in the order of the schema.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Names, in lower case, and values of the headers for a call with these `arguments`, raw. What is absent, `null`
    /// or no string, number or boolean has no header.
    pub fn headers(&self, arguments: &[u8]) -> Vec<(String, String)> {
        let header = |parameter: &Parameter| {
            let found = argument(arguments, &parameter.path);
            let value = text(found.value?)?;
            Some((parameter.header.clone(), encode(&value)))
        };
        self.parameters.iter().filter_map(header).collect()
    }

    /// Whether the headers of a request say what its `arguments`, raw, say. `values` gives all values of the header
    /// with a name in lower case. The first that does not match is told.
    pub fn check<'a, V>(&self, arguments: &[u8], values: impl Fn(&str) -> V) -> Result<(), Mismatch>
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        for parameter in &self.parameters {
            let found = argument(arguments, &parameter.path);
            compare(&found, values(&parameter.header))
                .map_err(|flaw| Mismatch { header: parameter.header.clone(), flaw })?;
        }
        Ok(())
    }
}

/// What the arguments have at a path.
#[derive(Default)]
struct Found<'a> {
    /// The value, raw; the last if there are several, as most readers take that.
    value: Option<&'a [u8]>,
    several: bool,
}

fn argument<'a>(arguments: &'a [u8], path: &[String]) -> Found<'a> {
    let mut found = Found { value: Some(arguments), several: false };
    for name in path {
        let Some(object) = found.value else { break };
        found.value = None;
        for (key, value) in raw::members(object, raw::whole(object)).unwrap_or_default() {
            if raw::same(&object[key.range()], name) {
                found.several |= found.value.is_some();
                found.value = Some(&object[value.range()]);
            }
        }
    }
    found.value = found.value.filter(|value| *value != b"null");
    found
}

/// A string, number or boolean as the text that is mirrored; integers in plain decimals.
fn text(value: &[u8]) -> Option<String> {
    match value.first()? {
        b'"' => raw::string(value),
        b't' | b'f' => String::from_utf8(value.to_vec()).ok(),
        b'-' | b'0'..=b'9' => integer(value).or_else(|| String::from_utf8(value.to_vec()).ok()),
        _ => None,
    }
}

fn compare<'a>(found: &Found<'_>, values: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Flaw> {
    if found.several {
        return Err(Flaw::Ambiguous);
    }
    let header = read(values)?;
    let Some(value) = found.value else {
        return header.map_or(Ok(()), |_| Err(Flaw::Unexpected));
    };
    let number = matches!(value.first(), Some(b'-' | b'0'..=b'9'));
    match (text(value), header) {
        (Some(wanted), Some(_)) if number && is_beyond(&wanted) => Err(Flaw::Range),
        (Some(wanted), Some(header)) if wanted == header => Ok(()),
        (Some(wanted), Some(header)) if number && integer(header.as_bytes()).as_ref() == Some(&wanted) => Ok(()),
        (_, Some(_)) => Err(Flaw::Different),
        (Some(_), None) => Err(Flaw::Missing),
        // Objects and arrays cannot be mirrored: whether they are right is for the tool to say.
        (None, None) => Ok(()),
    }
}

/// A number in plain decimals, if it is an integer however it is written: `1e2` is `100`, `-0.0` is `0`.
fn integer(number: &[u8]) -> Option<String> {
    check(number).ok()?;
    let text = std::str::from_utf8(number).ok()?;
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{before}{behind}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    // How many digits stand before the point, counted from the first that is not zero.
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let point = i64::try_from(before.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let length = usize::try_from(point.checked_sub(i64::try_from(leading).ok()?)?).ok()?;
    // Nobody means a number of hundreds of digits.
    (significant.len()..400).contains(&length).then(|| format!("{sign}{significant:0<length$}"))
}

/// Whether a plain integer is beyond 2^53 - 1 either way.
fn is_beyond(integer: &str) -> bool {
    let digits = integer.trim_start_matches('-');
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    plain && (digits.len(), digits) > (LARGEST_INTEGER.len(), LARGEST_INTEGER)
}

/// A value as it is written in a header: as it is, or between `=?base64?` and `?=` if it holds anything but printable
/// ASCII, has blanks at its ends, or looks like that itself.
pub fn encode(value: &str) -> String {
    let printable = value.bytes().all(|b| (0x20..=0x7e).contains(&b));
    let trimmed = !value.starts_with(' ') && !value.ends_with(' ');
    let sentinel = value.starts_with(OPEN) && value.ends_with(CLOSE);
    if printable && trimmed && !sentinel {
        return value.to_owned();
    }
    format!("{OPEN}{}{CLOSE}", base64::encode(value.as_bytes()))
}

/// The value that a header stands for. Blanks around it do not count; what only resembles the base64 form is text.
/// Fails with [`Flaw::Characters`] or [`Flaw::Encoding`].
pub fn decode(header: &[u8]) -> Result<String, Flaw> {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = header.iter().take_while(|b| blank(b)).count();
    let end = header.iter().rev().take_while(|b| blank(b)).count();
    let value = header.get(start..header.len() - end).unwrap_or_default();
    if !value.iter().all(|b| matches!(b, 0x20..=0x7e | b'\t')) {
        return Err(Flaw::Characters);
    }
    let inside = value.strip_prefix(OPEN.as_bytes()).and_then(|rest| rest.strip_suffix(CLOSE.as_bytes()));
    let bytes = match inside {
        Some(inside) => base64::decode(inside).ok_or(Flaw::Encoding)?,
        None => value.to_vec(),
    };
    String::from_utf8(bytes).map_err(|_| Flaw::Encoding)
}

/// The one value of a header that may be repeated, decoded; `None` if it is absent. Fails if its values differ or one
/// cannot be decoded.
pub fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<String>, Flaw> {
    let mut found: Option<String> = None;
    for value in values {
        let value = decode(value)?;
        if found.as_ref().is_some_and(|found| *found != value) {
            return Err(Flaw::Repeated);
        }
        found = Some(value);
    }
    Ok(found)
}

/// What has to go from a `tools/list` result, raw: the tools whose parameter headers are not valid. `None` if all
/// may stay, which is found out quickly.
pub fn sift(result: &[u8]) -> Option<Sifted> {
    if !raw::may_hold(result, &[ANNOTATION]) {
        return None;
    }
    let tools = raw::elements(result, raw::find(result, raw::whole(result), "tools")?);
    let defects: Vec<Option<Defect>> = tools.iter().map(|tool| defect(&result[tool.range()])).collect();
    let mut edits = Edits::none();
    edits.remove(&tools, |at| defects[at].is_some());
    let name = |tool: Span| raw::peek_string(&result[tool.range()], "name").unwrap_or_default();
    let told = tools.iter().zip(defects).filter_map(|(tool, defect)| Some((name(*tool), defect?)));
    let dropped: Vec<_> = told.collect();
    (!dropped.is_empty()).then_some(Sifted { edits, dropped })
}

fn defect(tool: &[u8]) -> Option<Defect> {
    Mirror::of_schema(raw::peek(tool, "inputSchema")?).err()
}

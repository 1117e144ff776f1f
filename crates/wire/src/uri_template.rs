//! URI templates (RFC 6570), read backwards: whether a URI can be what a template stands for.
//!
//! A template is gone through once, with the set of all places of the URI that can have been reached so far. So the
//! work is at most the length of the template times that of the URI, whatever both are.

use crate::percent::{is_unreserved, spelt};

/// The longest prefix of a value that a template can ask for (RFC 6570 section 2.4.1).
const LONGEST_PREFIX: usize = 9999;

/// A URI template of any level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<Unit>),
    Expression(Operator, Vec<Variable>),
}

/// A byte of a URI, so that texts that are the same URI (RFC 3986 section 6.2.2) are the same units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Stands for itself, in one of the characters of URIs.
    Plain(u8),
    /// Is percent-encoded, or would have to be.
    Encoded(u8),
}

/// How an expression is expanded (RFC 6570 appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    /// What stands before the first value.
    first: Option<u8>,
    /// What stands between values.
    separator: u8,
    values: Values,
    naming: Naming,
}

/// Which characters stand in values as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    Unreserved,
    /// All but the slash.
    Segment,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// Values only.
    None,
    /// `name=value`, and `name` if the value is empty.
    Bare,
    /// `name=value`, also if the value is empty.
    Equals,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    name: Vec<Unit>,
    /// At most so many characters of the value.
    prefix: Option<usize>,
    explode: bool,
}

/// The places of a URI, each between two units or at an end: which of them are reached.
#[derive(Clone)]
struct Places(Vec<bool>);

impl Template {
    /// Reads a template; `None` if it is none (RFC 6570 section 2). Names of variables may have hyphens, which the RFC
    /// does not know and people write.
    pub fn parse(text: &str) -> Option<Template> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (literal, after) = rest.split_once('{').map_or((rest, None), |(before, after)| (before, Some(after)));
            if literal.contains('}') {
                return None;
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(units(literal)));
            }
            let Some(after) = after else { return Some(Template { parts }) };
            let (inside, after) = after.split_once('}')?;
            parts.push(expression(inside)?);
            rest = after;
        }
    }

    /// Whether some values of the variables make this URI of the template. Percent-encodings count as what they stand
    /// for where RFC 3986 has them equal, and so does a character that should have been encoded.
    pub fn fits(&self, uri: &str) -> bool {
        self.read(uri, |operator| operator)
    }

    /// Whether a server may have this URI of the template that takes it less strictly than the RFC: in what many SDKs
    /// make of templates, a variable stands for anything without a slash.
    pub fn resembles(&self, uri: &str) -> bool {
        let loose = |values| if values == Values::All { values } else { Values::Segment };
        self.read(uri, |operator| Operator { values: loose(operator.values), ..operator })
    }

    fn read(&self, uri: &str, taken: impl Fn(Operator) -> Operator) -> bool {
        let uri = units(uri);
        let mut places = Places::none(uri.len());
        places.0[0] = true;
        for part in &self.parts {
            places = match part {
                Part::Literal(literal) => places.literal(&uri, literal),
                Part::Expression(operator, variables) => places.expression(&uri, taken(*operator), variables),
            };
            if !places.0.contains(&true) {
                return false;
            }
        }
        places.0[uri.len()]
    }

    /// How many bytes of a URI the template itself says. Of the templates that a URI fits, the one that says most is
    /// meant.
    pub fn weight(&self) -> usize {
        let length = |part: &Part| match part {
            Part::Literal(literal) => literal.len(),
            Part::Expression(..) => 0,
        };
        self.parts.iter().map(length).sum()
    }
}

impl Operator {
    /// The operator an expression begins with, and the rest; `None` for those the RFC keeps for later.
    fn of(inside: &str) -> Option<(Operator, &str)> {
        let operator = |first, separator, values, naming| Operator { first, separator, values, naming };
        let (strict, all) = (Values::Unreserved, Values::All);
        let found = match *inside.as_bytes().first()? {
            b'+' => operator(None, b',', all, Naming::None),
            b'#' => operator(Some(b'#'), b',', all, Naming::None),
            first @ (b'.' | b'/') => operator(Some(first), first, strict, Naming::None),
            b';' => operator(Some(b';'), b';', strict, Naming::Bare),
            first @ (b'?' | b'&') => operator(Some(first), b'&', strict, Naming::Equals),
            b'=' | b',' | b'!' | b'@' | b'|' => return None,
            _ => return Some((operator(None, b',', strict, Naming::None), inside)),
        };
        Some((found, &inside[1..]))
    }

    /// Whether this can be part of a value.
    fn allows(self, unit: Unit) -> bool {
        match unit {
            Unit::Encoded(_) => true,
            Unit::Plain(byte) => match self.values {
                Values::Unreserved => is_unreserved(byte),
                Values::Segment => byte != b'/',
                Values::All => true,
            },
        }
    }
}

impl Places {
    fn none(length: usize) -> Places {
        Places(vec![false; length + 1])
    }

    fn add(&mut self, other: &Places) {
        for (place, other) in self.0.iter_mut().zip(&other.0) {
            *place |= other;
        }
    }

    /// Behind a text that begins at one of these places.
    fn literal(&self, uri: &[Unit], literal: &[Unit]) -> Places {
        let mut behind = Places::none(uri.len());
        for (at, _) in self.0.iter().enumerate().filter(|(_, reached)| **reached) {
            if uri[at..].starts_with(literal) {
                behind.0[at + literal.len()] = true;
            }
        }
        behind
    }

    /// Behind any number of units that are allowed, which are at most so many characters.
    fn run(&self, uri: &[Unit], most: usize, allows: impl Fn(Unit) -> bool) -> Places {
        let mut behind = self.clone();
        // How many more characters there may be, at best.
        let mut left = 0;
        for (at, unit) in uri.iter().enumerate() {
            if self.0[at] {
                left = most;
            } else if !behind.0[at] {
                continue;
            }
            // A character of several bytes counts once.
            let again = matches!(unit, Unit::Encoded(0x80..0xc0));
            if allows(*unit) && (left > 0 || again) {
                left -= usize::from(!again);
                behind.0[at + 1] = true;
            }
        }
        behind
    }

    /// Behind `key=value` pairs with the operator's separator between them.
    fn pairs(&self, uri: &[Unit], operator: Operator) -> Places {
        let bare = operator.naming == Naming::Bare;
        let (mut keys, mut values) = (self.clone(), Places::none(uri.len()));
        for (at, unit) in uri.iter().enumerate() {
            let (key, value) = (keys.0[at], values.0[at]);
            let allowed = operator.allows(*unit);
            values.0[at + 1] |= (key && *unit == Unit::Plain(b'=')) || (value && allowed);
            let next = *unit == Unit::Plain(operator.separator) && (value || (key && bare));
            keys.0[at + 1] |= next || (key && allowed);
        }
        if bare {
            values.add(&keys);
        }
        values
    }

    fn expression(&self, uri: &[Unit], operator: Operator, variables: &[Variable]) -> Places {
        let opened = match operator.first {
            Some(first) => self.literal(uri, &[Unit::Plain(first)]),
            None => self.clone(),
        };
        // A variable without a value leaves nothing behind, not even its separator.
        let mut behind = Places::none(uri.len());
        for variable in variables {
            let mut starts = behind.literal(uri, &[Unit::Plain(operator.separator)]);
            starts.add(&opened);
            behind.add(&starts.value(uri, operator, variable));
        }
        behind.add(self);
        behind
    }

    /// Behind the value of a variable, which can be a text, a list or a map.
    fn value(&self, uri: &[Unit], operator: Operator, variable: &Variable) -> Places {
        if operator.naming == Naming::None {
            return self.run(uri, variable.prefix.unwrap_or(usize::MAX), |unit| variable.allows(unit, operator));
        }
        if variable.explode {
            return self.pairs(uri, operator);
        }
        let named = self.literal(uri, &variable.name);
        let given = named.literal(uri, &[Unit::Plain(b'=')]);
        let most = variable.prefix.unwrap_or(usize::MAX);
        let mut behind = given.run(uri, most, |unit| variable.allows(unit, operator));
        if operator.naming == Naming::Bare {
            behind.add(&named);
        }
        behind
    }
}

impl Variable {
    fn parse(text: &str) -> Option<Variable> {
        let (name, prefix, explode) = if let Some(name) = text.strip_suffix('*') {
            (name, None, true)
        } else if let Some((name, prefix)) = text.split_once(':') {
            let digits = !prefix.starts_with('0') && prefix.bytes().all(|byte| byte.is_ascii_digit());
            let prefix = prefix.parse().ok().filter(|most| digits && *most <= LONGEST_PREFIX)?;
            (name, Some(prefix), false)
        } else {
            (text, None, false)
        };
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'%');
        let valid = !name.is_empty() && name.bytes().all(fine);
        valid.then_some(Variable { name: units(name), prefix, explode })
    }

    /// Whether this can be part of the value: of an item, or between the items of a list or map, which no prefix can be
    /// taken of.
    fn allows(&self, unit: Unit, operator: Operator) -> bool {
        let between = match unit {
            Unit::Plain(b',') => self.prefix.is_none() && (!self.explode || operator.separator == b','),
            Unit::Plain(byte) => self.explode && (byte == b'=' || byte == operator.separator),
            Unit::Encoded(_) => false,
        };
        between || operator.allows(unit)
    }
}

fn expression(inside: &str) -> Option<Part> {
    let (operator, variables) = Operator::of(inside)?;
    let variables = variables.split(',').map(Variable::parse).collect::<Option<_>>()?;
    Some(Part::Expression(operator, variables))
}

fn units(text: &str) -> Vec<Unit> {
    let mut rest = text.as_bytes();
    let mut units = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let decoded = if byte == b'%' { spelt(after) } else { None };
        rest = if decoded.is_some() { &after[2..] } else { after };
        units.push(match decoded {
            Some(decoded) if is_unreserved(decoded) => Unit::Plain(decoded),
            Some(decoded) => Unit::Encoded(decoded),
            None if is_unreserved(byte) || b":/?#[]@!$&'()*+,;=".contains(&byte) => Unit::Plain(byte),
            None => Unit::Encoded(byte),
        });
    }
    units
}

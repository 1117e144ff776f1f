//! Changes to one text, collected first and made in one go.

use crate::json::{Span, quote};
use crate::raw::{members, same, whole};

/// Changes at places of one text that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(Vec<(Span, Vec<u8>)>);

/// One object of a text, looked at once.
pub struct Object<'a> {
    text: &'a [u8],
    span: Span,
    members: Vec<(Span, Span)>,
}

impl Edits {
    /// Nothing to change.
    pub fn none() -> Edits {
        Edits::default()
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `with` in the place of `span`.
    pub fn replace(&mut self, span: Span, with: impl Into<Vec<u8>>) {
        self.0.push((span, with.into()));
    }

    /// Puts `with` before the byte at `at`. What was inserted at one place stays in the order it was given.
    pub fn insert(&mut self, at: usize, with: impl Into<Vec<u8>>) {
        self.replace(Span { start: at, end: at }, with);
    }

    /// Takes the doomed ones out of the items of an array or of the members of an object, with their commas.
    /// `items` are all of them in order; a member begins at the quote of its key and ends with its value.
    pub fn remove(&mut self, items: &[Span], doomed: impl Fn(usize) -> bool) {
        let mut kept: Option<usize> = None;
        for at in 0..=items.len() {
            if at < items.len() && doomed(at) {
                continue;
            }
            let first = kept.map_or(0, |kept| kept + 1);
            if first < at {
                // Behind a kept one the comma goes that follows it, else the one that follows the doomed.
                let start = kept.map_or(items[first].start, |kept| items[kept].end);
                let end = match items.get(at) {
                    Some(next) if kept.is_none() => next.start,
                    _ => items[at - 1].end,
                };
                self.replace(Span { start, end }, []);
            }
            kept = Some(at);
        }
    }

    /// The changes as pairs of a place and what comes there.
    pub fn pairs(&self) -> Vec<(Span, &[u8])> {
        self.0.iter().map(|(span, with)| (*span, &with[..])).collect()
    }

    /// The same changes for a text in which this one begins at byte `by`.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Edits {
        for (span, _) in &mut self.0 {
            *span = Span { start: span.start + by, end: span.end + by };
        }
        self
    }

    /// By how many bytes the text grows; negative if it gets shorter.
    pub fn growth(&self) -> isize {
        self.0.iter().map(|(span, with)| with.len().cast_signed() - (span.end - span.start).cast_signed()).sum()
    }

    /// `text` with the changes made.
    pub fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut sorted: Vec<&(Span, Vec<u8>)> = self.0.iter().collect();
        sorted.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = Vec::with_capacity(text.len().saturating_add_signed(self.growth()));
        let mut at = 0;
        for (span, with) in sorted {
            out.extend_from_slice(&text[at..span.start]);
            out.extend_from_slice(with);
            at = span.end;
        }
        out.extend_from_slice(&text[at..]);
        out
    }
}

impl<'a> Object<'a> {
    /// The object at `span` of `text`; `None` if there is none. The text must have been checked before.
    pub fn at(text: &'a [u8], span: Span) -> Option<Object<'a>> {
        members(text, span).map(|members| Object { text, span, members })
    }

    /// The object that `text` is.
    pub fn of(text: &'a [u8]) -> Option<Object<'a>> {
        Object::at(text, whole(text))
    }

    /// Where the value of `key` lies in the text.
    pub fn find(&self, key: &str) -> Option<Span> {
        let found = self.members.iter().find(|(name, _)| same(&self.text[name.range()], key));
        found.map(|(_, value)| *value)
    }

    /// The value of `key`, raw.
    pub fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.find(key).map(|span| &self.text[span.range()])
    }

    /// Gives members of this object new raw values, in their place if they are there, else before all others; takes
    /// out those without one.
    pub fn change(&self, edits: &mut Edits, changes: &[(&str, Option<&[u8]>)]) {
        let named = |at: usize| {
            let name = &self.text[self.members[at].0.range()];
            changes.iter().position(|(key, _)| same(name, key))
        };
        let places: Vec<Option<usize>> = (0..self.members.len()).map(named).collect();
        // A key that is there twice stays once.
        let doomed = |at: usize| {
            let twice = || places[..at].contains(&places[at]);
            places[at].is_some_and(|change| changes[change].1.is_none() || twice())
        };
        let mut added = Vec::new();
        for (change, (key, value)) in changes.iter().enumerate() {
            let Some(value) = value else { continue };
            match places.iter().position(|place| *place == Some(change)) {
                Some(at) => edits.replace(self.members[at].1, *value),
                None => added.push([quote(key).as_bytes(), b":", value].concat()),
            }
        }
        if !added.is_empty() {
            let mut text = added.join(&b','); // before the others, if any are left
            if (0..places.len()).any(|at| !doomed(at)) {
                text.push(b',');
            }
            edits.insert(self.start() + 1, text);
        }
        let item = |(key, value): &(Span, Span)| Span { start: key.start - 1, end: value.end };
        let items: Vec<Span> = self.members.iter().map(item).collect();
        edits.remove(&items, doomed);
    }

    /// Where the brace is, which white space may precede.
    fn start(&self) -> usize {
        let white = self.text[self.span.range()].iter().take_while(|&&b| b != b'{').count();
        self.span.start + white
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::elements;

    #[test]
    fn any_items_can_be_taken_out_of_a_list() {
        let text = b"[ 0 , 1,2 ,3 ]";
        let items = elements(text, whole(text));
        for mask in 0..16_u32 {
            let mut edits = Edits::none();
            edits.remove(&items, |at| mask & (1 << at) != 0);
            assert_eq!(edits.is_empty(), mask == 0);
            let out = edits.apply(text);
            let left: Vec<u32> = serde_json::from_slice(&out).expect("JSON");
            let wanted: Vec<u32> = (0..4).filter(|at| mask & (1 << at) == 0).collect();
            assert_eq!(left, wanted, "{}", out.escape_ascii());
            assert_eq!(out.len(), text.len().saturating_add_signed(edits.growth()));
        }
    }

    #[test]
    fn changes_are_made_in_the_order_of_their_places() {
        let mut edits = Edits::none();
        edits.insert(1, "aa");
        edits.insert(1, "bb");
        edits.replace(Span { start: 4, end: 7 }, "x");
        let text = b"0123456789";
        assert_eq!(edits.apply(text), b"0aabb123x789");
        assert_eq!(edits.growth(), 2);
        let shifted = edits.shifted(2);
        assert_eq!(shifted.apply(b"__0123456789"), b"__0aabb123x789");
    }

    #[test]
    fn members_are_replaced_added_and_taken_out() {
        let change = |text: &str, changes: &[(&str, Option<&[u8]>)]| {
            let mut edits = Edits::none();
            Object::of(text.as_bytes()).expect("an object").change(&mut edits, changes);
            String::from_utf8(edits.apply(text.as_bytes())).expect("UTF-8")
        };
        for (text, wanted) in [
            ("{}", r#"{"n":1,"m":[2]}"#),
            (r#" { "x" : 1 } "#, r#" {"n":1,"m":[2], "x" : 1 } "#),
            (r#"{"gone":0}"#, r#"{"n":1,"m":[2]}"#),
            (r#"{"n":"old" , "gone":0}"#, r#"{"m":[2],"n":1}"#),
            (r#"{"gone":0,"x":{"n":3},"g\u006fne":1}"#, r#"{"n":1,"m":[2],"x":{"n":3}}"#),
            (r#"{"m":0,"n":1,"m":2}"#, r#"{"m":[2],"n":1}"#),
        ] {
            assert_eq!(change(text, &[("n", Some(b"1")), ("gone", None), ("m", Some(b"[2]"))]), wanted, "{text}");
        }
        assert!(Object::of(b"[]").is_none());
    }
}

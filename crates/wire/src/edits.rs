//! Changes to one text, collected first and made in one go.

use crate::json::Span;

/// Changes at places of one text that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(Vec<(Span, Vec<u8>)>);

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

    /// Where the byte at `at`, which no change touches, lies afterwards.
    pub fn moved(&self, at: usize) -> usize {
        let before = self.0.iter().filter(|(span, _)| span.end <= at);
        let by: isize =
            before.map(|(span, with)| with.len().cast_signed() - (span.end - span.start).cast_signed()).sum();
        at.saturating_add_signed(by)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{elements, whole};

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
    fn places_move_with_what_is_before_them() {
        let mut edits = Edits::none();
        edits.insert(1, "aa");
        edits.insert(1, "bb");
        edits.replace(Span { start: 4, end: 7 }, "x");
        let text = b"0123456789";
        assert_eq!(edits.apply(text), b"0aabb123x789");
        assert_eq!((edits.moved(0), edits.moved(3), edits.moved(8)), (0, 7, 10));
        let shifted = edits.shifted(2);
        assert_eq!(shifted.apply(b"__0123456789"), b"__0aabb123x789");
    }
}

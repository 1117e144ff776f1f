//! One message ready to be framed, in pieces, so that a large text is never copied to change a small part of it.

use bytes::{Bytes, BytesMut};

use crate::json::Span;

/// Texts up to this size are copied into one piece; above, pieces share the original.
const COPY_BELOW: usize = 16 * 1024;

/// A message without line breaks, in one or several pieces.
#[derive(Clone, Debug)]
pub enum Line {
    /// All in one.
    One(Bytes),
    /// To be sent back to back.
    Many(Vec<Bytes>),
}

impl Line {
    /// `text` with the given spans replaced. Spans must not overlap; they may come in any order.
    pub fn splice(text: &Bytes, mut edits: Vec<(Span, &[u8])>) -> Line {
        edits.sort_by_key(|(span, _)| span.start);
        if text.len() > COPY_BELOW {
            return Line::pieces(text, &edits);
        }
        let grown: usize = edits.iter().map(|(_, with)| with.len()).sum();
        let mut out = BytesMut::with_capacity(text.len() + grown);
        let mut at = 0;
        for (span, with) in &edits {
            out.extend_from_slice(&text[at..span.start]);
            out.extend_from_slice(with);
            at = span.end;
        }
        out.extend_from_slice(&text[at..]);
        Line::One(out.freeze())
    }

    fn pieces(text: &Bytes, edits: &[(Span, &[u8])]) -> Line {
        let mut pieces = Vec::with_capacity(edits.len() * 2 + 1);
        let mut at = 0;
        for (span, with) in edits {
            pieces.push(text.slice(at..span.start));
            pieces.push(Bytes::copy_from_slice(with));
            at = span.end;
        }
        pieces.push(text.slice(at..));
        Line::Many(pieces)
    }

    /// Length of the whole message in bytes.
    pub fn len(&self) -> usize {
        self.parts().iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces, in order.
    pub fn parts(&self) -> &[Bytes] {
        match self {
            Line::One(part) => std::slice::from_ref(part),
            Line::Many(parts) => parts,
        }
    }

    /// The message in one piece; copies only if there are several.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Line::One(part) => part,
            Line::Many(parts) => parts.concat().into(),
        }
    }
}

impl From<Bytes> for Line {
    fn from(text: Bytes) -> Self {
        Line::One(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_texts_splice_alike() {
        for size in [10, 5 * COPY_BELOW] {
            let text = Bytes::from("x".repeat(size));
            let edits = vec![(Span { start: 7, end: 9 }, &b"B"[..]), (Span { start: 0, end: 1 }, &b"AAA"[..])];
            let line = Line::splice(&text, edits);
            let expected = format!("AAA{}B{}", "x".repeat(6), "x".repeat(size - 9));
            assert_eq!(line.len(), expected.len());
            assert_eq!(line.into_bytes(), expected.as_bytes());
        }
    }
}

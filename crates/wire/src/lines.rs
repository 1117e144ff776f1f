//! Newline framing: bytes of a pipe in, whole lines out, with a bound on the length of a line.

use bytes::{Bytes, BytesMut};

use crate::id::LinkId;

/// How much of each end of an overlong line is kept, to find out whose answer it was.
const ENDS: usize = 64 * 1024;
/// What one read should have room for.
const ROOM: usize = 16 * 1024;
/// A line longer than this is expected to grow up to the limit.
const LONG: usize = 512 * 1024;

/// A piece of the peer's output.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// A line within the limit, without its line break.
    Line(Bytes),
    /// A line has outgrown the limit, and is being skipped: its first bytes. [`Framed::Tail`] follows at its end.
    Outgrown(Bytes),
    /// The end of a line that was skipped: its last bytes.
    Tail(Bytes),
}

/// Splits what is read into lines.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no newline.
    searched: usize,
    limit: usize,
    /// While a line is being skipped: how much of it was let go.
    skipped: Option<usize>,
}

impl Lines {
    /// A framer for lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Lines { buffer: BytesMut::new(), searched: 0, limit, skipped: None }
    }

    /// Where the next read should append. Room is made for it.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < ROOM / 2 {
            // Doubling keeps the copies linear. From some size on there is room for all that may come: what is not
            // written to is not resident, whereas doubling on would hold up to three times as much.
            let have = self.buffer.len();
            let all = (self.limit + 2 * ROOM).saturating_sub(have);
            let more = if have >= LONG { all } else { have };
            self.buffer.reserve(more.max(ROOM));
        }
        &mut self.buffer
    }

    /// Gives the memory back while there is nothing to keep: an idle pipe holds no buffer.
    pub fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// The next piece that is complete, if there is one. Blank lines are passed over.
    pub fn next_line(&mut self) -> Option<Framed> {
        loop {
            let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return self.bound();
            };
            let end = self.searched + at;
            if self.skipped.is_none() && end > self.limit {
                return Some(self.outgrow());
            }
            self.searched = 0;
            let line = self.buffer.split_to(end + 1).freeze();
            if let Some(framed) = self.complete(&line.slice(..end)) {
                return Some(framed);
            }
        }
    }

    /// What is left when the pipe is closed: a last line without newline counts.
    pub fn finish(&mut self) -> Option<Framed> {
        if self.skipped.is_none() && self.buffer.len() > self.limit {
            return Some(self.outgrow());
        }
        let rest = self.buffer.split().freeze();
        self.searched = 0;
        self.complete(&rest)
    }

    /// How many bytes of the line that is being skipped were let go so far.
    pub fn skipped(&self) -> usize {
        self.skipped.unwrap_or(0)
    }

    fn complete(&mut self, line: &Bytes) -> Option<Framed> {
        if self.skipped.take().is_some() {
            return Some(Framed::Tail(line.slice(line.len().saturating_sub(ENDS)..)));
        }
        let line = trim(line);
        (!line.is_empty()).then_some(Framed::Line(line))
    }

    /// Lets go of a line that is too long while it is still coming in.
    fn bound(&mut self) -> Option<Framed> {
        if self.skipped.is_none() {
            return (self.buffer.len() > self.limit).then(|| self.outgrow());
        }
        if self.buffer.len() > 4 * ENDS {
            self.let_go();
        }
        None
    }

    fn outgrow(&mut self) -> Framed {
        self.skipped = Some(0);
        // As much as there is in any case, so that chunks make no difference.
        let head = Bytes::copy_from_slice(&self.buffer[..ENDS.min(self.limit)]);
        if self.searched == self.buffer.len() {
            self.let_go();
        }
        Framed::Outgrown(head)
    }

    fn let_go(&mut self) {
        let over = self.buffer.len().saturating_sub(ENDS);
        self.skipped = self.skipped.map(|count| count + over);
        // A copy, so that the memory of the long line goes back.
        self.buffer = BytesMut::from(&self.buffer[over..]);
        self.searched = self.buffer.len();
    }
}

/// Without the byte order mark some runtimes write first, and without white space around.
fn trim(line: &Bytes) -> Bytes {
    let start = if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let inner = line[start..].trim_ascii();
    line.slice_ref(inner)
}

/// Which of our requests a line answers, judged by its first bytes. A guess: the id may stand inside the result.
pub fn guess_id(head: &[u8]) -> Option<LinkId> {
    memchr::memmem::find(head, ID).and_then(|at| number(&head[at + ID.len()..]))
}

/// Which of our requests a line answers, judged by its last bytes.
pub fn guess_last_id(tail: &[u8]) -> Option<LinkId> {
    memchr::memmem::rfind(tail, ID).and_then(|at| number(&tail[at + ID.len()..]))
}

const ID: &[u8] = b"\"id\"";

fn number(text: &[u8]) -> Option<LinkId> {
    let text = text.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    // A number that the cut may have shortened is none.
    if digits < text.len() { LinkId::parse(&text[..digits]) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prop_assert_eq, proptest};

    fn feed(lines: &mut Lines, chunk: &[u8]) -> Vec<Framed> {
        lines.room().extend_from_slice(chunk);
        std::iter::from_fn(|| lines.next_line()).collect()
    }

    fn text(line: &str) -> Framed {
        Framed::Line(Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn crlf_blank_lines_bom_and_missing_last_newline() {
        let mut lines = Lines::new(100);
        assert_eq!(feed(&mut lines, b"\xef\xbb\xbf{}\r\n\r\n\n[1]\nlast"), [text("{}"), text("[1]")]);
        assert_eq!(lines.finish(), Some(text("last")));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn overlong_lines_are_told_at_once_and_keep_little_memory() {
        let mut lines = Lines::new(200_000);
        assert!(feed(&mut lines, b"{\"id\":7,\"x\":\"").is_empty());
        let mut told = Vec::new();
        for _ in 0..100 {
            told.extend(feed(&mut lines, "y".repeat(50_000).as_bytes()));
            assert!(lines.buffer.capacity() < 1_000_000);
        }
        let [Framed::Outgrown(head)] = &told[..] else { panic!("{}", told.len()) };
        assert_eq!(guess_id(head), Some(LinkId(7)));
        assert!(lines.skipped() > 4_000_000);
        let framed = feed(&mut lines, b"\",\"end\":1}\n{}\n");
        let Framed::Tail(tail) = &framed[0] else { panic!("{framed:?}") };
        assert!(tail.ends_with(b"\"end\":1}"));
        assert_eq!(framed[1], text("{}"));
    }

    #[test]
    fn a_whole_overlong_line_in_one_read() {
        let mut lines = Lines::new(10);
        let framed = feed(&mut lines, b"{}\n0123456789abcdef\n[]\n");
        assert_eq!(framed[0], text("{}"));
        assert_eq!(framed[1], Framed::Outgrown(Bytes::from_static(b"0123456789")));
        assert_eq!(framed[2], Framed::Tail(Bytes::from_static(b"0123456789abcdef")));
        assert_eq!(framed[3], text("[]"));
        lines.room().extend_from_slice(b"0123456789abcdef");
        assert!(matches!(lines.finish(), Some(Framed::Outgrown(_))));
        assert!(matches!(lines.finish(), Some(Framed::Tail(_))));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn ids_are_guessed_from_either_end() {
        assert_eq!(guess_id(b"{\"jsonrpc\":\"2.0\", \"id\" : 12,\"result"), Some(LinkId(12)));
        assert_eq!(guess_last_id(b"\"id\":1}]},\"jsonrpc\":\"2.0\",\"id\":13}"), Some(LinkId(13)));
        assert_eq!(guess_id(b"{\"id\":\"a\"}"), None);
        assert_eq!(guess_id(b"{\"id\":1"), None);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            texts in collection::vec("[a-z {}]{0,40}", 0..20),
            cuts in collection::vec(1usize..17, 1..40),
        ) {
            let all = texts.join("
") + "
";
            let mut lines = Lines::new(1000);
            let (mut rest, mut found) = (all.as_bytes(), Vec::new());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                found.extend(feed(&mut lines, now));
                rest = later;
            }
            let wanted: Vec<Framed> =
                texts.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).map(text).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}

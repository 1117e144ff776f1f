//! Split, then join: lines and event streams come through any chunking, and in every spelling of the format.

#[path = "targets/chunks.rs"]
mod chunks;
#[path = "targets/texts.rs"]
mod texts;

use bytes::{Bytes, BytesMut};
use chunks::chunks;
use janua_wire::lines::{Framed, Lines};
use janua_wire::sse::{Decoder, Event, Item, priming, write};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::{Index, select};
use proptest::{option, prop_assert_eq, proptest};
use serde_json::Value;

fn read_lines(stream: &[u8], seed: u8, limit: usize) -> Vec<Framed> {
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for chunk in chunks(stream, seed) {
        lines.room().extend_from_slice(chunk);
        found.extend(std::iter::from_fn(|| lines.next_line()));
    }
    found.extend(std::iter::from_fn(|| lines.finish()));
    found
}

fn read_events(stream: &[u8], seed: u8) -> Vec<Item> {
    let mut decoder = Decoder::new(1 << 20);
    let mut found = Vec::new();
    for chunk in chunks(stream, seed) {
        decoder.feed(chunk);
        while let Some(item) = decoder.next_item().expect("within the limit") {
            found.push(item);
        }
    }
    found
}

/// A message on one line, and now and then a long one.
fn message() -> impl Strategy<Value = String> {
    let long = select(vec![0usize, 0, 0, 40_000]);
    (texts::value(), long)
        .prop_map(|(value, long)| format!("[{},\"{}\"]", value.replace(['\r', '\n'], " "), "l".repeat(long)))
}

/// How one event is spelled: the line end, the space behind the colon, comments between.
#[derive(Clone, Debug)]
struct Spelling {
    end: &'static str,
    space: &'static str,
    comment: bool,
}

fn spelling() -> impl Strategy<Value = Spelling> {
    (select(vec!["\n", "\r", "\r\n"]), select(vec!["", " "]), any::<bool>())
        .prop_map(|(end, space, comment)| Spelling { end, space, comment })
}

fn spelled(event: &Event, spelling: &Spelling) -> String {
    let Spelling { end, space, comment } = spelling;
    let mut out = String::new();
    let mut field = |name: &str, value: &str| {
        if *comment {
            out.extend([": data: none", end]);
        }
        out.extend([name, ":", space, value, end]);
    };
    for line in std::str::from_utf8(&event.data).expect("text").split('\n') {
        field("data", line);
    }
    if let Some(name) = &event.name {
        field("event", name);
    }
    if let Some(id) = &event.id {
        field("id", id);
    }
    out + end
}

fn event() -> impl Strategy<Value = Event> {
    let word = "[a-z0-9-]{1,9}";
    (option::of(word), option::of(word), vec("[^\r\n ][^\r\n]{0,20}", 1..4)).prop_map(|(id, name, data)| Event {
        id,
        name,
        data: data.join("\n").into(),
    })
}

proptest! {
    #[test]
    fn lines_joined_are_split_again(
        messages in vec((message(), select(vec!["\n", "\r\n", "\n\n", " \n", "\n\u{feff}"])), 0..8),
        last in any::<bool>(), seed in any::<u8>(),
    ) {
        let mut stream: String = messages.iter().flat_map(|(text, end)| [&text[..], end]).collect();
        if last {
            stream.truncate(stream.trim_end().len());
        }
        let wanted: Vec<Framed> =
            messages.iter().map(|(text, _)| Framed::Line(Bytes::copy_from_slice(text.as_bytes()))).collect();
        prop_assert_eq!(read_lines(stream.as_bytes(), seed, 1 << 20), wanted);
    }

    #[test]
    fn lines_beside_an_overlong_one_are_whole(
        size in 100_001usize..700_000, before in "[a-z]{1,9}", after in "[a-z]{1,9}", seed in any::<u8>(),
    ) {
        let head = "{\"id\":1,";
        let stream = format!("{before}\n{head}{}end}}\n{after}", "x".repeat(size));
        let found = read_lines(stream.as_bytes(), seed, 100_000);
        let [Framed::Line(first), Framed::Outgrown(start), Framed::Tail(end), Framed::Line(last)] = &found[..]
        else { panic!("{} pieces", found.len()) };
        prop_assert_eq!((first, last), (&Bytes::from(before), &Bytes::from(after)));
        let both = start.starts_with(head.as_bytes()) && end.ends_with(b"xend}");
        prop_assert_eq!((both, start.len(), end.len()), (true, 64 * 1024, 64 * 1024));
    }

    #[test]
    fn events_written_are_read_again(
        events in vec((option::of("[a-z0-9-]{1,9}"), option::of("[a-z]{1,9}"), message(), any::<Index>()), 0..6),
        seed in any::<u8>(),
    ) {
        let mut out = BytesMut::new();
        for (id, name, data, cut) in &events {
            let mut cut = cut.index(data.len());
            while !data.is_char_boundary(cut) {
                cut -= 1;
            }
            let parts = [&data[..cut], &data[cut..]].map(|part| Bytes::copy_from_slice(part.as_bytes()));
            write(&mut out, id.as_deref(), name.as_deref(), &parts);
        }
        let text = std::str::from_utf8(&out).expect("text").to_owned();
        prop_assert_eq!(text.find(['\r', '\u{85}', '\u{2028}', '\u{2029}']), None);
        let found = read_events(&out, seed);
        prop_assert_eq!(found.len(), events.len());
        for (item, (id, name, data, _)) in found.iter().zip(&events) {
            let Item::Event(event) = item else { panic!("{item:?}") };
            prop_assert_eq!((&event.id, &event.name), (id, name));
            let read: Value = serde_json::from_slice(&event.data).expect("JSON");
            prop_assert_eq!(read, serde_json::from_str::<Value>(data).expect("JSON"));
        }
    }

    #[test]
    fn every_spelling_of_a_stream_is_read(
        events in vec((event(), spelling()), 0..6), bom in any::<bool>(), seed in any::<u8>(),
    ) {
        let mark = if bom { "\u{feff}" } else { "" };
        let stream: String = events.iter().map(|(event, spelling)| spelled(event, spelling)).collect();
        let wanted: Vec<Item> = events.into_iter().map(|(event, _)| Item::Event(event)).collect();
        prop_assert_eq!(read_events(format!("{mark}{stream}").as_bytes(), seed), wanted);
    }
}

#[test]
fn the_opening_event_has_an_id_and_a_time_and_no_data() {
    let stream = priming("s-1", 1500);
    let event = Event { id: Some("s-1".to_owned()), name: None, data: Bytes::new() };
    for seed in [0, 1, 2] {
        assert_eq!(read_events(&stream, seed), [Item::Retry(1500), Item::Event(event.clone())]);
    }
}

#[test]
fn limits_hold_to_the_byte_however_the_stream_comes() {
    for size in [0usize, 1, 10, 100, 70_000] {
        for over in [0, 1] {
            let stream = format!("data: {}\n\n", "d".repeat(size + over));
            for seed in 0..5 {
                let mut decoder = Decoder::new(size);
                let mut found = Ok(None);
                for chunk in chunks(stream.as_bytes(), seed) {
                    decoder.feed(chunk);
                    found = decoder.next_item();
                    if found.is_err() {
                        break;
                    }
                }
                assert_eq!(found.is_err(), over == 1, "{size} {over} {seed}");
                let line = format!("{}\n", "l".repeat(size + over));
                let framed = read_lines(line.as_bytes(), seed, size);
                let outgrown = matches!(framed.first(), Some(Framed::Outgrown(_)));
                assert_eq!(outgrown, over == 1, "{size} {over} {seed}");
            }
        }
    }
}

#[test]
fn a_line_that_outgrows_its_limit_is_told_before_it_ends() {
    let mut lines = Lines::new(10);
    lines.room().extend_from_slice(b"0123456789");
    assert_eq!(lines.next_line(), None);
    lines.room().extend_from_slice(b"a");
    assert_eq!(lines.next_line(), Some(Framed::Outgrown(Bytes::from_static(b"0123456789"))));
    assert_eq!(lines.next_line(), None);
    lines.room().extend_from_slice(b"b\nc\n");
    assert_eq!(lines.next_line(), Some(Framed::Tail(Bytes::from_static(b"0123456789ab"))));
    assert_eq!(lines.next_line(), Some(Framed::Line(Bytes::from_static(b"c"))));
}

#[test]
fn a_framer_at_rest_holds_no_memory() {
    let mut lines = Lines::new(1 << 20);
    lines.room().extend_from_slice("x".repeat(300_000).as_bytes());
    assert_eq!(lines.next_line(), None);
    lines.rest();
    lines.room().extend_from_slice(b"\n");
    assert_eq!(lines.next_line().map(|line| matches!(line, Framed::Line(_))), Some(true));
    lines.rest();
    assert!(lines.room().capacity() <= 64 * 1024);
}

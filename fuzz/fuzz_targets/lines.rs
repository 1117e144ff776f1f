//! Newline framing under libFuzzer; what must hold is in the wire crate's `tests/targets/lines.rs`.
#![no_main]

#[path = "../../crates/wire/tests/targets/chunks.rs"]
mod chunks;
#[path = "../../crates/wire/tests/targets/lines.rs"]
mod lines;

libfuzzer_sys::fuzz_target!(|input: &[u8]| lines::run(input));

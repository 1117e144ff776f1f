//! Event streams under libFuzzer; what must hold is in the wire crate's `tests/targets/sse.rs`.
#![no_main]

#[path = "../../crates/wire/tests/targets/chunks.rs"]
mod chunks;
#[path = "../../crates/wire/tests/targets/sse.rs"]
mod sse;

libfuzzer_sys::fuzz_target!(|input: &[u8]| sse::run(input));

//! JSON-RPC messages under libFuzzer; what must hold is in the wire crate's `tests/targets/message.rs`.
#![no_main]

#[path = "../../crates/wire/tests/targets/message.rs"]
mod message;

libfuzzer_sys::fuzz_target!(|input: &[u8]| message::run(input));

//! Translations between revisions under libFuzzer; what must hold is in the wire crate's `tests/targets/translate.rs`.
#![no_main]

#[path = "../../crates/wire/tests/targets/translate.rs"]
mod translate;

libfuzzer_sys::fuzz_target!(|input: &[u8]| translate::run(input));

//! See `src/cli/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lem::check("services", bytes));

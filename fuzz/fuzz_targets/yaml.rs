//! Gives the fuzzer's bytes to `faustus_fuzz::yaml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faustus_fuzz::yaml(bytes));

//! Gives the fuzzer's bytes to `faustus_fuzz::request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faustus_fuzz::request(bytes));

//! Gives the fuzzer's bytes to `faustus_fuzz::reply`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| faustus_fuzz::reply(bytes));

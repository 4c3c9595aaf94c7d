//! Records and codecs from outside: the bytes of Python's Faust, hostile bytes, what survives a round.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fuzzed;
mod hostile;
mod metadata;
mod read;
mod rounds;
mod types;
mod vectors;
mod written;

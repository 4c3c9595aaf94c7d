//! Zstandard, by its own library, which is C.

use std::io;

use faustus_core::CodecError;
use zstd::stream::{copy_encode, read::Decoder};

use super::{compressed, read_at_most};

/// A frame claims how much memory it takes to read it, up to gigabytes. 8 MiB is what every reader must
/// grant, and enough for all levels but the highest.
const WINDOW: u32 = 23;

compressed! {
    /// Zstandard: small and fast. Its library is C and needs a C compiler.
    Zstd, "zstd"
}

fn pack(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    copy_encode(bytes, out, zstd::DEFAULT_COMPRESSION_LEVEL)
}

fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let mut unpacked = Decoder::with_buffer(bytes).map_err(CodecError::new)?;
    unpacked.window_log_max(WINDOW).map_err(CodecError::new)?;
    read_at_most(unpacked, limit)
}

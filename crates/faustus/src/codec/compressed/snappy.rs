//! Snappy blocks, by a library in Rust.

use faustus_core::CodecError;
use snap::raw::{Decoder, Encoder, decompress_len};

use super::{compressed, too_long};

compressed! {
    /// Snappy in its plain block format: fast.
    Snappy, "snappy"
}

fn pack(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), snap::Error> {
    out.extend_from_slice(&Encoder::new().compress_vec(bytes)?);
    Ok(())
}

fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    // What the bytes claim is allocated at once.
    if decompress_len(bytes).map_err(CodecError::new)? > limit {
        return Err(too_long(limit));
    }
    Decoder::new()
        .decompress_vec(bytes)
        .map_err(CodecError::new)
}

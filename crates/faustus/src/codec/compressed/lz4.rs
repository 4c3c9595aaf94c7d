//! LZ4 frames, by a library in Rust.

use std::io::{self, Write as _};

use faustus_core::CodecError;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use super::{compressed, read_at_most};

compressed! {
    /// LZ4 in its frame format: fast.
    Lz4, "lz4"
}

fn pack(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut packed = FrameEncoder::new(out);
    packed.write_all(bytes)?;
    packed.finish()?;
    Ok(())
}

fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    if !is_whole(bytes) {
        return Err(CodecError::new("the frame has no end"));
    }
    read_at_most(FrameDecoder::new(bytes), limit)
}

/// Whether the frame has its end mark: the library takes one that was cut off between blocks for whole.
fn is_whole(frame: &[u8]) -> bool {
    const HAS_CHECKSUM: u8 = 0x04;
    let checksum = match frame.get(4) {
        Some(flags) if flags & HAS_CHECKSUM != 0 => 4,
        _ => 0,
    };
    let end = frame.len().checked_sub(checksum).map(|end| &frame[..end]);
    end.is_some_and(|blocks| blocks.ends_with(&[0; 4]))
}

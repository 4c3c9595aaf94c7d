//! gzip, by a library in Rust.

use std::io::{self, Write as _};

use faustus_core::CodecError;
use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};

use super::{compressed, read_at_most};

compressed! {
    /// gzip: slow and known everywhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use faustus::{Codec, Gzip, Json};
    ///
    /// let codec = Json.then(Gzip::default());
    /// let mut bytes = Vec::new();
    /// codec.encode(&vec![0; 1000], &mut bytes).unwrap();
    /// assert!(bytes.len() < 100);
    /// let zeros: Vec<u8> = codec.decode(&bytes).unwrap();
    /// assert_eq!(zeros, [0; 1000]);
    /// ```
    Gzip, "gzip"
}

fn pack(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut packed = GzEncoder::new(out, Compression::default());
    packed.write_all(bytes)?;
    packed.finish().map(drop)
}

fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    read_at_most(MultiGzDecoder::new(bytes), limit)
}

//! Codecs that compress, from bytes to bytes: [`Gzip`], [`Lz4`], [`Snappy`], [`Zstd`].
//!
//! Contract: what is read unpacks to at most the codec's limit, in memory bounded by it (and 8 MiB),
//! whatever the bytes claim. The format is the one that other languages' libraries of that name write by default.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

use faustus_core::CodecError;

#[cfg(feature = "gzip")]
pub use gzip::Gzip;
#[cfg(feature = "lz4")]
pub use lz4::Lz4;
#[cfg(feature = "snappy")]
pub use snappy::Snappy;
#[cfg(feature = "zstd")]
pub use zstd::Zstd;

/// How long a value may be unpacked unless the program says otherwise, in bytes.
const LIMIT: usize = 64 << 20;

/// Makes a codec of `pack(bytes, out)` and `unpack(bytes, limit)`.
macro_rules! compressed {
    ($(#[$doc:meta])* $codec:ident, $name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $codec {
            limit: usize,
        }

        impl $codec {
            /// The same codec, refusing what is longer than `bytes` when unpacked; 64 MiB by default.
            #[must_use]
            pub fn limit(self, bytes: usize) -> Self {
                Self { limit: bytes }
            }
        }

        impl Default for $codec {
            fn default() -> Self {
                Self { limit: $crate::codec::compressed::LIMIT }
            }
        }

        impl faustus_core::Codec<Vec<u8>> for $codec {
            fn name(&self) -> &str {
                $name
            }

            fn encode(
                &self,
                value: &Vec<u8>,
                out: &mut Vec<u8>,
            ) -> Result<(), faustus_core::CodecError> {
                pack(value, out).map_err(faustus_core::CodecError::new)
            }

            fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, faustus_core::CodecError> {
                unpack(bytes, self.limit)
            }
        }

        $crate::codec::chain::chained!($codec);
    };
}
use compressed;

fn too_long(limit: usize) -> CodecError {
    CodecError::new(format!(
        "the value unpacks to more than {limit} bytes; the codec's `limit` allows more"
    ))
}

/// All that `unpacked` gives, if it is not longer than `limit`.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn read_at_most(unpacked: impl std::io::Read, limit: usize) -> Result<Vec<u8>, CodecError> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    let mut unpacked = unpacked.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1));
    unpacked.read_to_end(&mut bytes).map_err(CodecError::new)?;
    if bytes.len() > limit {
        return Err(too_long(limit));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use faustus_core::Codec;

    use super::*;

    fn check<C: Codec<Vec<u8>> + Copy>(codec: C, limited: impl Fn(C, usize) -> C) {
        let name = codec.name();
        let value = vec![b'a'; 1 << 20];
        let mut packed = Vec::new();
        codec.encode(&value, &mut packed).unwrap();
        assert!(packed.len() < value.len() / 10, "{name}");
        assert_eq!(codec.decode(&packed).unwrap(), value, "{name}");
        assert_eq!(limited(codec, value.len()).decode(&packed).unwrap(), value);
        let refused = limited(codec, value.len() - 1).decode(&packed);
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("unpacks to more than")
        );
        for cut in [packed.len() / 2, packed.len() - 1] {
            assert!(codec.decode(&packed[..cut]).is_err(), "{name} cut at {cut}");
        }
        assert!(
            codec.decode(b"\xff\xff\xff\xff\xff\xff\xff").is_err(),
            "{name}"
        );
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn gzip_is_bounded_and_refuses_what_is_damaged() {
        check(Gzip::default(), Gzip::limit);
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn lz4_is_bounded_and_refuses_what_is_damaged() {
        check(Lz4::default(), Lz4::limit);
    }

    #[cfg(feature = "snappy")]
    #[test]
    fn snappy_is_bounded_and_refuses_what_is_damaged() {
        check(Snappy::default(), Snappy::limit);
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn zstd_is_bounded_and_refuses_what_is_damaged() {
        check(Zstd::default(), Zstd::limit);
    }
}

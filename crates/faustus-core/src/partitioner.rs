//! Which partition a key belongs to: Kafka's default partitioner.
//!
//! Source of the algorithm: the murmur2 variant of Apache Kafka's Java client
//! (`org.apache.kafka.common.utils.Utils.murmur2`), seed `0x9747b28c`.

/// Kafka's murmur2 hash of `bytes`.
///
/// # Examples
///
/// ```
/// assert_eq!(faustus_core::murmur2(b"foo"), 597_841_616);
/// ```
#[must_use]
pub fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the hash is defined modulo 2^32"
    )]
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition of `key` in a topic of `partitions` partitions.
///
/// # Panics
///
/// If `partitions` is 0.
///
/// # Examples
///
/// ```
/// assert_eq!(faustus_core::partition_for_key(b"a", 8), 4);
/// ```
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafka() {
        let cases: [(&[u8], u32, u32); 6] = [
            (b"", 275_646_681, 1),
            (b"a", 2_731_586_172, 4),
            (b"foo", 597_841_616, 0),
            (b"\"foo\"", 3_713_958_533, 5),
            (b"hello world", 1_221_641_059, 3),
            ("中".as_bytes(), 528_512_580, 4),
        ];
        for (key, hash, partition) in cases {
            assert_eq!(murmur2(key), hash, "{key:?}");
            assert_eq!(partition_for_key(key, 8), partition, "{key:?}");
        }
    }
}

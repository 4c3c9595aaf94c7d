//! Random numbers and Kafka's kind of identifiers, from the standard library's own random seed.

use std::hash::{BuildHasher, RandomState};

/// 64 random bits.
pub(crate) fn bits() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A UUID as Kafka writes it: 16 bytes in URL-safe base64, 22 characters.
pub(crate) fn uuid() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut value = (u128::from(bits()) << 64) | u128::from(bits());
    // The first character must not be a dash, or tools take the UUID for an option; and a first
    // bit of zero with the second set keeps clear of the UUIDs Kafka reserves.
    value = (value & !(0b11 << 126)) | (0b01 << 126);
    (0..22)
        .map(|i| {
            let six = if i < 21 {
                value >> (122 - 6 * i)
            } else {
                value << 4
            };
            char::from(ALPHABET[usize::try_from(six & 63).unwrap_or_default()])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn uuids_have_kafkas_form() {
        for _ in 0..200 {
            let id = uuid();
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
            assert!(id.ends_with(['A', 'Q', 'g', 'w']));
            assert_ne!(id, uuid());
        }
    }
}

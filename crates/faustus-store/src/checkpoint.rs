//! How a [`Checkpoint`] stands on disk.
//!
//! Layout, big endian: version (1 byte, now 1), changelog (16), offset (8), written (8), stream time
//! (8), and XXH3-64 over all of these (8). Contract: what was encoded decodes to itself; anything
//! else, a later version included, is refused with the reason.

use bytes::{Buf, BufMut};
use faustus_core::{Checkpoint, Offset, Timestamp, TopicId};
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 1;
const BODY_LEN: usize = 1 + 16 + 3 * 8;

/// The length of an encoded checkpoint in bytes.
pub(crate) const LEN: usize = BODY_LEN + 8;

/// The stored form of `checkpoint`.
pub(crate) fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.put_u8(VERSION);
    bytes.put_u128(checkpoint.changelog.0);
    bytes.put_i64(checkpoint.offset.0);
    bytes.put_i64(checkpoint.written.0);
    bytes.put_i64(checkpoint.stream_time.0);
    bytes.put_u64(xxh3_64(&bytes));
    bytes
}

/// Reads a checkpoint back, or says why `bytes` are none.
pub(crate) fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(version) => {
            return Err(format!(
                "its checkpoint is of version {version}, this program reads version {VERSION}"
            ));
        }
        None => return Err("its checkpoint is empty".to_owned()),
    }
    if bytes.len() != LEN {
        return Err(format!(
            "its checkpoint has {} bytes instead of {LEN}",
            bytes.len()
        ));
    }
    let (mut body, mut sum) = bytes.split_at(BODY_LEN);
    if sum.get_u64() != xxh3_64(body) {
        return Err("its checkpoint fails the checksum".to_owned());
    }
    body.advance(1);
    Ok(Checkpoint {
        changelog: TopicId(body.get_u128()),
        offset: Offset(body.get_i64()),
        written: Timestamp(body.get_i64()),
        stream_time: Timestamp(body.get_i64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checkpoints() -> impl Strategy<Value = Checkpoint> {
        any::<(u128, i64, i64, i64)>().prop_map(|(id, offset, written, stream_time)| Checkpoint {
            changelog: TopicId(id),
            offset: Offset(offset),
            written: Timestamp(written),
            stream_time: Timestamp(stream_time),
        })
    }

    #[test]
    fn the_first_version_keeps_its_bytes() {
        let bytes = encode(&Checkpoint {
            changelog: TopicId(0x0102),
            offset: Offset(3),
            written: Timestamp(4),
            stream_time: Timestamp(-1),
        });
        let body = "01\
             00000000000000000000000000000102\
             0000000000000003\
             0000000000000004\
             ffffffffffffffff";
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, format!("{body}19ae101173f7816b"));
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let mut bytes = vec![0; LEN];
        bytes[0] = 2;
        let reason = decode(&bytes).unwrap_err();
        assert!(reason.contains("of version 2"), "{reason}");
    }

    proptest! {
        #[test]
        fn every_checkpoint_is_read_back(checkpoint in checkpoints()) {
            let bytes = encode(&checkpoint);
            prop_assert_eq!(bytes.len(), LEN);
            prop_assert_eq!(decode(&bytes), Ok(checkpoint));
        }

        #[test]
        fn a_changed_byte_is_noticed(
            checkpoint in checkpoints(),
            place in 0..LEN,
            change in 1..=u8::MAX,
        ) {
            let mut bytes = encode(&checkpoint);
            bytes[place] ^= change;
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn a_cut_or_lengthened_checkpoint_is_refused(
            checkpoint in checkpoints(),
            len in 0..2 * LEN,
        ) {
            prop_assume!(len != LEN);
            let mut bytes = encode(&checkpoint);
            bytes.resize(len, 0);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}

//! Whether a broker can read what a member sends with its join.
//!
//! A broker reads the `ConsumerProtocolSubscription` of every member of a `consumer` group when the
//! last has joined, and never answers any of them if it cannot. That is found here instead. Lengths
//! are followed without allocating what they promise.

/// Reads `metadata` as a broker does.
///
/// # Errors
///
/// A text that says what is wrong.
pub(super) fn check(metadata: &[u8]) -> Result<(), String> {
    let wrong = |why: &str| {
        format!("a member's metadata must be a ConsumerProtocolSubscription, but {why}")
    };
    let mut rest = Rest(metadata);
    let version = rest
        .int16()
        .ok_or_else(|| wrong("it ends before its version"))?;
    if version < 0 {
        return Err(wrong("its version is negative"));
    }
    rest.subscription(version)
        .ok_or_else(|| wrong("it ends too early or holds a negative length"))
}

/// What is left to be read; every method is `None` if that is too little.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn subscription(&mut self, version: i16) -> Option<()> {
        for _ in 0..self.count()? {
            self.string()?;
        }
        self.nullable_bytes()?;
        if version >= 1 {
            for _ in 0..self.count()? {
                self.string()?;
                let partitions = self.count()?;
                self.skip(partitions.checked_mul(4)?)?;
            }
        }
        if version >= 2 {
            self.int32()?;
        }
        if version >= 3 {
            match self.int16()? {
                -1 => {}
                len => self.skip(usize::try_from(len).ok()?)?,
            }
        }
        Some(())
    }

    fn int16(&mut self) -> Option<i16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i16::from_be_bytes(*bytes))
    }

    fn int32(&mut self) -> Option<i32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*bytes))
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.int32()?).ok()
    }

    fn string(&mut self) -> Option<()> {
        let len = usize::try_from(self.int16()?).ok()?;
        self.skip(len)
    }

    fn nullable_bytes(&mut self) -> Option<()> {
        match self.int32()? {
            -1 => Some(()),
            len => self.skip(usize::try_from(len).ok()?),
        }
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes, BytesMut};
    use kafka_protocol::{
        messages::{ConsumerProtocolSubscription, consumer_protocol_subscription::TopicPartition},
        protocol::{Encodable, StrBytes},
    };

    use super::*;

    fn subscription(version: i16) -> Vec<u8> {
        let mut owned = TopicPartition::default().with_partitions(vec![0, 7]);
        owned.topic = StrBytes::from_static_str("a").into();
        let mut subscription = ConsumerProtocolSubscription::default()
            .with_topics(vec![StrBytes::from_static_str("a")])
            .with_user_data(Some(Bytes::from_static(b"http://localhost")));
        if version >= 1 {
            subscription = subscription.with_owned_partitions(vec![owned]);
        }
        let mut bytes = BytesMut::new();
        bytes.put_i16(version);
        subscription.encode(&mut bytes, version).unwrap();
        bytes.to_vec()
    }

    #[test]
    fn every_version_is_taken() {
        for version in 0..=3 {
            assert_eq!(check(&subscription(version)), Ok(()), "version {version}");
        }
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = subscription(3);
        for len in 0..whole.len() {
            assert!(check(&whole[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn what_is_something_else_is_refused_and_costs_nothing() {
        for metadata in [&b"metadata"[..], b"\xff\xff", b"\0\0\x7f\xff\xff\xff"] {
            let error = check(metadata).unwrap_err();
            assert!(error.contains("ConsumerProtocolSubscription"), "{error}");
        }
    }
}

//! The calls of a transactional producer. All but `begin` block; they are for a thread of ours.

use std::{ffi::CString, ptr, time::Duration};

use faustus_core::{GroupIdentity, OffsetCommit};
use rdkafka::{
    Offset, TopicPartitionList, bindings as sys,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use super::{
    Client,
    client::{code, millis, text},
};

/// Why a call of a transactional producer failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransactionError {
    /// The reason.
    pub code: RDKafkaErrorCode,
    /// The reason in librdkafka's words.
    pub text: String,
    /// The producer can never be used again.
    pub fatal: bool,
    /// The same call goes on where it was if it is made again.
    pub retriable: bool,
    /// The transaction must be aborted, then another can begin.
    pub requires_abort: bool,
}

impl TransactionError {
    /// That nobody waits for the call any more.
    pub(crate) fn given_up() -> Self {
        Self {
            code: RDKafkaErrorCode::OperationTimedOut,
            text: "the call took too long".to_owned(),
            fatal: true,
            retriable: false,
            requires_abort: false,
        }
    }

    /// That an argument cannot be told to librdkafka.
    fn argument(text: impl Into<String>) -> Self {
        Self {
            code: RDKafkaErrorCode::InvalidArgument,
            text: text.into(),
            fatal: false,
            retriable: false,
            requires_abort: true,
        }
    }
}

impl Client {
    /// Fences earlier producers of the id and ends their transaction.
    pub(crate) fn init_transactions(&self, limit: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is alive.
        check(unsafe { sys::rd_kafka_init_transactions(self.ptr(), millis(limit)) })
    }

    /// Begins a transaction; does not block.
    pub(crate) fn begin_transaction(&self) -> Result<(), TransactionError> {
        // SAFETY: the client is alive.
        check(unsafe { sys::rd_kafka_begin_transaction(self.ptr()) })
    }

    /// Adds `offsets` to the transaction on behalf of `group`, who is checked by the coordinator.
    pub(crate) fn send_offsets(
        &self,
        group: &GroupIdentity,
        offsets: &[OffsetCommit],
        limit: Duration,
    ) -> Result<(), TransactionError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for commit in offsets {
            let partition = i32::try_from(commit.partition.partition).unwrap_or(i32::MAX);
            let topic = commit.partition.topic.as_str();
            list.add_partition_offset(topic, partition, Offset::Offset(commit.offset.0))
                .map_err(|error| {
                    TransactionError::argument(format!("{}: {error}", commit.partition))
                })?;
            if let Some(mut entry) = list.find_partition(topic, partition)
                && !commit.metadata.is_empty()
            {
                entry.set_metadata(&commit.metadata);
            }
        }
        let group = GroupMetadata::new(group)?;
        // SAFETY: client, list and group are alive during the call, which copies what it keeps.
        check(unsafe {
            sys::rd_kafka_send_offsets_to_transaction(
                self.ptr(),
                list.ptr(),
                group.0,
                millis(limit),
            )
        })
    }

    /// Commits. Returns at once if `Events` has heard of every record, else it serves them itself.
    pub(crate) fn commit_transaction(&self, limit: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is alive.
        check(unsafe { sys::rd_kafka_commit_transaction(self.ptr(), millis(limit)) })
    }

    /// Aborts; records that were not stored yet are given up and reported.
    pub(crate) fn abort_transaction(&self, limit: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is alive.
        check(unsafe { sys::rd_kafka_abort_transaction(self.ptr(), millis(limit)) })
    }
}

/// Who commits, as librdkafka has it.
struct GroupMetadata(*mut sys::rd_kafka_consumer_group_metadata_t);

impl GroupMetadata {
    fn new(group: &GroupIdentity) -> Result<Self, TransactionError> {
        let c_string = |text: &str| {
            CString::new(text)
                .map_err(|_| TransactionError::argument(format!("{text:?} holds a zero byte")))
        };
        let name = c_string(&group.group)?;
        let member = c_string(&group.member)?;
        let instance = group.instance.as_deref().map(c_string).transpose()?;
        // SAFETY: the texts end with a zero and are copied; null is no instance id. It never gives
        // null.
        Ok(Self(unsafe {
            sys::rd_kafka_consumer_group_metadata_new_with_genid(
                name.as_ptr(),
                group.generation,
                member.as_ptr(),
                instance.as_ref().map_or(ptr::null(), |id| id.as_ptr()),
            )
        }))
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: it is ours and dropped once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0) };
    }
}

/// Takes over an error that librdkafka gave; null is success.
fn check(error: *mut sys::rd_kafka_error_t) -> Result<(), TransactionError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours and alive until it is destroyed at the end.
    unsafe {
        let raw: RDKafkaRespErr = sys::rd_kafka_error_code(error);
        let failed = TransactionError {
            code: code(raw as i32),
            text: text(sys::rd_kafka_error_string(error)).into_owned(),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
        };
        sys::rd_kafka_error_destroy(error);
        Err(failed)
    }
}

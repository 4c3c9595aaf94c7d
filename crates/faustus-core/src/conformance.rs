//! The suite that every transport must pass.
//!
//! Each case is an async function over a [`Harness`], which gives a transport, a clock and names
//! that nobody used; [`transport_conformance!`](crate::transport_conformance) makes a test of each.
//! The cases hold for a broker that others use at the same time: what a log does in its own time is
//! awaited for [`Harness::patience`], ids are random, offsets may have holes.

mod admin;
mod cancellation;
mod cancelled_members;
mod cleaning;
mod cuts;
mod groups;
mod limits;
mod offsets;
mod records;
mod rig;
mod several_topics;
mod static_members;
mod transactions;

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{BoxFuture, Clock, Transport};

pub use admin::*;
pub use cancellation::*;
pub use cancelled_members::*;
pub use cleaning::*;
pub use groups::*;
pub use limits::*;
pub use offsets::*;
pub use records::*;
pub use several_topics::*;
pub use static_members::*;
pub use transactions::*;

/// What a transport brings to its conformance tests.
pub trait Harness: Send + Sync {
    /// The transport under test.
    fn transport(&self) -> BoxFuture<'_, Arc<dyn Transport>>;

    /// The clock it runs on, real or virtual.
    fn clock(&self) -> Arc<dyn Clock>;

    /// A name that begins with `stem` and that nobody used before.
    fn unique(&self, stem: &str) -> String {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let millis = self.clock().now().0;
        format!("{stem}-{millis}-{}-{count}", process::id())
    }

    /// How long a case waits for what the log does in its own time.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// The session timeout of members that are to be lost, at least a second.
    fn session_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Compacts topics and deletes what is past its retention, at once; `false` if the log can only
    /// be waited for, which the cases of compaction and retention then do.
    fn clean(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

/// Makes a test of every case of the conformance suite.
///
/// Takes the attributes of each test and an expression for a [`Harness`](crate::conformance::Harness),
/// evaluated once per test in an async function:
///
/// ```ignore
/// faustus_core::transport_conformance! {
///     #[tokio::test(start_paused = true)]
///     harness = MemoryHarness::new()
/// }
/// ```
#[macro_export]
macro_rules! transport_conformance {
    ($(#[$attribute:meta])* harness = $harness:expr) => {
        $crate::transport_conformance! { @cases [$(#[$attribute])*] [$harness]
            records_come_back_in_order_with_offsets
            a_batch_keeps_all_of_each_record
            headers_repeat_and_may_have_no_value
            absent_and_empty_keys_and_values_differ
            time_stamps_are_the_producers
            partitions_are_apart
            consecutive_calls_store_each_record_once
            a_reader_starts_where_it_is_told
            a_waiting_reader_wakes_up
            readers_do_not_disturb_each_other
            fetches_keep_to_their_size
            a_record_too_large_is_refused_and_others_are_stored
            a_record_without_key_is_refused_by_a_compacted_topic
            a_refusal_dooms_its_transaction
            an_unknown_topic_is_named
            a_position_past_the_end_is_out_of_range
            a_transaction_is_seen_as_a_whole
            offsets_of_a_transaction_are_committed_with_it
            an_aborted_transaction_is_never_seen
            positions_pass_holes
            an_open_transaction_holds_readers_back
            a_dangling_transaction_ends_by_its_timeout
            a_transaction_past_its_timeout_cannot_commit
            a_new_producer_fences_the_old_one
            one_transaction_is_open_at_a_time
            a_commit_of_an_old_generation_is_aborted
            a_producer_goes_on_after_an_abort
            a_member_joins_alone
            members_share_a_generation
            the_leaders_assignments_reach_everybody
            a_heartbeat_tells_of_a_rebalance
            a_member_that_leaves_is_not_waited_for
            a_member_without_heartbeats_is_lost
            a_leader_that_joins_again_begins_a_generation
            a_follower_that_joins_again_unchanged_keeps_its_generation
            a_join_repeated_before_the_sync_keeps_the_generation
            an_old_generation_is_told
            an_unknown_member_is_told
            another_protocol_is_refused
            a_static_member_keeps_its_place
            a_second_process_of_an_instance_fences_the_first
            committed_offsets_keep_their_metadata
            an_outsider_commits_only_in_an_empty_group
            a_commit_between_join_and_sync_is_refused
            a_commit_of_an_old_generation_is_refused
            pending_offsets_are_unstable
            groups_are_apart
            a_group_reads_several_topics
            an_offset_of_an_unknown_topic_is_refused
            offsets_of_an_unknown_topic_abort_their_transaction
            compaction_keeps_the_last_value
            compaction_removes_tombstones_in_the_end
            compaction_spares_an_open_transaction
            old_records_are_deleted
            records_are_deleted_below_an_offset
            a_topic_is_described
            topics_are_made_once
            topics_are_listed
            a_topic_made_again_is_another
            committed_offsets_go_with_their_topic
            a_reader_of_a_deleted_topic_ends
            a_producer_is_made_after_a_cut_making
            a_cut_publish_stores_each_record_at_most_once
            a_cut_publish_in_a_transaction_stores_each_record_at_most_once
            records_of_a_cut_publish_can_be_sent_again
            a_cut_commit_is_all_or_nothing
            a_cut_begin_or_abort_leaves_the_id_usable
            a_cut_read_leaves_no_trace
            cut_calls_of_the_admin_leave_it_usable
            cut_questions_to_the_admin_can_be_asked_again
            a_cut_join_is_lost_by_the_session_timeout
            a_cut_sync_may_be_repeated
            a_cut_heartbeat_may_be_repeated
            a_cut_leave_may_be_repeated
            a_cut_commit_of_offsets_is_all_or_nothing
            a_cut_fetch_of_offsets_may_be_repeated
        }
    };
    (@cases $attributes:tt $harness:tt $($case:ident)*) => {
        $($crate::transport_conformance! { @case $attributes $harness $case })*
    };
    (@case [$($attribute:tt)*] [$harness:expr] $case:ident) => {
        $($attribute)*
        async fn $case() {
            ::std::boxed::Box::pin($crate::conformance::$case(&$harness)).await;
        }
    };
}

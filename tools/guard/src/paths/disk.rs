//! What is written to a disk. The libraries below have threads of their own, which are counted too.

use std::sync::Arc;

use anyhow::{Result, ensure};
use faustus::{Guarantee, TokioClock, Transport, testing::simulate};
use faustus_core::OffsetSpec;
use faustus_log::{DirectoryLog, DirectoryOptions};
use faustus_store::FjallStores;

use super::rounds::{EVENTS, ROUND, SEED, TOPIC, bank, ensure_right, rounds, settings};
use crate::{input, mark};

/// How many records are appended before counting begins.
const BEFORE: u64 = 1 << 10;

/// How many records are appended: so few that the library does not begin to write tables meanwhile,
/// which it does at times of its own.
const APPENDED: u64 = 1 << 12;

pub(super) fn persistent() -> Result<u64> {
    let directory = tempfile::tempdir()?;
    let stores = Arc::new(FjallStores::open(directory.path())?);
    simulate(SEED, async |cluster| {
        input::create(cluster.log(), TOPIC).await?;
        let settings = settings(Guarantee::AtLeastOnce);
        let worker = cluster.worker_with_stores(bank(), settings, stores);
        rounds(&cluster, ROUND, true).await?;
        ensure_right(&worker, ROUND).await?;
        Ok(EVENTS)
    })
}

pub(super) fn append() -> Result<u64> {
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let clock = Arc::new(TokioClock::real());
        let log = DirectoryLog::open(directory.path(), clock, DirectoryOptions::default())?;
        input::create(&log, TOPIC).await?;
        let all = BEFORE + APPENDED;
        input::publish(&log, input::batches(TOPIC, 0..BEFORE, 1024, true)).await?;
        let batches = input::batches(TOPIC, BEFORE..all, 1024, true);

        mark::begin();
        input::publish(&log, batches).await?;
        mark::end();

        let partitions = input::partitions(TOPIC);
        let ends = log
            .admin()
            .offsets(&partitions, OffsetSpec::HighWatermark)
            .await?;
        let len: i64 = ends.iter().map(|end| end.0).sum();
        ensure!(
            u64::try_from(len)? == all,
            "{len} records of {all} in the log"
        );
        Ok(APPENDED)
    })
}

//! A start with a long changelog.

use anyhow::{Result, ensure};
use faustus::{Ended, Guarantee, testing::simulate};

use super::rounds::{SEED, TABLE, TOPIC, bank, settings};
use crate::{input, mark};

/// How many accounts the changelog has, each once.
const RECORDS: u64 = 1 << 14;

pub(super) fn recover() -> Result<u64> {
    simulate(SEED, async |cluster| {
        input::create(cluster.log(), TOPIC).await?;
        let worker = cluster.worker(bank(), settings(Guarantee::AtLeastOnce));
        input::publish(
            cluster.log(),
            input::batches(TOPIC, 0..RECORDS, RECORDS, true),
        )
        .await?;
        cluster.settle().await;
        let ended = worker.shutdown().await;
        ensure!(
            matches!(ended, Ok(Ended::Drained)),
            "the first worker ended: {ended:?}"
        );
        let changes = cluster
            .records(&format!("guard-{TABLE}-changelog"))
            .await
            .len();
        ensure!(
            changes as u64 == RECORDS,
            "{changes} records in the changelog"
        );

        mark::begin();
        let worker = cluster.worker(bank(), settings(Guarantee::AtLeastOnce));
        cluster.settle().await;
        mark::end();

        let totals = worker.table::<String, i64>(TABLE).await;
        ensure!(
            totals.len() as u64 == RECORDS,
            "{} totals came back",
            totals.len()
        );
        Ok(RECORDS)
    })
}

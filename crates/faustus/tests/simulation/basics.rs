//! What must hold when nothing goes wrong.

use faustus::Ended;

use crate::scenario::{bank, for_seeds, sent, settings};

#[test]
fn sums_are_exact_in_the_table_the_changelog_and_the_sink() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(bank(), settings(guarantee));
        let mut sent = sent();
        sent.more(&cluster, 100).await;
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("totals").await, sent.sums);
        sent.check_exact(&cluster).await;
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
    });
}

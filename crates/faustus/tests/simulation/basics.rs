//! What must hold when nothing goes wrong.

use faustus::Ended;

use crate::bank::{Total, app, for_seeds, send, settings};

#[test]
fn sums_are_exact_in_the_table_the_changelog_and_the_sink() {
    for_seeds(async |cluster, guarantee| {
        let worker = cluster.worker(app(), settings(guarantee));
        let sums = send(&cluster, 1, 100).await;
        cluster.settle().await;
        assert_eq!(worker.table::<String, u64>("totals").await, sums);
        assert_eq!(
            cluster.changelog::<String, u64>("bank", "totals").await,
            sums
        );
        let replies = cluster.records("order-totals").await;
        assert_eq!(replies.len(), 200);
        for (account, sum) in sums {
            let of_account = replies
                .iter()
                .map(|r| r.json::<Total>())
                .filter(|t| t.account == account);
            assert_eq!(of_account.map(|t| t.total).max(), Some(sum));
        }
        assert_eq!(worker.shutdown().await.unwrap(), Ended::Drained);
    });
}

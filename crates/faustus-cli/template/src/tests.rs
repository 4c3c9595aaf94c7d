//! The whole application in a test: the code that runs in production, on virtual time.

use faustus::{Guarantee, Settings, prelude::secs, testing::simulate};

fn settings() -> Settings {
    Settings {
        guarantee: Guarantee::ExactlyOnce,
        ..Settings::default()
    }
}

#[test]
fn each_visit_is_counted_once_over_a_crash() {
    simulate(1, async |cluster| {
        let worker = cluster.worker(super::app(), settings());
        cluster.sleep(secs(10)).await;
        worker.crash();

        cluster.worker(super::app(), settings());
        cluster.sleep(secs(60)).await;
        let visits = cluster.records("visits").await.len() as u64;
        let counts = cluster
            .changelog::<String, u64>("project-name", "counts")
            .await;
        // The last visit may not be committed yet.
        let counted = counts["index.html"];
        assert!(
            visits > 10 && (visits - 1..=visits).contains(&counted),
            "{counted} of {visits}"
        );
    });
}

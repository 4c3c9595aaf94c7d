//! What sensors are told, and that it harms nobody.

use std::time::Duration;

use faustus::{FailurePolicy, Guarantee, Settings, testing::simulate};
use faustus_log::{Call, Fault, Rule};

use super::{Notes, counter, settings};
use crate::scenario::for_seeds;

const TEN: Duration = Duration::from_millis(10);

#[test]
fn a_sensor_hears_of_a_batch_from_its_fetch_to_its_commit() {
    simulate(1, async |cluster| {
        let notes = Notes::default();
        let app = counter(FailurePolicy::default(), TEN, Some(notes.clone()));
        let worker = cluster.worker(app, settings(Guarantee::ExactlyOnce));
        cluster.settle().await;
        notes.heard.lock().clear();
        for word in ["a", "a", "drop"] {
            cluster.send("words", "k", &word).await;
        }
        cluster.settle().await;
        let fetched = notes.heard(&["in"]);
        let records: usize = fetched
            .iter()
            .map(|heard| heard.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(records, 3, "{fetched:?}");
        assert_eq!(
            notes.heard(&["out"]).last().unwrap().rsplit("..").next(),
            Some("3")
        );
        let mut used = [0; 3];
        for heard in notes.heard(&["table"]) {
            let words: Vec<&str> = heard.split(' ').collect();
            assert_eq!(words[1], "counts");
            for (sum, at) in used.iter_mut().zip([3, 5, 7]) {
                *sum += words[at].parse::<u64>().unwrap();
            }
        }
        assert_eq!(used, [2, 2, 1], "reads, writes, deletions");
        let (begun, ended) = (notes.heard(&["commit"]), notes.heard(&["committed"]));
        assert!(!begun.is_empty());
        let expected: Vec<_> = begun
            .iter()
            .map(|heard| format!("{} ok", heard.replace("commit ", "committed ")))
            .collect();
        assert_eq!(ended, expected);
        assert!(ended.last().unwrap().contains("@3"), "{ended:?}");
        let sent: u64 = notes
            .heard(&["sent"])
            .iter()
            .filter(|heard| heard.contains("said"))
            .map(|heard| heard.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(sent, 2, "replies");
        assert_eq!(notes.heard(&["send"]).len(), notes.heard(&["sent"]).len());
        assert_eq!(
            notes.heard(&["event-in"]),
            Vec::<String>::new(),
            "not asked for"
        );
        drop(worker);
    });
}

#[test]
fn a_sensor_hears_when_a_task_holds_as_much_as_it_may() {
    simulate(1, async |cluster| {
        let notes = Notes::default();
        let app = counter(FailurePolicy::default(), TEN, Some(notes.clone()));
        let little = Settings {
            task_bytes: 1,
            ..settings(Guarantee::AtLeastOnce)
        };
        let _worker = cluster.worker(app, little);
        cluster.settle().await;
        assert_eq!(notes.heard(&["full"]), Vec::<String>::new());
        let mut partition = String::new();
        for word in ["a", "b", "c"] {
            let value = format!("{word:?}");
            let at = faustus::Timestamp(0);
            let sent = cluster.send_bytes("words", Some(b"k"), Some(value.as_bytes()), at);
            partition = sent.await.0.to_string();
        }
        cluster.settle().await;
        let full = notes.heard(&["full"]);
        assert!(!full.is_empty());
        assert!(
            full.iter()
                .all(|heard| *heard == format!("full {partition}")),
            "{full:?}"
        );
    });
}

#[test]
fn a_sensor_hears_of_a_send_that_the_log_does_not_take() {
    for_seeds(async |cluster, guarantee| {
        let notes = Notes::default();
        let app = counter(FailurePolicy::default(), TEN, Some(notes.clone()));
        let worker = cluster.worker(app, settings(guarantee));
        cluster.settle().await;
        let fault = Fault::unavailable();
        worker.faults().add(Rule::new(Call::Publish, fault));
        cluster.send("words", "k", &"a").await;
        cluster.settle().await;
        let unsent = notes.heard(&["unsent"]);
        assert!(!unsent.is_empty());
        assert!(
            unsent.iter().all(|heard| heard.contains("injected")),
            "{unsent:?}"
        );
        let sent = notes.heard(&["sent"]);
        assert!(
            sent.iter().any(|heard| heard == "sent said/0 1"),
            "at last: {sent:?}"
        );
    });
}

#[test]
fn a_sensor_hears_of_assignments_and_rebalances() {
    simulate(1, async |cluster| {
        let notes = Notes::default();
        let app = counter(FailurePolicy::default(), TEN, Some(notes.clone()));
        let _worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        cluster.settle().await;
        let heard = notes.heard(&["rebalance-start", "rebalance-return", "rebalance-end"]);
        let expected = ["rebalance-start", "rebalance-return 1", "rebalance-end"];
        assert_eq!(heard, expected);
        let mut assigned = notes.heard(&["assigned"]);
        assigned.sort();
        assert_eq!(assigned, ["assigned count/0", "assigned count/1"]);
        assert_eq!(notes.heard(&["assignment"]).len(), 2);
    });
}

#[test]
fn each_event_is_told_in_and_out_with_the_time_between() {
    simulate(1, async |cluster| {
        let notes = Notes::of_events();
        let policy = FailurePolicy::retry(1, Duration::from_millis(50));
        let app = counter(policy, TEN, Some(notes.clone()));
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        let (at, _) = cluster
            .send_bytes("words", Some(b"k"), Some(b"\"a\""), faustus::Timestamp(0))
            .await;
        cluster.send("words", "k", &"fail").await;
        cluster.settle().await;
        check_parked_one(&worker).await;
        let mut expected = Vec::new();
        for (offset, end) in [(0, "Completed"), (1, "Failed"), (1, "Failed")] {
            expected.push(format!("event-in count {at}@{offset}"));
            expected.push(format!("event-out count {at}@{offset} {end} 10ms"));
        }
        assert_eq!(notes.heard(&["event-in", "event-out"]), expected);
    });
}

async fn check_parked_one(worker: &faustus::testing::TestWorker) {
    let status = worker.status().await;
    let parked = status
        .iter()
        .filter(|task| matches!(task.state, faustus::TaskState::Parked(_)));
    assert_eq!(parked.count(), 1, "{status:?}");
}

#[test]
fn an_event_that_is_taken_away_is_told_out_too() {
    simulate(1, async |cluster| {
        let notes = Notes::of_events();
        let app = counter(
            FailurePolicy::default(),
            Duration::from_secs(3600),
            Some(notes.clone()),
        );
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        cluster.send("words", "k", &"a").await;
        cluster.sleep(Duration::from_secs(1)).await;
        assert_eq!(notes.heard(&["event-in"]).len(), 1);
        worker.handle().restart_agent("count").unwrap();
        cluster.sleep(Duration::from_secs(1)).await;
        assert_eq!(notes.heard(&["event-in"]).len(), 2);
        let out = notes.heard(&["event-out"]);
        assert_eq!(out.len(), 1);
        assert!(out[0].contains("TakenAway"), "{out:?}");
        worker.shutdown().await.unwrap();
        assert_eq!(notes.heard(&["event-out"]).len(), 2);
    });
}

#[test]
fn a_sensor_that_panics_is_taken_out_and_harms_no_event() {
    let places = [
        "in ",
        "event-in",
        "event-out",
        "out ",
        "table",
        "commit ",
        "committed",
        "send ",
        "sent ",
        "assignment",
        "assigned",
        "rebalance-start",
        "rebalance-return",
        "rebalance-end",
    ];
    for place in places {
        for_seeds_few(async |cluster, guarantee| {
            let notes = Notes {
                panics_at: Some(place),
                ..Notes::of_events()
            };
            let app = counter(FailurePolicy::default(), TEN, Some(notes.clone()));
            let worker = cluster.worker(app, settings(guarantee));
            for word in ["a", "b", "a"] {
                cluster.send("words", word, &word).await;
            }
            cluster.settle().await;
            let counts = worker.table::<String, u64>("counts").await;
            assert_eq!((counts["a"], counts["b"]), (2, 1), "panicked at {place}");
            assert_eq!(cluster.records("said").await.len(), 3);
            let last = notes.heard.lock().last().cloned().unwrap();
            assert!(last.starts_with(place), "{last} after a panic at {place}");
        });
    }
}

fn for_seeds_few(scenario: impl AsyncFn(faustus::testing::Cluster, Guarantee)) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        simulate(3, async |cluster| scenario(cluster, guarantee).await);
    }
}

#[test]
fn ins_and_outs_pair_up_whatever_happens() {
    for_seeds(async |cluster, guarantee| {
        let notes = Notes::of_events();
        let policy = FailurePolicy::retry(2, Duration::from_millis(20));
        let app = counter(policy, TEN, Some(notes.clone()));
        let worker = cluster.worker(app, settings(guarantee));
        for word in ["a", "b", "fail", "c", "a"] {
            cluster.send("words", word, &word).await;
        }
        cluster.settle().await;
        let _ = worker.shutdown().await;
        let (ins, outs) = (notes.heard(&["event-in"]), notes.heard(&["event-out"]));
        let place = |heard: &String| heard.split(' ').nth(2).unwrap().to_owned();
        let (mut ins, mut outs): (Vec<_>, Vec<_>) = (
            ins.iter().map(place).collect(),
            outs.iter().map(place).collect(),
        );
        ins.sort();
        outs.sort();
        assert_eq!(ins, outs);
        assert!(ins.len() >= 5 + 2);
    });
}

#[test]
fn a_task_that_cannot_be_recovered_is_told_as_an_error() {
    simulate(1, async |cluster| {
        let notes = Notes::default();
        cluster
            .create_topic("counter-counts-changelog", 2, compacted())
            .await;
        let time = faustus::Timestamp(0);
        cluster
            .send_bytes(
                "counter-counts-changelog",
                Some(b"not json"),
                Some(b"1"),
                time,
            )
            .await;
        let app = counter(FailurePolicy::default(), TEN, Some(notes.clone()));
        let worker = cluster.worker(app, settings(Guarantee::AtLeastOnce));
        cluster.sleep(Duration::from_secs(10)).await;
        let errors = notes.heard(&["unassigned"]);
        assert_eq!(errors.len(), 1, "{:?}", notes.heard.lock());
        assert!(errors[0].contains("does not decode"), "{errors:?}");
        let monitor = worker.handle().monitor_now();
        let rebalances = monitor.rebalances;
        assert_eq!((rebalances.tasks_started, rebalances.tasks_refused), (1, 1));
        assert_eq!(rebalances.whole.count(), 1, "nothing more is awaited");
        drop(worker);
    });
}

fn compacted() -> faustus::TopicConfig {
    faustus::TopicConfig {
        cleanup: Some(faustus::CleanupPolicy::Compact),
        ..faustus::TopicConfig::default()
    }
}

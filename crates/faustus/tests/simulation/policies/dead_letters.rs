//! Dead letters: what they are, that none is lost or doubled, and what becomes of those that are refused.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use faustus::{
    FailurePolicy, Guarantee, TopicConfig, TopicPartition, prelude::*, testing::Cluster,
};
use faustus_core::{BatchBuilder, Offset, OffsetSpec, Outgoing, ReadOptions, Timestamp, Transport};

use super::{compact, counts, ms, send, shop, shop_with};
use crate::{
    common::flow::expect,
    scenario::{check_parked, for_seeds, settings},
};

/// A record with its headers as text.
#[derive(Clone, Debug, PartialEq)]
struct Letter {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Timestamp,
    headers: Vec<(String, String)>,
}

impl Letter {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        &found.unwrap_or_else(|| panic!("{name} in {self:?}")).1
    }
}

/// The committed records of a topic of one partition.
async fn letters(cluster: &Cluster, topic: &str) -> Vec<Letter> {
    let partition = TopicPartition::new(topic, 0);
    let one = std::slice::from_ref(&partition);
    let admin = cluster.log().admin();
    let end = admin.offsets(one, OffsetSpec::LastStable).await.unwrap()[0];
    let log = cluster.log().log();
    let reading = log.read(&partition, Offset::ZERO, ReadOptions::default());
    let mut reader = reading.await.unwrap();
    let mut letters = Vec::new();
    while reader.position() < end {
        let fetched = poll_fn(|cx| reader.poll_fetch(cx)).await.unwrap();
        letters.extend(fetched.batch.iter().map(|record| {
            Letter {
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                timestamp: record.timestamp(),
                headers: record
                    .headers()
                    .map(|(name, value)| {
                        let text = String::from_utf8_lossy(value.unwrap_or_default());
                        (name.to_owned(), text.into_owned())
                    })
                    .collect(),
            }
        }));
    }
    letters
}

/// Sends a record with headers into `events`, once that is there.
async fn send_letter(cluster: &Cluster, letter: &Letter) {
    cluster.sleep(ms(100)).await;
    let mut records = BatchBuilder::new();
    let mut record = records.record(letter.timestamp);
    if let Some(key) = &letter.key {
        record = record.key(key);
    }
    if let Some(value) = &letter.value {
        record = record.value(value);
    }
    for (name, text) in &letter.headers {
        record = record.header(name, Some(text.as_bytes()));
    }
    record.finish();
    let outgoing = Outgoing {
        partition: TopicPartition::new("events", 0),
        batch: records.build(),
    };
    let mut producer = cluster.log().producer().await.unwrap();
    producer.publish(vec![outgoing]).await.unwrap();
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn a_dead_letter_is_the_record_as_it_came_with_the_cause_in_headers() {
    for_seeds(async |cluster, guarantee| {
        let retry = |dead: &_| FailurePolicy::retry(2, ms(10)).then_dead_letter(dead);
        let _worker = cluster.worker(shop(retry), settings(guarantee));
        send(&cluster, &["a"]).await;
        let bad = Letter {
            key: Some(b"k".to_vec()),
            value: Some(b"\"bad\"".to_vec()),
            timestamp: Timestamp(42),
            headers: headers(&[("trace", "7"), ("trace", "8")]),
        };
        send_letter(&cluster, &bad).await;
        send(&cluster, &["b"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        assert_eq!(cluster.records("said").await.len(), 2);
        let expected = Letter {
            headers: headers(&[
                ("trace", "7"),
                ("trace", "8"),
                ("faustus-error", "told to fail"),
                ("faustus-error-kind", "application"),
                ("faustus-agent", "work"),
                ("faustus-topic", "events"),
                ("faustus-partition", "0"),
                ("faustus-offset", "1"),
                ("faustus-failures", "3"),
            ]),
            ..bad
        };
        assert_eq!(letters(&cluster, "dead").await, [expected]);
    });
}

#[test]
fn a_record_that_does_not_decode_goes_to_the_dead_letters_at_once() {
    for_seeds(async |cluster, guarantee| {
        let retry = |dead: &_| FailurePolicy::retry(9, ms(10_000)).then_dead_letter(dead);
        let _worker = cluster.worker(shop(retry), settings(guarantee));
        send(&cluster, &["a"]).await;
        for value in [Some(b"no json".to_vec()), None] {
            let poison = Letter {
                key: None,
                value,
                timestamp: Timestamp(1),
                headers: Vec::new(),
            };
            send_letter(&cluster, &poison).await;
        }
        send(&cluster, &["b"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        let letters = letters(&cluster, "dead").await;
        let values: Vec<_> = letters.iter().map(|l| l.value.as_deref()).collect();
        assert_eq!(values, [Some(&b"no json"[..]), None]);
        for letter in letters {
            assert_eq!(letter.header("faustus-error-kind"), "data");
            assert_eq!(letter.header("faustus-failures"), "1");
        }
    });
}

#[test]
fn events_whose_outputs_the_log_refuses_one_after_the_other_all_go_to_the_dead_letters() {
    for_seeds(async |cluster, guarantee| {
        compact(&cluster, "compacted").await;
        let _worker = cluster.worker(shop(FailurePolicy::dead_letter), settings(guarantee));
        send(&cluster, &["a", "refused-1", "refused-2", "b", "refused-3"]).await;
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        let letters = letters(&cluster, "dead").await;
        let mut offsets: Vec<_> = letters.iter().map(|l| l.header("faustus-offset")).collect();
        assert!(
            letters
                .iter()
                .all(|l| l.header("faustus-error-kind") == "refused")
        );
        if guarantee == Guarantee::AtLeastOnce {
            offsets.sort_unstable();
            offsets.dedup();
        }
        assert_eq!(offsets, ["1", "2", "4"]);
    });
}

/// Fails with everything, also with letters.
async fn refuse(mut letters: Stream<String>) -> faustus::Result {
    match letters.next().await? {
        Some(_letter) => Err(std::io::Error::other("told to fail, too").into()),
        None => Ok(()),
    }
}

#[test]
fn a_letter_that_fails_again_keeps_all_its_headers() {
    for_seeds(async |cluster, guarantee| {
        let app = shop(FailurePolicy::dead_letter);
        let (dead, buried) = (app.topic::<String>("dead"), app.topic::<String>("buried"));
        let app = app.agent("bury", &dead, |a| {
            a.on_failure(FailurePolicy::dead_letter(&buried.partitions(1)))
                .run(refuse)
        });
        let _worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["bad"]).await;
        cluster.settle().await;
        let first = &letters(&cluster, "dead").await[0];
        let second = &letters(&cluster, "buried").await[0];
        assert_eq!(second.headers[..7], first.headers[..]);
        assert_eq!(second.headers.len(), 14);
        assert_eq!(second.headers[7].1, "told to fail, too");
        assert_eq!((&second.key, &second.value), (&first.key, &first.value));
    });
}

#[test]
fn a_dead_letter_that_the_log_refuses_parks_the_task_until_the_record_is_skipped() {
    for_seeds(async |cluster, guarantee| {
        compact(&cluster, "dead").await;
        let worker = cluster.worker(shop(FailurePolicy::dead_letter), settings(guarantee));
        send(&cluster, &["a"]).await;
        let keyless = (None, Some(&b"\"bad\""[..]), Timestamp(1));
        let (partition, offset) = cluster
            .send_bytes("events", keyless.0, keyless.1, keyless.2)
            .await;
        send(&cluster, &["b"]).await;
        cluster.settle().await;
        check_parked(&worker, "the dead letter is refused, too").await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1)]));
        worker.handle().skip(&partition, offset);
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("a", 1), ("b", 1)]));
        assert!(letters(&cluster, "dead").await.is_empty());
    });
}

#[test]
fn a_dead_letter_that_the_log_refuses_is_tried_anew_after_resume() {
    for_seeds(async |cluster, guarantee| {
        compact(&cluster, "dead").await;
        let mended = Arc::default();
        let app = shop_with(&mended, FailurePolicy::dead_letter);
        let worker = cluster.worker(app, settings(guarantee));
        let (bad, at) = (Some(&b"\"bad\""[..]), Timestamp(1));
        cluster.send_bytes("events", None, bad, at).await;
        send(&cluster, &["b"]).await;
        cluster.settle().await;
        check_parked(&worker, "the dead letter is refused, too").await;
        worker.handle().resume();
        cluster.settle().await;
        check_parked(&worker, "the dead letter is refused, too").await;
        mended.store(true, Ordering::Relaxed);
        worker.handle().resume();
        cluster.settle().await;
        assert_eq!(counts(&cluster).await, expect(&[("bad", 1), ("b", 1)]));
    });
}

#[test]
fn a_dead_letter_that_is_too_long_parks_the_task() {
    for_seeds(async |cluster, guarantee| {
        let mut config = TopicConfig::default();
        let longest = ("max.message.bytes".to_owned(), "100".to_owned());
        config.other.extend([longest]);
        cluster.create_topic("dead", 1, config).await;
        let mended = Arc::default();
        let app = shop_with(&mended, FailurePolicy::dead_letter);
        let worker = cluster.worker(app, settings(guarantee));
        send(&cluster, &["a", "bad", "b"]).await;
        cluster.settle().await;
        check_parked(&worker, "no dead letter can be sent").await;
        mended.store(true, Ordering::Relaxed);
        worker.handle().resume();
        cluster.settle().await;
        let all = expect(&[("a", 1), ("b", 1), ("bad", 1)]);
        assert_eq!(counts(&cluster).await, all);
    });
}

#[test]
fn dead_letters_survive_crashes_once_each_where_exactly_once_is_asked_for() {
    for_seeds(async |cluster, guarantee| {
        compact(&cluster, "compacted").await;
        let app = || shop(|dead| FailurePolicy::retry(1, ms(1)).then_dead_letter(dead));
        for round in 0..4 {
            let worker = cluster.worker(app(), settings(guarantee));
            worker.faults().delay_all(ms(3));
            for kind in ["good", "bad", "good", "refused", "panic"] {
                send(&cluster, &[&format!("{kind}-{round}")]).await;
            }
            let moment = (cluster.seed() * 911 + round * 3571) % 60_000;
            cluster.sleep(Duration::from_micros(moment)).await;
            worker.crash();
        }
        let _worker = cluster.worker(app(), settings(guarantee));
        cluster.settle().await;
        let good: Vec<_> = counts(&cluster).await.into_keys().collect();
        assert_eq!(good, ["good-0", "good-1", "good-2", "good-3"]);
        let letters = letters(&cluster, "dead").await;
        let offset = |letter: &Letter| letter.header("faustus-offset").parse().unwrap();
        let mut offsets: Vec<u32> = letters.iter().map(offset).collect();
        if guarantee == Guarantee::AtLeastOnce {
            offsets.sort_unstable();
            offsets.dedup();
        }
        let expected: Vec<u32> = (0..20).filter(|i| [1, 3, 4].contains(&(i % 5))).collect();
        assert_eq!(offsets, expected);
    });
}

async fn total(
    State(totals): State<Table<String, u64>>,
    mut words: Stream<String>,
) -> faustus::Result {
    let totals = words.bind(&totals);
    while let Some(word) = words.next().await? {
        totals.update(&**word, |total| *total += 1)?;
    }
    Ok(())
}

/// Faust's agents died of an exception in a grouping function.
#[test]
fn a_grouping_function_that_panics_meets_the_policy_of_its_agent() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("groups");
        let words = app.topic::<String>("words").partitions(1);
        let (dead, totals) = (
            app.topic::<String>("dead").partitions(1),
            app.table("totals"),
        );
        let by_word = words.group_by_key("word", |word| {
            assert!(word != "bad", "told to panic");
            word.clone()
        });
        let app = app.with_state(totals.clone()).agent("total", by_word, |a| {
            a.table(&totals)
                .on_failure(FailurePolicy::dead_letter(&dead))
                .run(total)
        });
        let worker = cluster.worker(app, settings(guarantee));
        for word in ["a", "bad", "b"] {
            cluster.send("words", "k", &word.to_owned()).await;
        }
        let (poison, at) = (Some(&b"no json"[..]), Timestamp(1));
        cluster.send_bytes("words", None, poison, at).await;
        cluster.settle().await;
        let all = worker.table::<String, u64>("totals").await;
        assert_eq!(all, expect(&[("a", 1), ("b", 1)]));
        let letters = letters(&cluster, "dead").await;
        let errors: Vec<_> = letters.iter().map(|l| l.header("faustus-error")).collect();
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[0], "panic: told to panic");
        assert_eq!(letters[0].header("faustus-topic"), "words");
    });
}

//! Sends that leave at once, with what can be said of them.

use std::sync::Arc;

use faustus::{
    ErrorKind, SendOptions, Settings, Timestamp,
    prelude::*,
    testing::{Cluster, TestWorker, simulate},
};
use parking_lot::Mutex;

/// What the agent saw of each record: partition, time, headers, value.
type Seen = Arc<Mutex<Vec<String>>>;

async fn see(State(seen): State<Seen>, mut values: Stream<Option<u64>, u64>) -> faustus::Result {
    while let Some(value) = values.next().await? {
        let headers = value.headers().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.unwrap_or_default());
            format!("{name}={value}")
        });
        let headers: Vec<_> = headers.collect();
        let (partition, time) = (value.partition(), value.timestamp().0);
        let line = format!("{partition} {time} {} {:?}", headers.join(","), *value);
        seen.lock().push(line);
        value.reply(value.unwrap_or_default() + 1);
    }
    Ok(())
}

async fn start(cluster: &Cluster) -> (TestWorker, Topic<Option<u64>>, Seen) {
    let seen = Seen::default();
    let app = App::new("seeing");
    let values = app.topic::<u64>("values").partitions(4).nullable();
    let app = app
        .with_state(Arc::clone(&seen))
        .agent("see", &values, |a| a.run(see));
    let worker = cluster.worker(app, Settings::default());
    worker.handle().started().await.unwrap();
    (worker, values, seen)
}

#[test]
fn a_record_has_the_partition_time_and_headers_that_were_said() {
    simulate(1, async |cluster| {
        let (_worker, values, seen) = start(&cluster).await;
        for partition in [3, 0] {
            let options = SendOptions::default()
                .partition(partition)
                .timestamp(Timestamp(1_767_225_600_123))
                .header("origin", "shop")
                .header("origin", "backup");
            let sent = values.send_with("k", &Some(7), &options).await.unwrap();
            assert_eq!((sent.0.partition, sent.1.0), (partition, 0));
            cluster.settle().await;
            let line = format!("{partition} 1767225600123 origin=shop,origin=backup Some(7)");
            assert_eq!(seen.lock().pop(), Some(line));
        }
    });
}

#[test]
fn a_record_without_options_is_as_any_other() {
    simulate(1, async |cluster| {
        let (_worker, values, _) = start(&cluster).await;
        let none = SendOptions::default();
        let (to, first) = values.send("k", &Some(1)).await.unwrap();
        let (as_well, second) = values.send_with("k", &Some(2), &none).await.unwrap();
        assert_eq!((as_well, second.0), (to, first.0 + 1));
        let times = cluster.records("values").await;
        let now = cluster.clock().now();
        assert!(times.iter().all(|record| now.0 - record.timestamp.0 < 1000));
    });
}

#[test]
fn a_partition_that_is_not_there_is_an_error_and_nothing_is_sent() {
    simulate(1, async |cluster| {
        let (_worker, values, _) = start(&cluster).await;
        let options = SendOptions::default().partition(4);
        let error = values.send_with("k", &Some(1), &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains("no partition 4: it has 4"), "{text}");
        assert!(cluster.records("values").await.is_empty());
    });
}

#[test]
fn nothing_is_sent_as_a_record_without_a_value_whichever_way_it_goes() {
    simulate(1, async |cluster| {
        let (_worker, values, _) = start(&cluster).await;
        let none = SendOptions::default();
        values.send("k", &None).await.unwrap();
        values.send_with("k", &None, &none).await.unwrap();
        values.agent::<u64>().cast("k", &None).await.unwrap();
        assert_eq!(values.agent::<u64>().ask("k", &None).await.unwrap(), 1);
        let records = cluster.records("values").await;
        assert_eq!(records.len(), 4);
        assert!(records.iter().all(|record| record.value.is_none()));
    });
}

#[test]
fn replies_to_what_a_topic_is_sent_go_where_its_options_say() {
    simulate(1, async |cluster| {
        let (_worker, values, _) = start(&cluster).await;
        let config = faustus::TopicConfig::default();
        cluster.create_topic("answers", 1, config).await;
        let options = SendOptions::default().reply_to("answers", "order-7");
        values.send_with("k", &Some(41), &options).await.unwrap();
        cluster.settle().await;
        let replies = cluster.records("answers").await;
        let reply: serde_json::Value = replies[0].json();
        let reply = (&reply["value"], &reply["correlation_id"]);
        assert_eq!(reply, (&42.into(), &"order-7".into()));
    });
}

//! Records for a topic that the broker forbids after their event completed.

use std::time::Duration;

use faustus::{FailurePolicy, Guarantee, prelude::*};
use faustus_core::{Offset, TopicPartition};

use crate::{
    broker::{connect_to, settings},
    common::{Outside, Running, both, check, until},
    permissions::{Taken, give_back, guarded, take},
};

#[derive(Clone)]
struct Desk {
    open: Topic<String>,
    closed: Topic<String>,
}

/// Passes events on: those that begin with a `c` to the closed topic.
async fn sort(State(desk): State<Desk>, mut events: Stream<String>) -> faustus::Result {
    while let Some(event) = events.next().await? {
        if event.starts_with('c') {
            event.send(&desk.closed, &**event, &event)?;
        } else {
            event.send(&desk.open, &**event, &event)?;
        }
    }
    Ok(())
}

/// A worker that has written to two topics, one of which is then forbidden.
struct Test {
    outside: Outside,
    worker: Running,
    open: String,
    closed: String,
    /// Where the events are that send to the forbidden topic, among others.
    bad: Vec<(TopicPartition, Offset)>,
}

impl Test {
    async fn new(name: &str, guarantee: Guarantee, policy: FailurePolicy, taken: Taken) -> Self {
        let bootstrap = guarded().bootstrap();
        let outside = Outside::new(&connect_to(&bootstrap).await);
        let [events, open, closed] =
            ["events", "open", "closed"].map(|topic| format!("{name}-{topic}"));
        let app = App::new(name);
        let source = app.topic::<String>(&events).partitions(1);
        let state = Desk {
            open: app.topic(&open).partitions(2),
            closed: app.topic(&closed).partitions(1),
        };
        let app = app.with_state(state);
        let app = app.agent(&format!("{name}-sort"), &source, |a| {
            a.on_failure(policy).run(sort)
        });
        let log = connect_to(&bootstrap).await;
        let worker = Running::start(app, &log, settings(guarantee)).await;
        outside
            .send(&events, [("k", r#""a0""#), ("k", r#""c0""#)])
            .await;
        outside.settle(&[&worker]).await;
        take(&closed, taken).await;
        let values = ["a1", "c1", "b2", "c2", "a3"];
        let values = values.map(|event| ("k", format!("{event:?}")));
        let sent = outside.send(&events, values).await;
        Self {
            outside,
            worker,
            open,
            closed,
            bad: vec![sent[1].clone(), sent[3].clone()],
        }
    }

    async fn parked(&self) {
        until(async || {
            let parked = self.worker.parked().await;
            let refused = matches!(&parked[..], [(0, why)] if why.contains("refused"));
            check(refused, parked)
        })
        .await;
    }

    async fn goes_on(&self) {
        until(async || check(self.worker.parked().await.is_empty(), "parked")).await;
        self.outside.settle(&[&self.worker]).await;
    }

    /// These events came through to a topic, each as often as is promised, and no others.
    async fn check_came(&self, topic: &str, guarantee: Guarantee, events: &[&str]) {
        // A broker shows what was committed a moment after it has said so.
        until(async || {
            let records = self.outside.records(topic).await;
            let mut came: Vec<String> = records.iter().map(|record| record.key.clone()).collect();
            came.sort();
            if guarantee == Guarantee::AtLeastOnce {
                came.dedup();
            }
            let status = self.worker.status().await;
            check(came == events, format!("{topic}: {came:?}, {status:?}"))
        })
        .await;
    }

    /// All good events came through and no bad ones.
    async fn check_good(&self, guarantee: Guarantee) {
        self.check_came(&self.open, guarantee, &GOOD).await;
        give_back(&self.closed).await;
        self.check_came(&self.closed, guarantee, &["c0"]).await;
    }
}

const GOOD: [&str; 4] = ["a0", "a1", "a3", "b2"];

const BOTH: [(&str, Taken); 2] = [
    ("unwritable", Taken::Writing),
    ("hidden", Taken::Everything),
];

#[tokio::test(flavor = "multi_thread")]
async fn events_that_send_to_a_forbidden_topic_are_skipped_alone() {
    for (what, taken) in BOTH {
        both(&format!("{what}-skip"), async |name, guarantee| {
            let test = Test::new(name, guarantee, FailurePolicy::skip(), taken).await;
            test.outside.settle(&[&test.worker]).await;
            test.check_good(guarantee).await;
        })
        .await;
    }
}

async fn are_parked(name: &str, policy: FailurePolicy, taken: Taken) {
    both(name, async |name, guarantee| {
        let test = Test::new(name, guarantee, policy.clone(), taken).await;
        test.parked().await;
        for (partition, offset) in &test.bad {
            test.worker.handle.skip(partition, *offset);
        }
        test.goes_on().await;
        test.check_good(guarantee).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_send_to_a_forbidden_topic_are_parked_until_they_are_skipped() {
    let retry = FailurePolicy::retry(3, Duration::from_millis(100));
    for (what, taken) in BOTH {
        are_parked(&format!("{what}-retry"), retry.clone(), taken).await;
        are_parked(&format!("{what}-park"), FailurePolicy::park(), taken).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_goes_on_when_its_topic_is_permitted() {
    for (what, taken) in BOTH {
        both(&format!("{what}-permitted"), async |name, guarantee| {
            let test = Test::new(name, guarantee, FailurePolicy::park(), taken).await;
            test.parked().await;
            give_back(&test.closed).await;
            until(async || {
                test.worker.handle.resume();
                tokio::time::sleep(Duration::from_millis(200)).await;
                check(test.worker.parked().await.is_empty(), "parked")
            })
            .await;
            test.outside.settle(&[&test.worker]).await;
            test.check_came(&test.open, guarantee, &GOOD).await;
            let closed = ["c0", "c1", "c2"];
            test.check_came(&test.closed, guarantee, &closed).await;
        })
        .await;
    }
}

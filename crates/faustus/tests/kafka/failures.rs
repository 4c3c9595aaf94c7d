//! Records that do not decode, and records that the broker refuses after their event completed.

use std::time::Duration;

use faustus::{FailurePolicy, Guarantee, Settings, prelude::*};
use faustus_core::{Offset, TopicPartition};

use crate::{
    broker::{alter, connect, settings},
    common::{Outside, Running, both, check, until},
};

async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(*number * 2);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_record_parks_its_task_while_the_others_go_on_and_skip_leads_out() {
    both("poisoned", async |name, guarantee| {
        let log = connect().await;
        let outside = Outside::new(&connect().await);
        let (numbers, doubles) = (format!("{name}-numbers"), format!("{name}-doubles"));
        let app = App::new(name);
        let source = app.topic::<u64>(&numbers).partitions(4);
        let sink = app.topic::<u64>(&doubles).partitions(1);
        let app = app.agent(&format!("{name}-double"), &source, |a| {
            a.sink(&sink).run(double)
        });
        let worker = Running::start(app, &log, settings(guarantee)).await;
        let twenty = || (0..20).map(|i| (i.to_string(), i.to_string()));
        outside.send(&numbers, twenty()).await;
        let poison = outside.send(&numbers, [("0", "not a number")]).await;
        let (partition, offset) = &poison[0];
        outside.send(&numbers, twenty()).await;
        until(async || {
            let parked = worker.parked().await;
            check(
                matches!(&parked[..], [(p, _)] if *p == partition.partition),
                parked,
            )
        })
        .await;
        outside.settle(&[&worker]).await;
        let done = outside.records(&doubles).await.len();
        let others_went_on = (21..40).contains(&done);
        assert!(others_went_on, "{name}: the parked one not: {done}");
        worker.handle.skip(partition, *offset);
        until(async || check(worker.parked().await.is_empty(), "parked")).await;
        outside.settle(&[&worker]).await;
        assert_eq!(outside.records(&doubles).await.len(), 40, "{name}");
    })
    .await;
}

/// How an event's output displeases the broker.
#[derive(Clone, Copy)]
enum Bad {
    NoKey,
    TooLarge,
    /// Not by itself.
    TooLargeTogether,
}

impl Bad {
    /// The event that does so.
    fn event(self) -> &'static str {
        match self {
            Self::NoKey => "no key",
            Self::TooLarge => "too large",
            Self::TooLargeTogether => "fine",
        }
    }
}

/// Sends each event on under itself, but for bad ones.
async fn relay(State(out): State<Topic<String>>, mut events: Stream<String>) -> faustus::Result {
    while let Some(event) = events.next().await? {
        match event.as_str() {
            "no key" => event.send(&out, &(), &event)?,
            "too large" => event.send(&out, &**event, &"x".repeat(3_000))?,
            _ => event.send(&out, &**event, &event)?,
        }
    }
    Ok(())
}

/// A relay that has worked, and whose topic then became more particular than it knows.
struct Relay {
    outside: Outside,
    worker: Running,
    out: String,
    /// Where the bad event is, between two good ones.
    bad: (TopicPartition, Offset),
}

impl Relay {
    async fn new(name: &str, guarantee: Guarantee, policy: FailurePolicy, bad: Bad) -> Self {
        Self::with_letters(name, guarantee, |_| policy, bad).await
    }

    /// As [`new`](Self::new), with a policy that may send dead letters to the topic it is given.
    async fn with_letters(
        name: &str,
        guarantee: Guarantee,
        policy: impl FnOnce(&Topic<String>) -> FailurePolicy,
        bad: Bad,
    ) -> Self {
        let log = connect().await;
        let outside = Outside::new(&log);
        let (events, out) = (format!("{name}-events"), format!("{name}-out"));
        let app = App::new(name);
        let source = app.topic::<String>(&events).partitions(1);
        let sink = app.topic::<String>(&out).partitions(1);
        let dead = app.topic(&format!("{name}-dead")).partitions(1);
        let app = app.with_state(sink);
        let app = app.agent(&format!("{name}-relay"), &source, |a| {
            a.on_failure(policy(&dead)).run(relay)
        });
        let settings = Settings {
            threads: 1,
            ..settings(guarantee)
        };
        let worker = Running::start(app, &connect().await, settings).await;
        outside.send(&events, [("k", r#""one""#)]).await;
        outside.settle(&[&worker]).await;
        match bad {
            Bad::NoKey => alter(&*log, &out, "cleanup.policy", "compact").await,
            Bad::TooLarge | Bad::TooLargeTogether => {
                alter(&*log, &out, "max.message.bytes", "2000").await
            }
        }
        let values = ["two", bad.event(), "three"].map(|event| ("k", format!("{event:?}")));
        let sent = outside.send(&events, values).await;
        let bad = sent[1].clone();
        Self {
            outside,
            worker,
            out,
            bad,
        }
    }

    /// The events that came through.
    async fn came(&self) -> Vec<String> {
        let records = self.outside.records(&self.out).await;
        records.iter().map(|record| record.key.clone()).collect()
    }

    /// All good events came through, once if that is promised, and nothing else.
    async fn check_good(&self, name: &str, guarantee: Guarantee) {
        let mut came = self.came().await;
        if guarantee == Guarantee::AtLeastOnce {
            came.sort();
            came.dedup();
            came.sort_by_key(|event| ["one", "two", "three"].iter().position(|e| e == event));
        }
        assert_eq!(came, ["one", "two", "three"], "{name}");
    }
}

async fn is_skipped(name: &str, bad: Bad) {
    both(name, async |name, guarantee| {
        let relay = Relay::new(name, guarantee, FailurePolicy::skip(), bad).await;
        relay.outside.settle(&[&relay.worker]).await;
        relay.check_good(name, guarantee).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_output_lacks_a_key_is_skipped_alone() {
    is_skipped("no-key-skip", Bad::NoKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_output_is_too_large_is_skipped_alone() {
    is_skipped("too-large-skip", Bad::TooLarge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_output_the_log_refuses_goes_to_the_dead_letters_alone() {
    for (what, bad) in [("no-key", Bad::NoKey), ("too-large", Bad::TooLarge)] {
        both(&format!("{what}-letter"), async |name, guarantee| {
            let policy = FailurePolicy::dead_letter;
            let relay = Relay::with_letters(name, guarantee, policy, bad).await;
            relay.outside.settle(&[&relay.worker]).await;
            relay.check_good(name, guarantee).await;
            let mut letters = relay.outside.records(&format!("{name}-dead")).await;
            if guarantee == Guarantee::AtLeastOnce {
                letters.truncate(1);
            }
            let values: Vec<_> = letters
                .iter()
                .map(|letter| letter.json::<String>())
                .collect();
            assert_eq!(values, [bad.event()], "{name}");
        })
        .await;
    }
}

async fn is_parked(name: &str, policy: FailurePolicy, bad: Bad) {
    both(name, async |name, guarantee| {
        let relay = Relay::new(name, guarantee, policy.clone(), bad).await;
        let worker = &relay.worker;
        until(async || {
            let parked = worker.parked().await;
            check(
                matches!(&parked[..], [(0, why)] if why.contains("refused")),
                parked,
            )
        })
        .await;
        relay.outside.settle(&[worker]).await;
        if guarantee == Guarantee::ExactlyOnce {
            assert_eq!(relay.came().await, ["one", "two"], "{name}");
        }
        worker.handle.skip(&relay.bad.0, relay.bad.1);
        until(async || check(worker.parked().await.is_empty(), "parked")).await;
        relay.outside.settle(&[worker]).await;
        relay.check_good(name, guarantee).await;
    })
    .await;
}

fn retry() -> FailurePolicy {
    FailurePolicy::retry(3, Duration::from_millis(100))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_output_lacks_a_key_is_parked_until_it_is_skipped() {
    is_parked("no-key-retry", retry(), Bad::NoKey).await;
    is_parked("no-key-park", FailurePolicy::park(), Bad::NoKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_output_is_too_large_is_parked_until_it_is_skipped() {
    is_parked("too-large-retry", retry(), Bad::TooLarge).await;
    is_parked("too-large-park", FailurePolicy::park(), Bad::TooLarge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_are_too_large_only_together_all_come_through() {
    both("together", async |name, guarantee| {
        let policy = FailurePolicy::skip();
        let relay = Relay::new(name, guarantee, policy, Bad::TooLargeTogether).await;
        let many = || (0..100).map(|i| format!("{i:0200}"));
        let sent = many().map(|event| ("k", format!("{event:?}")));
        relay.outside.send(&format!("{name}-events"), sent).await;
        relay.outside.settle(&[&relay.worker]).await;
        let came = relay.came().await;
        for event in many() {
            let times = came.iter().filter(|key| **key == event).count();
            let enough = match guarantee {
                Guarantee::ExactlyOnce => times == 1,
                Guarantee::AtLeastOnce => times >= 1,
            };
            assert!(enough, "{name}: {event} came {times} times");
        }
    })
    .await;
}

//! Channels between agents whose topics are on Kafka.

use faustus::{Ended, prelude::*};

use crate::{
    broker::{connect, settings},
    common::{Outside, Running, both, check, until},
};

async fn put(State(halves): State<Channel<u64>>, mut numbers: Stream<u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        for half in 0..2 {
            number.put(&halves, *number * 2 + half)?;
        }
    }
    Ok(())
}

async fn pass(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(*number);
    }
    Ok(())
}

async fn until_said(outside: &Outside, topic: &str, expected: &[u64]) {
    until(async || {
        let records = outside.records(topic).await;
        let mut said: Vec<u64> = records.iter().map(|record| record.json()).collect();
        said.sort_unstable();
        check(said == expected, said)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_went_through_a_channel_are_stored_with_epochs() {
    both("channels", async |name, guarantee| {
        let log = connect().await;
        let app = App::new(name);
        let numbers = app.topic::<u64>(&format!("{name}-numbers")).partitions(2);
        let said = app.topic::<u64>(&format!("{name}-said")).partitions(2);
        let halves = app.channel::<u64>("halves").capacity(10);
        let app = app
            .with_state(halves.clone())
            .agent("put", &numbers, |a| a.run(put))
            .agent("pass", &halves, |a| a.sink(&said).run(pass));
        let worker = Running::start(app, &log, settings(guarantee)).await;
        for number in 0..50 {
            numbers.send(&number.to_string(), &number).await.unwrap();
        }
        let outside = Outside::new(&connect().await);
        let all: Vec<u64> = (0..100).collect();
        until_said(&outside, said.name(), &all).await;
        // What is in the channel at an end in good order is stored, too.
        halves.put(100).await.unwrap();
        assert_eq!(worker.shutdown().await, Ended::Drained);
        let all: Vec<u64> = (0..=100).collect();
        until_said(&outside, said.name(), &all).await;
    })
    .await;
}

/// Its epochs have records and no offsets.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_of_channels_alone_stores_what_it_sends() {
    both("only-channels", async |name, guarantee| {
        let log = connect().await;
        let app = App::new(name);
        let numbers = app.channel::<u64>("numbers");
        let said = app.topic::<u64>(&format!("{name}-said")).partitions(1);
        let app = app.agent("pass", &numbers, |a| a.sink(&said).run(pass));
        let worker = Running::start(app, &log, settings(guarantee)).await;
        for number in 0..10 {
            numbers.put(number).await.unwrap();
        }
        let outside = Outside::new(&connect().await);
        let all: Vec<u64> = (0..10).collect();
        until_said(&outside, said.name(), &all).await;
        assert_eq!(worker.shutdown().await, Ended::Drained);
    })
    .await;
}

//! Asking agents, and askers that are gone.

use std::time::{Duration, Instant};

use faustus::{FailurePolicy, SendOptions, TaskState, TopicConfig, prelude::*};
use faustus_core::TopicName;

use crate::{
    broker::{connect, create, settings},
    common::{Outside, Running, both, check, until},
};

async fn double(mut numbers: Stream<u64, u64>) -> faustus::Result {
    while let Some(number) = numbers.next().await? {
        number.reply(*number * 2);
    }
    Ok(())
}

/// A transaction that writes to a topic that is gone would be tried again for ever.
#[tokio::test(flavor = "multi_thread")]
async fn askers_that_are_gone_hold_up_nobody() {
    both("askers", async |name, guarantee| {
        let log = connect().await;
        let app = App::new(name);
        let numbers = app.agent_topic::<u64>("double").partitions(1);
        let doubler = numbers.agent::<u64>();
        let app = app.agent("double", &numbers, |a| {
            a.on_failure(FailurePolicy::skip()).run(double)
        });
        let worker = Running::start(app, &log, settings(guarantee)).await;
        assert_eq!(doubler.ask("a", &1).await.unwrap(), 2);

        let (gone, deleted) = (format!("{name}-gone"), format!("{name}-deleted"));
        let asked_by = async |topic: &str| {
            let options = SendOptions::default().reply_to(topic, "id");
            doubler.send("a", &7, &options).await.unwrap();
        };
        let began = Instant::now();
        asked_by(&gone).await;
        assert_eq!(doubler.ask("a", &2).await.unwrap(), 4);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );

        create(&*log, &deleted, 1, TopicConfig::default()).await;
        asked_by(&deleted).await;
        let outside = Outside::new(&connect().await);
        until(async || {
            let replies = outside.records(&deleted).await.len();
            check(replies == 1, replies)
        })
        .await;
        let topic = TopicName::from(&*deleted);
        log.admin().delete_topic(&topic).await.unwrap();
        asked_by(&deleted).await;
        let patient = doubler.clone().timeout(Duration::from_secs(60));
        let began = Instant::now();
        assert_eq!(patient.ask("a", &3).await.unwrap(), 6);
        println!("{name}: {:?} after the topic went", began.elapsed());

        // Nobody made them anew.
        let found = log.admin().describe_topics(&[topic, gone.into()]).await;
        assert!(found.unwrap().iter().all(Option::is_none));
        let parked = |state: &TaskState| matches!(state, TaskState::Parked(_));
        assert!(!worker.status().await.iter().any(|task| parked(&task.state)));
        worker.shutdown().await;
        let topics = log.admin().list_topics().await.unwrap();
        let own = topics
            .iter()
            .filter(|topic| topic.as_str() == doubler.topic().name());
        assert_eq!(own.count(), 1);
    })
    .await;
}

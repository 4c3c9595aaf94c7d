//! All kinds of agents reply to whoever asked, and all ends of failures do.

use std::time::Duration;

use faustus::{ErrorKind, FailurePolicy, prelude::*};

use super::{answer, ask};
use crate::scenario::{for_seeds, settings};

async fn echo(text: String) -> faustus::Result<String> {
    Ok(text)
}

async fn by_hand(texts: Stream<String, String>) -> faustus::Result {
    let mut texts = texts.manual();
    while let Some(mut text) = texts.next().await? {
        text.reply(text.to_string());
        text.ack();
    }
    Ok(())
}

async fn together(mut texts: Stream<String, String>) -> faustus::Result {
    while let Some(batch) = texts.take(10, Duration::from_millis(50)).await? {
        for text in &batch {
            text.reply(text.to_string());
        }
    }
    Ok(())
}

#[test]
fn agents_of_every_kind_reply_to_who_asked() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("kinds");
        let topic = |name: &str| app.agent_topic::<String>(name).partitions(2);
        let topics = ["each", "manual", "take", "filtered"].map(topic);
        let handles = topics.each_ref().map(|topic| topic.agent::<String>());
        let [each, manual, take, filtered] = topics;
        let app = app
            .agent("each", &each, |a| a.concurrency(4).each(echo))
            .agent("manual", &manual, |a| a.run(by_hand))
            .agent("take", &take, |a| a.run(together))
            .agent("filtered", filtered.filter(|text| text.len() > 1), |a| {
                a.unordered(2).each(echo)
            });
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for agent in handles {
            for style in [agent.clone(), agent.envelope()] {
                let texts = || (10..30).map(|n: u32| (n, n.to_string()));
                let expected: Vec<String> = texts().map(|(_, text)| text).collect();
                assert_eq!(style.kvjoin(texts()).await.unwrap(), expected);
            }
        }
    });
}

#[test]
fn whichever_end_a_failure_comes_to_who_asked_hears_of_it() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("ends");
        let letters = app.topic::<String>("letters").partitions(1);
        let topic = |name: &str| app.agent_topic::<String>(name).partitions(1);
        let topics = ["skip", "letter", "park"].map(topic);
        let handles = topics.each_ref().map(|topic| topic.agent::<String>());
        let [skip, letter, park] = topics;
        let app = app
            .agent("skip", &skip, |a| {
                a.on_failure(FailurePolicy::skip()).run(answer)
            })
            .agent("letter", &letter, |a| {
                a.on_failure(FailurePolicy::dead_letter(&letters))
                    .run(answer)
            })
            .agent("park", &park, |a| {
                let policy = FailurePolicy::retry(1, Duration::from_millis(100));
                a.on_failure(policy.then_park()).run(answer)
            });
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for agent in handles {
            let error = ask(&agent, "a", "fail on purpose").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Remote, "{error}");
            assert!(error.to_string().ends_with("failed: on purpose"), "{error}");
        }
        assert_eq!(cluster.records("letters").await.len(), 1);
    });
}

/// The JSON of no value is a part of no record; the reader of replies once died of it.
#[test]
fn replies_of_nothing_are_replies() {
    async fn find(mut names: Stream<String, Option<u64>>) -> faustus::Result {
        while let Some(name) = names.next().await? {
            name.reply((*name == "ann").then_some(7));
        }
        Ok(())
    }
    for_seeds(async |cluster, guarantee| {
        let app = App::new("finder");
        let names = app.agent_topic::<String>("find").partitions(1);
        let finder = names.agent::<Option<u64>>();
        let app = app.agent("find", &names, |a| a.run(find));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for (name, expected) in [("ann", Some(7)), ("bob", None), ("ann", Some(7))] {
            let found = finder.ask(name, &name.to_owned()).await.unwrap();
            assert_eq!(found, expected, "{name}");
        }
    });
}

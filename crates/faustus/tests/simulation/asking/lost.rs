//! Askers that are gone: what they asked for is done, and nothing waits for them.

use std::time::Duration;

use faustus::{FailurePolicy, SendOptions, TopicConfig, Transport, prelude::*, testing::Cluster};
use faustus_log::{Call, Fault, Rule};

use super::{ask, is_parked, reply_topics, start};
use crate::scenario::{for_seeds, settings};

async fn asked_by(agent: &Agent<String, String>, topic: &str, question: &str) {
    let options = SendOptions::default().reply_to(topic, "id");
    let sent = agent.send("a", &question.to_owned(), &options).await;
    sent.unwrap();
}

async fn exists(cluster: &Cluster, topic: &str) -> bool {
    let topics = cluster.log().admin().list_topics().await.unwrap();
    topics.iter().any(|name| name.as_str() == topic)
}

#[test]
fn a_reply_to_a_topic_that_is_not_there_is_dropped_and_holds_up_nobody() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        for topic in ["gone", "gone-too", "no topic", "", "gone"] {
            asked_by(&agent, topic, "echo out").await;
        }
        asked_by(&agent, "gone", "fail anyway").await;
        let before = cluster.clock().monotonic();
        assert_eq!(ask(&agent, "a", "echo on").await.unwrap(), "on");
        let took = cluster.clock().monotonic() - before;
        assert!(took < Duration::from_millis(200), "{took:?}");
        cluster.settle().await;
        assert!(!is_parked(&worker.status().await));
        cluster.sleep(Duration::from_secs(20)).await;
        assert!(!exists(&cluster, "gone").await, "nobody makes it");
        assert_eq!(ask(&agent, "a", "echo on").await.unwrap(), "on");
    });
}

/// Python's Faust makes its topic after it sent its first request.
#[test]
fn a_reply_waits_a_while_for_its_topic_to_appear() {
    for_seeds(async |cluster, guarantee| {
        let (_worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        asked_by(&agent, "later", "echo at last").await;
        cluster.settle().await;
        cluster.sleep(Duration::from_secs(3)).await;
        cluster
            .create_topic("later", 1, TopicConfig::default())
            .await;
        cluster.sleep(Duration::from_secs(3)).await;
        let replies = cluster.records("later").await;
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].json::<serde_json::Value>()["value"], "at last");
    });
}

#[test]
fn a_topic_that_goes_between_two_replies_holds_up_nobody() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        cluster
            .create_topic("answers", 1, TopicConfig::default())
            .await;
        asked_by(&agent, "answers", "echo once").await;
        cluster.settle().await;
        assert_eq!(cluster.records("answers").await.len(), 1);
        let deleted = cluster.log().admin().delete_topic(&"answers".into()).await;
        deleted.unwrap();
        asked_by(&agent, "answers", "echo twice").await;
        assert_eq!(ask(&agent, "a", "echo on").await.unwrap(), "on");
        cluster.settle().await;
        assert!(!is_parked(&worker.status().await));
    });
}

#[test]
fn replies_that_the_log_refuses_are_dropped_and_all_else_is_stored() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        cluster
            .create_topic("answers", 1, TopicConfig::default())
            .await;
        let refuse = Rule::new(Call::Publish, Fault::refuse("answers")).always();
        worker
            .faults()
            .add(refuse.when(|site| site.topics.contains(&"answers")));
        for _ in 0..5 {
            asked_by(&agent, "answers", "echo out").await;
        }
        assert_eq!(ask(&agent, "a", "echo on").await.unwrap(), "on");
        cluster.settle().await;
        assert!(!is_parked(&worker.status().await));
        assert!(cluster.records("answers").await.is_empty());
    });
}

#[test]
fn an_asker_that_was_killed_is_lost_and_its_successor_asks_anew() {
    for_seeds(async |cluster, guarantee| {
        let (_agents, _) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let asker = || {
            let app = App::new("asker");
            let agent = app.topic::<String>("answerer-answer").agent::<String>();
            (app.task("none", async || Ok(())), agent)
        };
        let (app, agent) = asker();
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        assert_eq!(ask(&agent, "a", "echo one").await.unwrap(), "one");
        let slow = agent.ask_nowait("a", &"slow".to_owned()).await.unwrap();
        worker.crash();
        let old = reply_topics(&cluster).await.pop().unwrap();
        let (app, agent) = asker();
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let patient = agent.timeout(Duration::from_secs(120));
        assert_eq!(ask(&patient, "a", "echo two").await.unwrap(), "two");
        assert!(slow.await.is_err());
        let deleted = cluster
            .log()
            .admin()
            .delete_topic(&old.as_str().into())
            .await;
        deleted.unwrap();
        assert_eq!(ask(&patient, "a", "echo three").await.unwrap(), "three");
        worker.shutdown().await.unwrap();
    });
}

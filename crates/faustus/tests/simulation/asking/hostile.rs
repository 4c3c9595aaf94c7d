//! Requests and replies that nobody in his senses sends.

use faustus::{
    ErrorKind, FailurePolicy, SendOptions, Settings, Timestamp, prelude::*, testing::simulate,
};
use serde_json::Value;

use super::{ask, is_parked, start};
use crate::scenario::{for_seeds, settings};

/// As deep as no reader goes, and no deeper than a record may be long.
fn deep() -> String {
    format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))
}

async fn echo(mut values: Stream<Value, Value>) -> faustus::Result {
    while let Some(value) = values.next().await? {
        value.reply(value.clone());
    }
    Ok(())
}

fn echoing(policy: FailurePolicy) -> (App, Agent<Value, Value>) {
    let app = App::new("echoing");
    let values = app.topic::<Value>("values").partitions(1);
    let agent = values.agent();
    (
        app.agent("echo", &values, |a| a.on_failure(policy).run(echo)),
        agent,
    )
}

#[test]
fn an_absurdly_nested_request_fails_alone_and_who_asked_hears_why() {
    for_seeds(async |cluster, guarantee| {
        let (app, agent) = echoing(FailurePolicy::skip());
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        let config = faustus::TopicConfig::default();
        cluster.create_topic("answers", 1, config).await;
        let request = format!(
            r#"{{"value":{},"reply_to":"answers","correlation_id":"id","__faust":{{"ns":"@ReqRepRequest"}}}}"#,
            deep()
        );
        cluster
            .send_bytes("values", None, Some(request.as_bytes()), Timestamp(0))
            .await;
        assert_eq!(
            agent.ask("a", &Value::Bool(true)).await.unwrap(),
            Value::Bool(true)
        );
        cluster.settle().await;
        let replies = cluster.records("answers").await;
        let reply: Value = replies[0].json();
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains("recursion limit"), "{error}");
        assert_eq!(replies.len(), 1);
    });
}

#[test]
fn an_absurdly_nested_reply_is_an_error_of_data() {
    simulate(1, async |cluster| {
        let (app, _) = echoing(FailurePolicy::skip());
        // Nobody but the test reads it.
        let unread = app.topic::<Value>("unread").partitions(1);
        let agent = unread.agent::<Value>().envelope();
        let worker = cluster.worker(app, Settings::default());
        worker.handle().started().await.unwrap();
        let asked = agent.ask_nowait("a", &Value::Null).await.unwrap();
        let request = cluster.records("unread").await.pop().unwrap();
        let request: Value = request.json();
        let [id, to] = ["correlation_id", "reply_to"].map(|name| request[name].as_str().unwrap());
        let reply = format!(r#"{{"value":{},"correlation_id":"{id}"}}"#, deep());
        cluster
            .send_bytes(to, None, Some(reply.as_bytes()), Timestamp(0))
            .await;
        let error = asked.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("recursion limit"), "{error}");
    });
}

/// The id stands in the reply, where each of its characters takes more room.
#[test]
fn an_id_that_makes_the_reply_too_long_for_its_topic_fails_nobody() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::default()).await;
        let config = faustus::TopicConfig::default();
        cluster.create_topic("answers", 1, config).await;
        for id in ["\u{1}".repeat(300_000), "short".to_owned()] {
            let options = SendOptions::default().reply_to("answers", &id);
            let question = "echo on".to_owned();
            agent.send("a", &question, &options).await.unwrap();
        }
        assert_eq!(ask(&agent, "a", "echo on").await.unwrap(), "on");
        cluster.settle().await;
        assert!(!is_parked(&worker.status().await));
        let replies = cluster.records("answers").await;
        let ids = replies.iter().map(|reply| reply.json::<Value>());
        let ids: Vec<Value> = ids
            .map(|mut reply| reply["correlation_id"].take())
            .collect();
        assert_eq!(ids, ["short"]);
    });
}

//! Asking agents: replies, their errors, and what disturbs nobody.

mod hostile;
mod kinds;
mod lost;
mod many;
mod turns;

use std::time::Duration;

use faustus::{
    Error, ErrorKind, FailurePolicy, Guarantee, SendOptions, Settings, TaskState, Timestamp,
    prelude::*,
    testing::{Cluster, TestWorker, simulate},
};

use crate::scenario::{for_seeds, settings};

/// Does what questions say.
async fn answer(mut questions: Stream<String, String>) -> faustus::Result {
    while let Some(question) = questions.next().await? {
        let (what, text) = question.split_once(' ').unwrap_or((&question, ""));
        match what {
            "echo" => question.reply(text.to_owned()),
            "twice" => {
                question.reply(text.to_owned());
                question.reply(format!("{text} again"));
            }
            "slow" => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                question.reply(text.to_owned());
            }
            "fail" => return Err(Error::new(ErrorKind::Application, text)),
            _ => {}
        }
    }
    Ok(())
}

/// Agents that answer, and their handle.
fn answerer(policy: FailurePolicy) -> (App, Agent<String, String>) {
    let app = App::new("answerer");
    let questions = app.agent_topic::<String>("answer").partitions(4);
    let agent = questions.agent();
    let app = app.agent("answer", &questions, |a| a.on_failure(policy).run(answer));
    (app, agent)
}

/// A worker of them that has started.
async fn start(
    cluster: &Cluster,
    settings: Settings,
    policy: FailurePolicy,
) -> (TestWorker, Agent<String, String>) {
    let (app, agent) = answerer(policy);
    let worker = cluster.worker(app, settings);
    worker.handle().started().await.unwrap();
    (worker, agent)
}

async fn ask(agent: &Agent<String, String>, key: &str, question: &str) -> faustus::Result<String> {
    agent.ask(key, &question.to_owned()).await
}

/// The topics of replies that there are.
async fn reply_topics(cluster: &Cluster) -> Vec<String> {
    use faustus::Transport;
    let topics = cluster.log().admin().list_topics().await.unwrap();
    let names = topics.into_iter().map(|topic| topic.to_string());
    names.filter(|name| name.starts_with("f-reply-")).collect()
}

fn is_parked(status: &[faustus::TaskStatus]) -> bool {
    let parked = |status: &faustus::TaskStatus| matches!(status.state, TaskState::Parked(_));
    status.iter().any(parked)
}

#[test]
fn whoever_asks_gets_the_reply_in_both_styles() {
    for_seeds(async |cluster, guarantee| {
        let (_worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        for style in [agent.clone(), agent.envelope()] {
            assert_eq!(ask(&style, "a", "echo one").await.unwrap(), "one");
            assert_eq!(style.ask(&(), &"echo two".to_owned()).await.unwrap(), "two");
            let pending = style
                .ask_nowait("b", &"echo three".to_owned())
                .await
                .unwrap();
            assert_eq!(pending.await.unwrap(), "three");
        }
    });
}

#[test]
fn requests_have_fausts_bytes_in_both_styles() {
    simulate(1, async |cluster| {
        let app = App::new("app");
        let requests = app.topic::<u64>("requests").partitions(1);
        let agent = requests.agent::<u64>();
        let app = app.task("none", async || Ok(()));
        let worker = cluster.worker(app, Settings::default());
        worker.handle().started().await.unwrap();
        let options = SendOptions::default()
            .timestamp(Timestamp(1_700_000_000_000))
            .header("mine", "1")
            .partition(0)
            .reply_to("f-reply-vectors", "cid-11");
        agent.send(&(), &21, &options).await.unwrap();
        agent
            .clone()
            .envelope()
            .send(&(), &21, &options)
            .await
            .unwrap();
        agent.cast("k", &5).await.unwrap();
        let records = cluster.records("requests").await;
        let values: Vec<&[u8]> = records
            .iter()
            .map(|r| r.value.as_deref().unwrap())
            .collect();
        let envelope = r#"{"value":21,"reply_to":"f-reply-vectors","correlation_id":"cid-11","__faust":{"ns":"@ReqRepRequest"}}"#;
        assert_eq!(values, [&b"21"[..], envelope.as_bytes(), b"5"]);
        assert_eq!(records[0].timestamp, Timestamp(1_700_000_000_000));
        assert_eq!(records[0].key, None);
        let partition = SendOptions::default().partition(1);
        let error = agent.send(&(), &21, &partition).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    });
}

#[test]
fn replies_go_where_a_request_says_once_if_exactly_once() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        cluster
            .create_topic("answers", 1, faustus::TopicConfig::default())
            .await;
        let send = async |agent: &Agent<String, String>, from: u32, to: u32| {
            for id in from..to {
                let options = SendOptions::default().reply_to("answers", &id.to_string());
                let question = format!("echo {id}");
                agent
                    .send(&id.to_string(), &question, &options)
                    .await
                    .unwrap();
            }
        };
        send(&agent, 0, 50).await;
        cluster.sleep(Duration::from_millis(7)).await;
        worker.crash();
        let (_worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        send(&agent, 50, 60).await;
        cluster.settle().await;
        let mut seen = vec![0; 60];
        for record in cluster.records("answers").await {
            assert_eq!((record.partition, record.key.as_ref()), (0, None));
            let reply: serde_json::Value = record.json();
            assert_eq!(reply["key"], reply["value"]);
            assert_eq!(reply["__faust"]["ns"], "@ReqRepResponse");
            let id: usize = reply["correlation_id"].as_str().unwrap().parse().unwrap();
            seen[id] += 1;
        }
        match guarantee {
            Guarantee::AtLeastOnce => assert!(seen.iter().all(|&n| n >= 1), "{seen:?}"),
            Guarantee::ExactlyOnce => assert_eq!(seen, [1; 60]),
        }
    });
}

#[test]
fn no_reply_in_time_is_an_error_and_a_late_one_disturbs_nobody() {
    for_seeds(async |cluster, guarantee| {
        let (_worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let clock = cluster.clock();
        let took = async |agent: &Agent<String, String>, question: &str| {
            let before = clock.monotonic();
            let error = ask(agent, "a", question).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            clock.monotonic() - before
        };
        let about =
            |took: Duration, seconds| took.abs_diff(Duration::from_secs(seconds)).as_millis() < 10;
        assert!(about(took(&agent, "silence").await, 30));
        let impatient = agent.clone().timeout(Duration::from_secs(5));
        assert!(about(took(&impatient, "slow but steady").await, 5));
        // In another partition or behind the slow one: its reply comes in between.
        assert_eq!(
            ask(
                &agent.clone().timeout(Duration::from_secs(90)),
                "a",
                "echo on"
            )
            .await
            .unwrap(),
            "on"
        );
        assert_eq!(ask(&agent, "b", "echo too").await.unwrap(), "too");
    });
}

/// Each of these kills a client of Python's Faust.
#[test]
fn a_second_reply_an_undecodable_one_and_one_without_key_or_value_harm_no_asker() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        assert_eq!(ask(&agent, "a", "twice one").await.unwrap(), "one");
        let topic = reply_topics(&cluster).await.pop().unwrap();
        // In another partition, or it would be in the way.
        let partition = |key: &str| faustus_core::partition_for_key(key.as_bytes(), 4);
        let mut keys = ["b", "c", "d", "e"].into_iter();
        let other = keys.find(|key| partition(key) != partition("a")).unwrap();
        let slow = agent
            .ask_nowait(other, &"slow down".to_owned())
            .await
            .unwrap();
        let foreign: [Option<&[u8]>; 7] = [
            None,
            Some(b""),
            Some(b"{"),
            Some(b"\xff\x00"),
            Some(br#"{"key":null,"value":1}"#),
            Some(br#"{"correlation_id":"nobody"}"#),
            Some(br#"{"key":null,"value":1,"correlation_id":"0de11b86-8634-4921-9f3e-f7ae45d597ae"}"#),
        ];
        for value in foreign {
            cluster.send_bytes(&topic, None, value, Timestamp(0)).await;
        }
        assert_eq!(ask(&agent, "a", "echo two").await.unwrap(), "two");
        let error = slow.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        worker.shutdown().await.unwrap();
    });
}

#[test]
fn a_failure_for_good_travels_back() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        for style in [agent.clone(), agent.clone().envelope()] {
            let error = ask(&style, "a", "fail no such account").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Remote);
            assert!(
                error.to_string().ends_with("failed: no such account"),
                "{error}"
            );
        }
        assert_eq!(ask(&agent, "a", "echo on").await.unwrap(), "on");
        assert!(!is_parked(&worker.status().await));
        // Of what does not decode, too.
        let (app, _) = answerer(FailurePolicy::skip());
        let numbers = app.topic::<u64>("answerer-answer").agent::<String>();
        let other = cluster.worker(app, settings(guarantee));
        other.handle().started().await.unwrap();
        let error = numbers.ask("a", &7).await.unwrap_err();
        assert!(error.to_string().contains("value is no json"), "{error}");
    });
}

#[test]
fn who_asked_hears_that_its_event_is_parked_and_nothing_after_that() {
    for_seeds(async |cluster, guarantee| {
        let policy = FailurePolicy::retry(2, Duration::from_millis(100));
        let (worker, agent) = start(&cluster, settings(guarantee), policy).await;
        let before = cluster.clock().monotonic();
        let error = ask(&agent, "a", "fail always").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Remote, "{error}");
        assert!(cluster.clock().monotonic() - before >= Duration::from_millis(300));
        assert!(is_parked(&worker.status().await));
        worker.handle().resume();
        cluster.sleep(Duration::from_secs(1)).await;
        assert!(is_parked(&worker.status().await));
        let impatient = agent.timeout(Duration::from_secs(2));
        let error = ask(&impatient, "a", "echo behind it").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "the task stands still");
    });
}

#[test]
fn a_reply_of_another_type_is_an_error_of_data() {
    simulate(1, async |cluster| {
        let (app, agent) = answerer(FailurePolicy::skip());
        let numbers = agent.topic().agent::<u64>();
        let worker = cluster.worker(app, Settings::default());
        worker.handle().started().await.unwrap();
        let error = numbers.ask("a", &"echo text".to_owned()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error.to_string().contains("the reply of answerer-answer"),
            "{error}"
        );
    });
}

#[test]
fn a_request_in_an_envelope_of_a_foreign_version_fails_and_who_asked_hears_why() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let config = faustus::TopicConfig::default();
        cluster.create_topic("answers", 1, config).await;
        let request = br#"{"value":"echo","reply_to":"answers","correlation_id":"id","__faust":{"ns":"v9.ReqRepRequest"}}"#;
        let topic = agent.topic().name();
        cluster
            .send_bytes(topic, None, Some(request), Timestamp(0))
            .await;
        cluster.settle().await;
        let replies = cluster.records("answers").await;
        let reply: serde_json::Value = replies[0].json();
        assert_eq!((replies.len(), &reply["correlation_id"]), (1, &"id".into()));
        let error = reply["error"].as_str().unwrap();
        assert!(
            error.contains("foreign kind \"v9.ReqRepRequest\""),
            "{error}"
        );
        assert!(!is_parked(&worker.status().await));
    });
}

#[test]
fn a_topic_of_replies_that_somebody_deletes_is_made_again_by_the_next_who_asks() {
    use faustus::Transport;
    for_seeds(async |cluster, guarantee| {
        let (_worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        assert_eq!(ask(&agent, "a", "echo one").await.unwrap(), "one");
        let topic = reply_topics(&cluster).await.pop().unwrap();
        let admin = cluster.log().admin();
        admin.delete_topic(&topic.as_str().into()).await.unwrap();
        cluster.sleep(Duration::from_millis(1)).await;
        assert_eq!(ask(&agent, "a", "echo two").await.unwrap(), "two");
        assert_eq!(reply_topics(&cluster).await, [topic]);
    });
}

#[test]
fn nobody_can_ask_before_the_application_runs_or_after_its_end() {
    simulate(1, async |cluster| {
        let (app, agent) = answerer(FailurePolicy::skip());
        let error = ask(&agent, "a", "echo").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let worker = cluster.worker(app, Settings::default());
        worker.handle().started().await.unwrap();
        worker.shutdown().await.unwrap();
        let error = ask(&agent, "a", "echo").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost);
    });
}

#[test]
fn the_topic_of_replies_is_made_at_the_first_ask_and_deleted_at_an_orderly_end() {
    for_seeds(async |cluster, guarantee| {
        let (worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        agent.cast("a", &"echo".to_owned()).await.unwrap();
        assert_eq!(reply_topics(&cluster).await, Vec::<String>::new());
        ask(&agent, "a", "echo").await.unwrap();
        assert_eq!(reply_topics(&cluster).await.len(), 1);
        worker.shutdown().await.unwrap();
        assert_eq!(reply_topics(&cluster).await, Vec::<String>::new());
    });
}

async fn relay(
    State(back): State<Agent<String, String>>,
    mut questions: Stream<String, String>,
) -> faustus::Result {
    while let Some(question) = questions.next().await? {
        let reply = back.ask(&(), &format!("echo {}", *question)).await?;
        question.reply(format!("relayed {reply}"));
    }
    Ok(())
}

#[test]
fn agents_and_tasks_ask_agents_of_this_and_other_workers() {
    for_seeds(async |cluster, guarantee| {
        let app = || {
            let (app, back) = answerer(FailurePolicy::skip());
            let (questions, noted) = (
                app.topic::<String>("relayed").partitions(4),
                app.topic::<String>("noted").partitions(1),
            );
            let front = questions.agent::<String>();
            let (asked, note) = (front.clone(), noted);
            let app = app
                .with_state(back)
                .agent("relay", &questions, |a| a.run(relay))
                .task("ask-once", move || {
                    let (asked, note) = (asked.clone(), note.clone());
                    async move {
                        let reply = asked.ask("t", &"task".to_owned()).await?;
                        note.send(&(), &reply).await.map(drop)
                    }
                });
            (app, front)
        };
        let (first, front) = app();
        let _first = cluster.worker(first, settings(guarantee));
        let (second, _) = app();
        let second = cluster.worker(second, settings(guarantee));
        second.handle().started().await.unwrap();
        for key in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(
                ask(&front, key, key).await.unwrap(),
                format!("relayed {key}")
            );
        }
        second.crash();
        let patient = front.timeout(Duration::from_secs(120));
        for key in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(
                ask(&patient, key, key).await.unwrap(),
                format!("relayed {key}")
            );
        }
        let noted = cluster.records("noted").await;
        assert!(!noted.is_empty());
        assert!(
            noted
                .iter()
                .all(|note| note.json::<String>() == "relayed task")
        );
    });
}

#[test]
fn a_request_is_answered_behind_group_by_too() {
    for_seeds(async |cluster, guarantee| {
        let app = App::new("grouped");
        let questions = app.topic::<String>("questions").partitions(4);
        let agent = questions.agent::<String>();
        let by_text = questions.group_by_key("text", String::clone);
        let app = app.agent("answer", by_text, |a| a.run(answer));
        let worker = cluster.worker(app, settings(guarantee));
        worker.handle().started().await.unwrap();
        for style in [agent.clone(), agent.envelope()] {
            assert_eq!(ask(&style, "a", "echo one").await.unwrap(), "one");
        }
    });
}

//! Asking into one's own turn.

use std::time::Duration;

use faustus::{ErrorKind, FailurePolicy, Settings, prelude::*, testing::simulate};

/// Asks another agent of its own topic, or itself, under the key that the question names.
async fn ask_own(
    State(own): State<Agent<String, String>>,
    mut questions: Stream<String, String>,
) -> faustus::Result {
    while let Some(question) = questions.next().await? {
        let reply = match question.split_once(' ') {
            Some(("key", key)) => own.ask(key, &"plain".to_owned()).await?,
            Some(_) => own.ask(&(), &"plain".to_owned()).await?,
            None => "plain".to_owned(),
        };
        question.reply(reply);
    }
    Ok(())
}

fn app(partitions: u32, lanes: u32) -> (App<Agent<String, String>>, Agent<String, String>) {
    let app = App::new("own");
    let questions = app.topic::<String>("questions").partitions(partitions);
    let agent = questions.agent().timeout(Duration::from_secs(5));
    let app = app
        .with_state(agent.clone())
        .agent("ask-own", &questions, |a| {
            a.on_failure(FailurePolicy::skip())
                .concurrency(lanes)
                .run(ask_own)
        });
    (app, agent)
}

/// Whatever the lane: nothing of a later event leaves before all earlier ones of the task are done.
#[test]
fn asking_the_own_task_is_an_error_at_once() {
    for lanes in [1, 8] {
        simulate(u64::from(lanes), async |cluster| {
            let (app, agent) = app(1, lanes);
            let worker = cluster.worker(app, Settings::default());
            worker.handle().started().await.unwrap();
            for question in ["key a", "key b", "none !"] {
                let before = cluster.clock().monotonic();
                let error = agent.ask("a", &question.to_owned()).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Remote);
                let text = error.to_string();
                assert!(text.contains("agent ask-own asks questions/0"), "{text}");
                assert!(text.contains("would wait for itself"), "{text}");
                assert!(cluster.clock().monotonic() - before < Duration::from_secs(1));
            }
        });
    }
}

#[test]
fn asking_another_partition_of_the_own_topic_is_fine_and_so_is_asking_without_a_key() {
    simulate(1, async |cluster| {
        let (app, agent) = app(2, 1);
        let worker = cluster.worker(app, Settings::default());
        worker.handle().started().await.unwrap();
        let keys: Vec<String> = (0..10).map(|key| key.to_string()).collect();
        let of = |key: &String| faustus_core::partition_for_key(key.as_bytes(), 2);
        for (one, other) in keys.iter().zip(&keys[1..]) {
            let reply = agent.ask(one, &format!("key {other}")).await;
            assert_eq!(reply.is_ok(), of(one) != of(other), "{reply:?}");
            assert_eq!(agent.ask(one, &"none !".to_owned()).await.unwrap(), "plain");
        }
    });
}

/// Two agents that ask each other: nobody can know beforehand.
#[test]
fn a_longer_cycle_ends_with_the_timeout() {
    simulate(1, async |cluster| {
        let app = App::new("cycle");
        let (ping, pong) = (
            app.topic::<String>("ping").partitions(1),
            app.topic::<String>("pong").partitions(1),
        );
        let second = Duration::from_secs(1);
        let (to_ping, to_pong) = (ping.agent().timeout(second), pong.agent().timeout(second));
        let asker = ping.agent::<String>();
        let skip = FailurePolicy::skip;
        let app = app
            .with_state(to_pong)
            .agent("ping", &ping, |a| a.on_failure(skip()).run(hit))
            .with_state(to_ping)
            .agent("pong", &pong, |a| a.on_failure(skip()).run(hit));
        let worker = cluster.worker(app, Settings::default());
        worker.handle().started().await.unwrap();
        let error = asker.ask("a", &"ball".to_owned()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Remote);
        assert!(error.to_string().contains("no reply from"), "{error}");
    });
}

async fn hit(
    State(other): State<Agent<String, String>>,
    mut balls: Stream<String, String>,
) -> faustus::Result {
    while let Some(ball) = balls.next().await? {
        ball.reply(other.ask("a", &ball).await?);
    }
    Ok(())
}

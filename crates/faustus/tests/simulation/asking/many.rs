//! Many askers and many requests.

use std::{collections::BTreeMap, time::Duration};

use faustus::{ErrorKind, FailurePolicy, Settings, prelude::*, testing::simulate};
use faustus_log::{Call, Fault, Rule};
use futures_util::future::join_all;

use super::{ask, start};
use crate::scenario::{for_seeds, settings};

/// Python's Faust gives up at a thousand.
#[test]
fn ten_thousand_requests_are_outstanding_at_once() {
    simulate(1, async |cluster| {
        let (_worker, agent) = start(&cluster, Settings::default(), FailurePolicy::skip()).await;
        let asked = (0..10_000).map(|n: u32| {
            let question = format!("echo {n}");
            agent.ask(&n.to_string(), &question)
        });
        for (n, reply) in join_all(asked).await.into_iter().enumerate() {
            assert_eq!(reply.unwrap(), n.to_string());
        }
    });
}

#[test]
fn join_gives_all_replies_in_order_and_map_as_they_come() {
    for_seeds(async |cluster, guarantee| {
        let (_worker, agent) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let questions = || (0..100).map(|n| format!("echo {n}"));
        let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(agent.join(questions()).await.unwrap(), expected);
        let items = questions()
            .zip(0_u64..)
            .map(|(question, key)| (key, question));
        assert_eq!(agent.kvjoin(items.clone()).await.unwrap(), expected);
        let mut came = Vec::new();
        let mut answers = agent.map(questions());
        while let Some(reply) = answers.next().await {
            came.push(reply.unwrap());
        }
        came.sort_by_key(|reply| reply.parse::<u64>().unwrap());
        assert_eq!(came, expected);
        let mut came = BTreeMap::new();
        let mut answers = agent.kvmap(items);
        while let Some((key, reply)) = answers.next().await {
            came.insert(key, reply.unwrap());
        }
        assert_eq!(came.into_values().collect::<Vec<_>>(), expected);
    });
}

#[test]
fn one_failure_of_many_is_the_failure_of_join_and_an_item_of_map() {
    simulate(1, async |cluster| {
        let (_worker, agent) = start(&cluster, Settings::default(), FailurePolicy::skip()).await;
        let questions = || ["echo a", "fail b", "echo c"].map(str::to_owned);
        let error = agent.join(questions()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Remote);
        let mut answers = agent.map(questions());
        let mut failed = 0;
        while let Some(reply) = answers.next().await {
            failed += u32::from(reply.is_err());
        }
        assert_eq!(failed, 1);
    });
}

#[test]
fn each_worker_gets_the_replies_to_what_it_asked() {
    for_seeds(async |cluster, guarantee| {
        let (_first, one) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let (_second, other) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let asking = async |agent: &Agent<String, String>, name: &str| {
            let patient = agent.clone().timeout(Duration::from_secs(120));
            for n in 0..20 {
                let (key, text) = (n.to_string(), format!("{name}-{n}"));
                let reply = ask(&patient, &key, &format!("echo {text}")).await;
                assert_eq!(reply.unwrap(), text);
            }
        };
        tokio::join!(asking(&one, "one"), asking(&other, "other"));
    });
}

#[test]
fn all_are_answered_though_every_call_of_the_agents_may_fail_now_and_then() {
    for_seeds(async |cluster, guarantee| {
        let (agents, _) = start(&cluster, settings(guarantee), FailurePolicy::skip()).await;
        let unavailable = |call| {
            let fault = Rule::new(call, Fault::unavailable());
            fault.always().per_mille(100)
        };
        for call in [
            Call::Publish,
            Call::Commit,
            Call::Begin,
            Call::Fetch,
            Call::Ask,
        ] {
            agents.faults().add(unavailable(call));
        }
        agents.faults().add(
            Rule::new(Call::Commit, Fault::unknown_with_effect())
                .always()
                .per_mille(100),
        );
        agents.faults().delay_all(Duration::from_millis(20));
        let app = App::new("asker");
        let agent = app.topic::<String>("answerer-answer").agent::<String>();
        let app = app.task("none", async || Ok(()));
        let asker = cluster.worker(app, settings(guarantee));
        asker.handle().started().await.unwrap();
        let agent = agent.timeout(Duration::from_secs(300));
        let items = (0_u64..100).map(|n| (n % 7, format!("echo {n}")));
        let replies = agent.kvjoin(items).await.unwrap();
        let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(replies, expected);
    });
}

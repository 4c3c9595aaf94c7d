//! Who leads, by a real group.

use std::sync::Arc;

use faustus::{Guarantee, prelude::*};
use faustus_core::TopicName;
use parking_lot::Mutex;

use crate::{
    broker::{connect, settings},
    common::{Running, check, until},
};

/// A worker's name, and the names of those that ticked.
type Ticks = (&'static str, Arc<Mutex<Vec<&'static str>>>);

async fn tick(State((name, ticks)): State<Ticks>) -> faustus::Result {
    ticks.lock().push(name);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_leads_and_another_one_when_it_ends_or_dies() {
    let ticks: Arc<Mutex<Vec<&str>>> = Arc::default();
    let start = async |name| {
        let app = App::new("leader")
            .with_state((name, Arc::clone(&ticks)))
            .timer("tick", millis(100), on_leader(tick));
        Running::start(app, &connect().await, settings(Guarantee::AtLeastOnce)).await
    };
    let turns = || {
        let mut turns = ticks.lock().clone();
        turns.dedup();
        turns
    };
    let ticked = async |who| until(async || check(turns().last() == Some(&who), turns())).await;
    let a = start("a").await;
    ticked("a").await;
    let b = start("b").await;
    let seen = ticks.lock().len();
    until(async || check(ticks.lock().len() > seen + 20, "few ticks")).await;
    assert_eq!(turns(), ["a"], "a newcomer does not take it over");
    a.shutdown().await;
    ticked("b").await;
    let c = start("c").await;
    b.crash().await;
    ticked("c").await;
    assert_eq!(turns(), ["a", "b", "c"]);
    let topic = [TopicName::from("leader-__assignor-__leader")];
    let log = connect().await;
    let found = log.admin().describe_topics(&topic).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().partitions, 1);
    c.shutdown().await;
}

//! Work for the leader: on one worker at a time, whatever becomes of workers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use faustus::{
    Settings,
    prelude::*,
    testing::{Cluster, TestWorker, simulate},
};
use faustus_core::{TopicName, Transport as _};
use faustus_log::{Call, Fault, Rule};

use crate::common::diary::Diary;

async fn tick(State(diary): State<Diary>) -> faustus::Result {
    diary.note("");
    Ok(())
}

/// A task that shows by a note each 100 ms that it is alive.
async fn live(State(diary): State<Diary>) -> faustus::Result {
    loop {
        diary.note("");
        tokio::time::sleep(millis(100)).await;
    }
}

fn settings() -> Settings {
    Settings {
        threads: 1,
        ..Settings::default()
    }
}

/// An application with a timer of the leader; workers differ by their diary alone.
fn timer(cluster: &Cluster, diary: &Diary, name: &'static str) -> TestWorker {
    let app = App::new("led")
        .with_state(diary.by(name))
        .timer("tick", secs(1), on_leader(tick));
    cluster.worker(app, settings())
}

fn task(cluster: &Cluster, diary: &Diary, name: &'static str) -> TestWorker {
    let app = App::new("led")
        .with_state(diary.by(name))
        .task("live", on_leader(live));
    cluster.worker(app, settings())
}

/// The writers in the order of their turns.
fn turns(diary: &Diary) -> Vec<String> {
    let mut turns = diary.notes();
    turns.dedup();
    turns
}

#[test]
fn a_timer_of_the_leader_ticks_on_one_worker_once_each_time() {
    for seed in 0..10 {
        simulate(seed, async |cluster| {
            let diary = Diary::new(cluster.clock());
            let workers = ["a", "b", "c"].map(|name| timer(&cluster, &diary, name));
            cluster.sleep(secs(100)).await;
            let turns = turns(&diary);
            assert_eq!(turns.len(), 1, "{turns:?}");
            let ticks = diary.times(&turns[0]).len();
            assert!((90..=100).contains(&ticks), "{ticks}");
            drop(workers);
        });
    }
}

#[test]
fn a_crontab_of_the_leader_runs_once_for_each_time_among_all_workers() {
    for seed in 0..10 {
        simulate(seed, async |cluster| {
            let diary = Diary::new(cluster.clock());
            let workers = ["a", "b", "c"].map(|name| {
                let app = App::new("led").with_state(diary.by(name)).crontab(
                    "minutes",
                    "* * * * *",
                    on_leader(tick),
                );
                cluster.worker(app, settings())
            });
            for worker in workers {
                // Its successor leads long before the next minute.
                cluster.sleep(minutes(5) + secs(20)).await;
                worker.shutdown().await.unwrap();
            }
            assert!(turns(&diary).len() > 1, "{:?}", turns(&diary));
            let times: Vec<_> = (1..=16).map(minutes).collect();
            assert_eq!(diary.all_times(), times);
        });
    }
}

#[test]
fn the_leader_has_the_partition_of_fausts_leader_topic() {
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let worker = timer(&cluster, &diary, "a");
        cluster.sleep(secs(5)).await;
        let name = [TopicName::from("led-__assignor-__leader")];
        let found = cluster.log().admin().describe_topics(&name).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().partitions, 1);
        assert!(!diary.notes().is_empty());
        worker.crash();
    });
}

#[test]
fn another_worker_leads_when_the_leader_dies() {
    for seed in 0..10 {
        simulate(seed, async |cluster| {
            let diary = Diary::new(cluster.clock());
            let first = timer(&cluster, &diary, "a");
            cluster.sleep(secs(20)).await;
            let second = timer(&cluster, &diary, "b");
            cluster.sleep(secs(20)).await;
            first.crash();
            cluster.sleep(secs(120)).await;
            assert_eq!(turns(&diary), ["a", "b"]);
            let (last, next) = (*diary.times("a").last().unwrap(), diary.times("b")[0]);
            assert!(next - last < secs(50), "a session, and no longer");
            drop(second);
        });
    }
}

#[test]
fn another_worker_leads_at_once_when_the_leader_ends_in_good_order() {
    for seed in 0..10 {
        simulate(seed, async |cluster| {
            let diary = Diary::new(cluster.clock());
            let first = task(&cluster, &diary, "a");
            cluster.sleep(secs(20)).await;
            let second = task(&cluster, &diary, "b");
            cluster.sleep(secs(20)).await;
            first.shutdown().await.unwrap();
            cluster.sleep(secs(30)).await;
            assert_eq!(turns(&diary), ["a", "b"]);
            let between = diary.times("b")[0] - *diary.times("a").last().unwrap();
            assert!(between < secs(20), "{between:?}");
            drop(second);
        });
    }
}

#[test]
fn a_leader_that_sleeps_through_its_lease_makes_not_one_step_more() {
    for seed in 0..20 {
        simulate(seed, async |cluster| {
            let diary = Diary::new(cluster.clock());
            let first = task(&cluster, &diary, "a");
            cluster.sleep(secs(20)).await;
            let second = task(&cluster, &diary, "b");
            cluster.sleep(secs(20) + millis(seed * 37)).await;
            first.freeze();
            cluster.sleep(secs(90)).await;
            first.thaw();
            cluster.sleep(secs(60)).await;
            assert_eq!(turns(&diary), ["a", "b"]);
            drop(second);
        });
    }
}

#[test]
fn a_leader_cut_off_from_its_group_stops_before_another_one_begins() {
    for seed in 0..20 {
        simulate(seed, async |cluster| {
            let diary = Diary::new(cluster.clock());
            let first = task(&cluster, &diary, "a");
            cluster.sleep(secs(20)).await;
            let second = task(&cluster, &diary, "b");
            cluster.sleep(secs(20) + millis(seed * 731)).await;
            cut_off(&first);
            cluster.sleep(secs(120)).await;
            assert_eq!(turns(&diary), ["a", "b"]);
            // What it could not hear of, it stopped for by itself.
            assert!(*diary.times("a").last().unwrap() < diary.times("b")[0]);
            drop(second);
        });
    }
}

/// From now on the worker does not reach its group.
fn cut_off(worker: &TestWorker) {
    for call in [Call::Heartbeat, Call::Join, Call::Sync, Call::Leave] {
        let rule = Rule::new(call, Fault::unavailable()).always();
        worker.faults().add(rule);
    }
}

/// How many do it now, and the most that ever did.
#[derive(Clone, Default)]
struct Crowd(Arc<[AtomicUsize; 2]>);

struct Inside(Crowd);

impl Crowd {
    fn enter(&self) -> Inside {
        let now = self.0[0].fetch_add(1, Ordering::SeqCst) + 1;
        self.0[1].fetch_max(now, Ordering::SeqCst);
        Inside(self.clone())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0[0].fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn ticks_of_the_leader_never_run_on_two_workers_while_workers_come_and_go() {
    async fn slow(State((diary, crowd)): State<(Diary, Crowd)>) -> faustus::Result {
        let _inside = crowd.enter();
        diary.note("");
        tokio::time::sleep(millis(2_700)).await;
        Ok(())
    }
    async fn pass(mut events: Stream<String>) -> faustus::Result {
        while events.next().await?.is_some() {}
        Ok(())
    }
    for seed in 0..20 {
        simulate(seed, async |cluster| {
            let (diary, crowd) = (Diary::new(cluster.clock()), Crowd::default());
            let start = |name| {
                let app = App::new("led");
                let events = app.topic("events").partitions(3);
                let app = app
                    .with_state((diary.by(name), crowd.clone()))
                    .agent("pass", &events, |a| a.run(pass))
                    .timer("slow", secs(3), on_leader(slow));
                cluster.worker(app, settings())
            };
            let pause = |n: u64| cluster.sleep(millis(20_000 + (seed * 977 + n * 613) % 5_000));
            let a = start("a");
            pause(1).await;
            let b = start("b");
            pause(2).await;
            let c = start("c");
            pause(3).await;
            a.shutdown().await.unwrap();
            pause(4).await;
            let d = start("d");
            pause(5).await;
            b.crash();
            cluster.sleep(secs(100)).await;
            cut_off(&c);
            cluster.sleep(secs(200)).await;
            assert_eq!(crowd.0[1].load(Ordering::SeqCst), 1);
            assert!(diary.notes().len() > 60, "{:?}", turns(&diary));
            drop(d);
        });
    }
}

#[test]
fn a_task_of_the_leader_that_is_done_stays_done() {
    simulate(1, async |cluster| {
        let diary = Diary::new(cluster.clock());
        let app = App::new("led")
            .with_state(diary.clone())
            .task("once", on_leader(tick));
        let worker = cluster.worker(app, settings());
        cluster.sleep(Duration::from_secs(60)).await;
        assert_eq!(diary.notes().len(), 1);
        worker.crash();
    });
}

#[test]
fn a_program_can_look_at_whether_its_worker_leads() {
    simulate(1, async |cluster| {
        let start = || {
            // It has no other work for a leader.
            let app = App::new("led");
            let leader = app.leader();
            let app = app.task("none", async || Ok(()));
            assert!(!leader.is_leader(), "nothing runs yet");
            (cluster.worker(app, settings()), leader)
        };
        let (first, first_leads) = start();
        cluster.sleep(secs(30)).await;
        assert!(first_leads.is_leader());
        let (second, second_leads) = start();
        cluster.sleep(secs(60)).await;
        assert!(first_leads.is_leader() && !second_leads.is_leader());
        // It is cut off: before another one leads, it knows that it does not.
        let cut = Rule::new(Call::Heartbeat, Fault::unavailable()).always();
        first.faults().add(cut);
        while first_leads.is_leader() {
            cluster.sleep(millis(100)).await;
            assert!(!(first_leads.is_leader() && second_leads.is_leader()));
        }
        assert!(!second_leads.is_leader());
        cluster.sleep(secs(60)).await;
        assert!(second_leads.is_leader());
        second.shutdown().await.unwrap();
        assert!(!second_leads.is_leader(), "it has ended");
        first.crash();
    });
}

//! Whole groups on the broker under faults, pauses and deaths, from a seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use faustus_core::{Offset, OffsetCommit, TopicPartition, Transport, TransportError};
use faustus_log::{Call, Fault, FaultyTransport, Rule};
use parking_lot::Mutex;

use super::cluster::{Cluster, Seen, Worker, pass, until};
use super::*;
use crate::membership::TaskId;

/// A small generator, so that a run follows from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // The constants of Knuth's MMIX; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    async fn sleep(&mut self, below_millis: u64) {
        tokio::time::sleep(Duration::from_millis(self.below(below_millis))).await;
    }
}

/// Which member has committed which task in which generation. A static member's name stands for its
/// predecessors too: it keeps its place in a generation.
type Commits = Arc<Mutex<BTreeMap<(i32, TaskId), String>>>;

/// Commits what the worker runs, again and again, and notes what was taken.
async fn commit(
    group: ClassicGroup,
    seen: Arc<Mutex<Seen>>,
    transport: Arc<dyn Transport>,
    commits: Commits,
    worker: String,
    mut random: Random,
) {
    let coordinator = transport.coordinator("group");
    while let Some(permit) = group.permit().await {
        let runs: BTreeSet<TaskId> = seen.lock().runs.clone();
        random.sleep(300).await;
        let offsets = runs
            .iter()
            .map(|t| OffsetCommit::new(TopicPartition::new("orders", t.partition), Offset(1)));
        let identity = permit.identity().clone();
        let generation = identity.generation;
        if coordinator
            .commit_offsets(identity, offsets.collect())
            .await
            .is_ok()
        {
            let mut commits = commits.lock();
            for task in runs {
                let owner = commits.entry((generation, task.clone()));
                let owner = owner.or_insert_with(|| worker.clone());
                assert_eq!(
                    *owner, worker,
                    "{task} was committed by two in {generation}"
                );
            }
        }
        drop(permit);
        random.sleep(500).await;
    }
}

async fn run(seed: u64) {
    let mut cluster = Cluster::new();
    cluster.create_topic().await;
    let healthy = Arc::clone(&cluster.log);
    let faults = faustus_log::Faults::new(seed);
    cluster.log = Arc::new(FaultyTransport::new(
        Arc::clone(&healthy),
        Arc::clone(&cluster.clock),
        faults.clone(),
    ));
    for call in [Call::Join, Call::Sync, Call::Heartbeat] {
        let unknown = TransportError::OutcomeUnknown("injected".into());
        for fault in [Fault::unavailable(), Fault::After(unknown), Fault::Cut(1)] {
            faults.add(Rule::new(call, fault).always().per_mille(40));
        }
    }
    faults.delay_all(Duration::from_millis(200));

    let commits = Commits::default();
    let mut random = Random(seed);
    let mut started = 0;
    let mut workers: BTreeMap<usize, Worker> = BTreeMap::new();
    let mut start = |workers: &mut BTreeMap<usize, Worker>, instance: Option<String>| {
        started += 1;
        let worker = cluster.worker(instance.as_deref());
        worker.accompany(commit(
            worker.group.clone(),
            Arc::clone(&worker.seen),
            Arc::clone(&healthy),
            Arc::clone(&commits),
            instance.unwrap_or_else(|| started.to_string()),
            Random(seed + started as u64),
        ));
        workers.insert(started, worker);
    };
    start(&mut workers, None);
    start(&mut workers, Some("static".into()));
    for _ in 0..60 {
        random.sleep(4000).await;
        let at = usize::try_from(random.below(workers.len().max(1) as u64)).unwrap();
        let id = workers.keys().nth(at).copied();
        match (random.below(8), id) {
            (0 | 1, _) if workers.len() < 5 => start(&mut workers, None),
            (2, Some(id)) => {
                let dead = workers.remove(&id).unwrap();
                let instance = dead.instance.clone();
                dead.die();
                if instance.is_some() {
                    start(&mut workers, instance);
                }
            }
            (3, Some(id)) => workers[&id].pause.set(true),
            (4 | 5, Some(id)) => workers[&id].pause.set(false),
            (6, Some(id)) => workers[&id].group.rejoin("asked"),
            (7, Some(id)) if workers[&id].instance.is_none() => {
                workers[&id].group.leave(false);
            }
            _ => {}
        }
        workers.retain(|_, w| w.seen.lock().end != Some(GroupEvent::Left));
    }
    faults.clear();
    if workers.is_empty() {
        start(&mut workers, None);
    }
    for worker in workers.values() {
        worker.pause.set(false);
        assert!(
            !worker.is_broken(),
            "an assertion in a task failed, seed {seed}"
        );
    }
    pass(100).await;
    workers.retain(|_, w| w.seen.lock().end != Some(GroupEvent::Left));
    if workers.is_empty() {
        return;
    }
    let all = || -> Vec<TaskId> { workers.values().flat_map(Worker::runs).collect() };
    until(|| all().len() == 9).await;
    let distinct: BTreeSet<TaskId> = all().into_iter().collect();
    assert_eq!(distinct.len(), 9, "seed {seed}");
    let generations: BTreeSet<i32> = workers.values().map(|w| w.group.generation()).collect();
    assert_eq!(generations.len(), 1, "seed {seed}");
    pass(100).await;
    for worker in workers.values() {
        assert!(
            !worker.is_broken(),
            "an assertion in a task failed, seed {seed}"
        );
        assert!(
            generations.contains(&worker.group.generation()),
            "seed {seed}"
        );
    }
}

#[test]
fn in_every_generation_one_worker_commits_a_task_and_in_the_end_all_are_run() {
    let seeds = std::env::var("SEEDS").map_or(20, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        // A runtime of its own, so that nothing of one run is left in the next.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(run(seed));
    }
}

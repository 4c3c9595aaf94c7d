//! A broker with members on it, the way processes would be: stopped, killed, started again.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use faustus_core::{BoxFuture, Clock, NewTopic, Timestamp, TopicConfig, Transport};
use faustus_log::MemoryLog;
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};

use super::super::*;
use crate::{TokioClock, membership::TaskId};

pub(super) const SESSION: Duration = Duration::from_secs(10);

/// A broker, and the group on it.
pub(super) struct Cluster {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log: Arc<dyn Transport>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::beginning_at(Timestamp(0)));
        let log = Arc::new(MemoryLog::new(Arc::clone(&clock), 1));
        Self { clock, log }
    }

    /// Makes the topic of the tasks, for whose partitions offsets can be committed then.
    pub(super) async fn create_topic(&self) {
        let topic = NewTopic {
            name: "orders".into(),
            partitions: 9,
            replicas: None,
            config: TopicConfig::default(),
        };
        let made = self.log.admin().create_topics(&[topic]).await.unwrap();
        assert_eq!(made, [Ok(())]);
    }

    pub(super) fn config(instance: Option<&str>) -> MemberConfig {
        let subtopology = SubTopology {
            name: "orders".into(),
            topics: vec!["orders".into()],
            smaller: BTreeMap::default(),
            partitions: 9,
            stateful: true,
        };
        MemberConfig {
            instance: instance.map(Into::into),
            session_timeout: SESSION,
            rebalance_timeout: Duration::from_secs(15),
            revoke_timeout: Duration::from_secs(5),
            commit_timeout: Duration::from_secs(4),
            lease_margin: Duration::from_secs(1),
            ..MemberConfig::new("group", vec![subtopology])
        }
    }

    /// A member whose events the test takes itself.
    pub(super) fn join(&self, config: MemberConfig) -> (ClassicGroup, Arc<Pause>, JoinHandle<()>) {
        let coordinator = self.log.coordinator(&config.group);
        let (group, driver) = classic_group(config, coordinator, Arc::clone(&self.clock));
        let pause = Arc::new(Pause::default());
        let driver = tokio::spawn(Pausable {
            future: Box::pin(driver.run()),
            pause: Arc::clone(&pause),
        });
        (group, pause, driver)
    }

    /// A member with a runtime that does what events say at once.
    pub(super) fn worker(&self, instance: Option<&str>) -> Worker {
        let (group, pause, driver) = self.join(Self::config(instance));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let runtime = tokio::spawn(follow(group.clone(), Arc::clone(&seen)));
        Worker {
            group,
            pause,
            seen,
            driver,
            runtime,
            instance: instance.map(Into::into),
            others: Mutex::default(),
        }
    }

    pub(super) async fn workers(&self, instances: [Option<&str>; 3]) -> [Worker; 3] {
        let workers = instances.map(|instance| self.worker(instance));
        until(|| workers.iter().all(|w| w.runs().len() == 3)).await;
        for worker in &workers {
            worker.seen.lock().revoked.clear();
        }
        workers
    }
}

/// What a runtime has seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) runs: BTreeSet<TaskId>,
    pub(super) revoked: BTreeSet<TaskId>,
    pub(super) losses: usize,
    pub(super) end: Option<GroupEvent>,
}

async fn follow(group: ClassicGroup, seen: Arc<Mutex<Seen>>) {
    loop {
        let event = group.next_event().await;
        let mut seen = seen.lock();
        match event {
            GroupEvent::Assigned(assigned) => seen.runs.extend(assigned.added),
            GroupEvent::Revoked { generation, tasks } => {
                seen.runs.retain(|task| !tasks.contains(task));
                seen.revoked.extend(tasks);
                group.revoked_done(generation);
            }
            GroupEvent::Lost { .. } => {
                seen.losses += 1;
                seen.runs.clear();
            }
            end @ (GroupEvent::Left | GroupEvent::Failed(_)) => {
                seen.end = Some(end);
                return;
            }
        }
    }
}

pub(super) struct Worker {
    pub(super) group: ClassicGroup,
    pub(super) pause: Arc<Pause>,
    pub(super) seen: Arc<Mutex<Seen>>,
    driver: JoinHandle<()>,
    runtime: JoinHandle<()>,
    pub(super) instance: Option<String>,
    /// Further tasks of the process.
    others: Mutex<Vec<JoinHandle<()>>>,
}

impl Worker {
    pub(super) fn runs(&self) -> BTreeSet<TaskId> {
        self.seen.lock().runs.clone()
    }

    /// Ends without a word, as a killed process does.
    pub(super) fn die(self) {
        self.runtime.abort();
        self.driver.abort();
        self.others.lock().iter().for_each(JoinHandle::abort);
    }

    /// Starts a task that dies with the worker.
    pub(super) fn accompany(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.others.lock().push(tokio::spawn(task));
    }

    /// Whether a task of it has panicked; a worker that left or failed has ended all its tasks.
    pub(super) fn is_broken(&self) -> bool {
        let ended = self.seen.lock().end.is_some();
        let finished = |task: &JoinHandle<()>| task.is_finished();
        !ended && (finished(&self.runtime) || self.others.lock().iter().any(finished))
    }
}

/// Stands for a process that is stopped: its futures are not polled.
#[derive(Debug, Default)]
pub(super) struct Pause(Mutex<(bool, Option<Waker>)>);

impl Pause {
    pub(super) fn set(&self, paused: bool) {
        let mut state = self.0.lock();
        state.0 = paused;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

struct Pausable {
    future: BoxFuture<'static, ()>,
    pause: Arc<Pause>,
}

impl Future for Pausable {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self.pause.0.lock();
            state.1 = Some(cx.waker().clone());
            if state.0 {
                return Poll::Pending;
            }
        }
        self.future.as_mut().poll(cx)
    }
}

pub(super) async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < deadline, "it never happens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

//! Who leads: the worker that has the one task of a sub-topology which exists for nothing else.
//!
//! That sub-topology's topic is Faust's, `<app>-__assignor-__leader`. Nothing is written to it; it is there so
//! that the group assigns its partition as any other: to one member at a time, to the same one while
//! that lives, to another one only when it has given it up or its session has ended.
//!
//! What it guarantees: a step of the leader's work is begun only while the membership counts the task
//! as ours *and* the lease runs. Both are asked before every step, so that a process that stood still
//! for longer than its lease makes not one step more. A worker that is to give the task up first
//! begins no new work, then waits a bounded time for ticks that run, then drops them.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use faustus_core::Clock;
use tokio::sync::watch;

use crate::membership::{Group, SubTopology, TaskId};

/// How long a worker that leads but has no lease waits before it looks again.
const LOOK: Duration = Duration::from_secs(1);

/// The name of the topic whose partition the leader has.
pub(crate) fn leader_topic(app: &str) -> String {
    format!("{app}-__assignor-__leader")
}

/// The sub-topology of the leader's task.
pub(crate) fn leader_sub_topology(app: &str) -> SubTopology {
    let name = leader_topic(app);
    SubTopology {
        name: name.as_str().into(),
        topics: vec![name.as_str().into()],
        smaller: BTreeMap::default(),
        partitions: 1,
        stateful: false,
    }
}

/// What the leader's work is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Rest,
    Work,
    /// Begin nothing new.
    Finish,
}

/// What becomes of the leader's work when the task is to be given up in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtRevoke {
    /// It may end, for a bounded time.
    Finish,
    /// It is dropped at once.
    Drop,
}

/// Whether this worker leads, and what it does as the leader.
pub(crate) struct Leadership {
    task: TaskId,
    clock: Arc<dyn Clock>,
    group: Arc<dyn Group>,
    order: watch::Sender<Order>,
    /// The names of what runs.
    running: watch::Sender<Vec<Arc<str>>>,
}

impl Leadership {
    pub(crate) fn new(app: &str, group: Arc<dyn Group>, clock: Arc<dyn Clock>) -> Self {
        Self {
            task: TaskId::new(leader_topic(app), 0),
            clock,
            group,
            order: watch::Sender::new(Order::Rest),
            running: watch::Sender::new(Vec::new()),
        }
    }

    /// Whether it is this task that makes a worker the leader.
    pub(crate) fn is_by(&self, task: &TaskId) -> bool {
        self.task == *task
    }

    /// The task was assigned to this worker.
    pub(crate) fn gain(&self) {
        tracing::info!("this worker leads");
        self.order.send_replace(Order::Work);
    }

    /// The task is to be given up: waits for what runs, then drops it.
    pub(crate) async fn give_up(&self, patience: Duration) {
        self.order.send_replace(Order::Finish);
        if !self.rests_within(patience).await {
            tracing::warn!(
                jobs = ?*self.running.borrow(),
                "work of the leader was not finished in time; it is dropped where it waits"
            );
            self.lose();
            // It is gone at its next step, unless that is one that blocks.
            if !self.rests_within(LOOK).await {
                tracing::error!(
                    jobs = ?*self.running.borrow(),
                    "work of the leader blocks its thread and goes on beside the next leader's"
                );
            }
        }
        self.lose();
    }

    /// The task is not ours any more; what runs is dropped at its next step.
    pub(crate) fn lose(&self) {
        self.order.send_replace(Order::Rest);
    }

    async fn rests_within(&self, patience: Duration) -> bool {
        let mut running = self.running.subscribe();
        tokio::select! {
            biased;
            _ = running.wait_for(Vec::is_empty) => true,
            () = self.clock.sleep(patience) => false,
        }
    }

    /// Whether this worker leads and has a lease.
    pub(crate) fn leads(&self) -> bool {
        self.allows(AtRevoke::Drop).is_some()
    }

    /// How long the lease still runs, if this worker has one on the task.
    fn lease(&self) -> Option<Duration> {
        let until = self.group.lease_of(&self.task)?;
        let left = until.checked_sub(self.clock.monotonic())?;
        (!left.is_zero()).then_some(left)
    }

    /// For how long `work` may go on without asking again.
    fn allows(&self, at_revoke: AtRevoke) -> Option<Duration> {
        match (*self.order.borrow(), at_revoke) {
            (Order::Work, _) | (Order::Finish, AtRevoke::Finish) => self.lease(),
            (Order::Rest, _) | (Order::Finish, AtRevoke::Drop) => None,
        }
    }

    /// Waits until this worker leads.
    pub(crate) async fn gained(&self) {
        let mut order = self.order.subscribe();
        while !self.leads() {
            let works = *order.borrow_and_update() == Order::Work;
            tokio::select! {
                biased;
                _ = order.changed() => {}
                () = self.clock.sleep(LOOK), if works => {}
            }
        }
    }

    /// Does `work` if this worker leads, and as long as it does.
    pub(crate) async fn lead<T>(
        &self,
        name: &Arc<str>,
        at_revoke: AtRevoke,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let _runs = self.begin(name)?;
        let (mut work, mut over) = (pin!(work), pin!(self.over(at_revoke)));
        poll_fn(|cx| {
            if self.allows(at_revoke).is_none() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            over.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    fn begin(&self, name: &Arc<str>) -> Option<Runs<'_>> {
        let mut begun = false;
        self.running.send_modify(|running| {
            // Who gives up sets the order first and looks here then.
            begun = self.leads();
            if begun {
                running.push(Arc::clone(name));
            }
        });
        begun.then(|| Runs {
            leadership: self,
            name: Arc::clone(name),
        })
    }

    /// Waits until work is not allowed any more.
    async fn over(&self, at_revoke: AtRevoke) {
        let mut order = self.order.subscribe();
        while let Some(left) = self.allows(at_revoke) {
            tokio::select! {
                biased;
                _ = order.changed() => {}
                () = self.clock.sleep(left) => {}
            }
        }
    }
}

/// Something that runs.
struct Runs<'a> {
    leadership: &'a Leadership,
    name: Arc<str>,
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.leadership.running.send_modify(|running| {
            if let Some(index) = running.iter().position(|name| *name == self.name) {
                running.swap_remove(index);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_has_fausts_name() {
        assert_eq!(leader_topic("myid"), "myid-__assignor-__leader");
    }
}

//! What people ask of a running worker: handed on to its threads, whose answers nobody here waits for.
//!
//! A thread may hang. So whoever asks gets the places where the answers will be, and for each what can
//! be said without it: which tasks the thread has, and which lane it does not come back from.

use std::{collections::BTreeSet, fmt, sync::Arc};

use faustus_core::{Offset, TopicPartition};
use tokio::sync::oneshot;

use super::{Control, Thread};
use crate::{
    membership::TaskId,
    runtime::{
        status::{LaneState, LaneStatus, TaskState, TaskStatus},
        thread::{AgentOrder, Command},
    },
};

/// The answers of all threads, to be waited for by who asked: a thread may hang.
pub(crate) type Answers<T> = Vec<Answer<T>>;

/// The answer of a thread.
pub(crate) struct Answer<T> {
    pub(crate) answer: oneshot::Receiver<Vec<T>>,
    /// What can be said if it does not come.
    pub(crate) instead: Instead<T>,
}

type Instead<T> = Box<dyn FnOnce() -> Vec<T> + Send>;

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Asks of people, for a running worker.
#[derive(Debug)]
pub(crate) enum Request {
    Skip(TopicPartition, Offset),
    Resume,
    Agent(Arc<str>, AgentOrder),
    Status(oneshot::Sender<Answers<TaskStatus>>),
    Agents(oneshot::Sender<Answers<LaneStatus>>),
    Dump(Arc<str>, oneshot::Sender<Answers<(Vec<u8>, Vec<u8>)>>),
    Shutdown,
}

impl Control {
    /// Does what is asked, which waits for no thread.
    pub(super) fn serve_request(&mut self, request: Request) {
        match request {
            Request::Skip(partition, offset) => {
                self.tell_all(|| Command::Skip(partition.clone(), offset));
            }
            Request::Resume => self.tell_all(|| Command::Resume),
            Request::Agent(agent, order) => {
                self.tell_all(|| Command::Agent(Arc::clone(&agent), order));
            }
            Request::Status(answer) => {
                let answers = self.ask_all(Command::Status, |thread| {
                    let tasks = thread.all_tasks().into_iter();
                    let plan = &self.recovery.plan;
                    let with = |task: TaskId| (plan.is_local(&task), task);
                    let tasks: Vec<_> = tasks.map(with).collect();
                    Box::new(move || tasks.into_iter().map(blocked).collect())
                });
                let _ = answer.send(answers);
            }
            Request::Agents(answer) => {
                let answers = self.ask_all(Command::Agents, |thread| self.blocked_lanes(thread));
                let _ = answer.send(answers);
            }
            Request::Dump(table, answer) => {
                let ask = |to| Command::Dump(Arc::clone(&table), to);
                let answers = self.ask_all(ask, |_| Box::new(Vec::new));
                let _ = answer.send(answers);
            }
            Request::Shutdown => self.shutdown = true,
        }
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for thread in &self.threads {
            let _ = thread.commands.send(command());
        }
    }

    fn ask_all<T>(
        &self,
        command: impl Fn(oneshot::Sender<Vec<T>>) -> Command,
        instead: impl Fn(&Thread) -> Instead<T>,
    ) -> Answers<T> {
        let ask = |thread: &Thread| {
            let (to, answer) = oneshot::channel();
            let _ = thread.commands.send(command(to));
            let instead = instead(thread);
            Answer { answer, instead }
        };
        self.threads.iter().map(ask).collect()
    }

    /// What can be said of a thread's lanes while it does not answer: which of them it polls.
    fn blocked_lanes(&self, thread: &Thread) -> Instead<LaneStatus> {
        let tasks = thread.all_tasks().into_iter();
        let lanes: Vec<_> = tasks
            .map(|task| {
                let lanes = self.recovery.lanes(&task);
                (task, lanes)
            })
            .collect();
        let (pulse, clock) = (Arc::clone(&thread.pulse), Arc::clone(&self.clock));
        Box::new(move || {
            let polled = pulse.polled();
            let mut statuses = Vec::new();
            for (task, lanes) in lanes {
                for (index, (agent, lane)) in lanes.into_iter().enumerate() {
                    let since = polled.as_ref().and_then(|(of, polled, since)| {
                        (*of == task && *polled == index).then_some(*since)
                    });
                    let state = since.map_or(LaneState::Blocked, |since| LaneState::Blocking {
                        since: pulse.wall(&*clock, since),
                    });
                    statuses.push(LaneStatus {
                        agent,
                        task: task.clone(),
                        lane,
                        taken: 0,
                        state,
                    });
                }
            }
            statuses
        })
    }
}

impl Thread {
    /// The tasks that it is to have, and those that it still has.
    fn all_tasks(&self) -> BTreeSet<TaskId> {
        let mut tasks: BTreeSet<TaskId> = self.tasks.iter().cloned().collect();
        tasks.extend(self.pulse.tasks());
        tasks
    }
}

/// What can be said of a task whose thread does not answer.
fn blocked((local, task): (bool, TaskId)) -> TaskStatus {
    TaskStatus {
        task,
        local,
        state: TaskState::Blocked,
        sources: Vec::new(),
        retired: 0,
        uncommitted: true,
    }
}

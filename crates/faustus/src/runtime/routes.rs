//! Where the tasks of this worker run, for whoever reads their tables from elsewhere in the process.
//!
//! The control loop writes it as tasks come and go. Readers ask it for a thread and wait for that
//! thread's answer; the thread itself takes no lock.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{shard::Look, thread::Command};
use crate::{
    Error, ErrorKind, Result,
    membership::{Peer, TaskId},
};

#[derive(Debug, Default)]
pub(crate) struct Routes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Weak, or a table's handle would keep threads alive.
    tasks: HashMap<TaskId, mpsc::WeakUnboundedSender<Command>>,
    peers: Arc<[Peer]>,
}

impl Routes {
    /// These tasks run on the thread behind `commands` now.
    pub(crate) fn gain(&self, tasks: &[TaskId], commands: &mpsc::UnboundedSender<Command>) {
        let mut state = self.state.lock();
        for task in tasks {
            state.tasks.insert(task.clone(), commands.downgrade());
        }
    }

    /// These tasks do not run here any more.
    pub(crate) fn give_up(&self, tasks: &[TaskId]) {
        let mut state = self.state.lock();
        for task in tasks {
            state.tasks.remove(task);
        }
    }

    /// No task runs here any more.
    pub(crate) fn lose_all(&self) {
        self.state.lock().tasks.clear();
    }

    /// What others have, as far as it is known.
    pub(crate) fn meet(&self, peers: Arc<[Peer]>) {
        self.state.lock().peers = peers;
    }

    /// The partitions of a sub-topology that run here, in order.
    pub(crate) fn partitions(&self, subtopology: &str) -> Vec<u32> {
        let state = self.state.lock();
        let ours = state
            .tasks
            .keys()
            .filter(|task| *task.subtopology == *subtopology);
        let mut partitions: Vec<u32> = ours.map(|task| task.partition).collect();
        partitions.sort_unstable();
        partitions
    }

    /// Has the task's thread look at a table.
    ///
    /// # Errors
    ///
    /// When the task does not run here.
    pub(crate) fn look(&self, task: &TaskId, look: Look) -> Result {
        let state = self.state.lock();
        let Some(thread) = state.tasks.get(task) else {
            return Err(state.elsewhere(task, look.table()));
        };
        let thread = thread.upgrade();
        drop(state);
        let sent = thread.and_then(|thread| thread.send(Command::Look(task.clone(), look)).ok());
        sent.ok_or_else(|| Error::new(ErrorKind::Lost, "the worker has ended"))
    }
}

impl State {
    fn elsewhere(&self, task: &TaskId, table: &str) -> Error {
        let peer = self.peers.iter().find(|peer| peer.active.contains(task));
        let who = match peer {
            Some(peer) => format!("the worker at {} has it", peer.url),
            None => "another worker has it, or nobody yet".to_owned(),
        };
        let partition = task.partition;
        Error::new(
            ErrorKind::Elsewhere,
            format!("this worker does not have partition {partition} of table {table}: {who}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        Look::new(&"totals".into(), |_| {})
    }

    #[test]
    fn who_asks_for_what_another_worker_has_is_told_which_one() {
        let (routes, task) = (Routes::default(), TaskId::new("count", 3));
        let error = routes.look(&task, look()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Elsewhere);
        assert!(error.to_string().contains("or nobody yet"), "{error}");
        let peer = Peer {
            url: "http://b:6066".to_owned(),
            active: [task.clone()].into(),
        };
        routes.meet([peer].into());
        let error = routes.look(&task, look()).unwrap_err().to_string();
        let expected = "this worker does not have partition 3 of table totals: \
                        the worker at http://b:6066 has it";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_look_goes_to_the_thread_of_its_task_while_the_task_is_there() {
        let (routes, task) = (Routes::default(), TaskId::new("count", 3));
        let (commands, mut thread) = mpsc::unbounded_channel();
        routes.gain(std::slice::from_ref(&task), &commands);
        routes.look(&task, look()).unwrap();
        assert!(matches!(thread.try_recv(), Ok(Command::Look(told, _)) if told == task));
        assert_eq!(routes.partitions("count"), [3]);
        assert!(routes.partitions("other").is_empty());
        routes.give_up(std::slice::from_ref(&task));
        assert!(routes.look(&task, look()).is_err());
    }

    #[test]
    fn a_route_keeps_no_thread_alive() {
        let (routes, task) = (Routes::default(), TaskId::new("count", 3));
        let (commands, mut thread) = mpsc::unbounded_channel::<Command>();
        routes.gain(std::slice::from_ref(&task), &commands);
        drop(commands);
        assert!(matches!(
            thread.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
        let error = routes.look(&task, look()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Lost);
    }
}

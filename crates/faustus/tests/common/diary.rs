//! What an application's functions note down while they run, in virtual time since the beginning.

use std::{sync::Arc, time::Duration};

use faustus_core::Clock;
use parking_lot::Mutex;

type Notes = Arc<Mutex<Vec<(Duration, String)>>>;

/// A handle on the notes, cheap to clone; each worker writes with a name of its own.
#[derive(Clone)]
pub(crate) struct Diary {
    writer: &'static str,
    clock: Arc<dyn Clock>,
    beginning: Duration,
    notes: Notes,
}

impl Diary {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            writer: "",
            beginning: clock.monotonic(),
            clock,
            notes: Notes::default(),
        }
    }

    /// The same diary, written by `writer`.
    pub(crate) fn by(&self, writer: &'static str) -> Self {
        Self {
            writer,
            ..self.clone()
        }
    }

    pub(crate) fn note(&self, what: &str) {
        let at = self.clock.monotonic() - self.beginning;
        let text = format!("{}{what}", self.writer);
        self.notes.lock().push((at, text));
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = self.notes.lock();
        notes.iter().map(|(_, what)| what.clone()).collect()
    }

    /// When `what` was noted.
    pub(crate) fn times(&self, what: &str) -> Vec<Duration> {
        let notes = self.notes.lock();
        let these = notes.iter().filter(|(_, note)| note == what);
        these.map(|(at, _)| *at).collect()
    }

    /// When anything was noted.
    pub(crate) fn all_times(&self) -> Vec<Duration> {
        self.notes.lock().iter().map(|(at, _)| *at).collect()
    }

    /// How long it was from each time to the next.
    pub(crate) fn steps(&self, what: &str) -> Vec<Duration> {
        let times = self.times(what);
        times.windows(2).map(|two| two[1] - two[0]).collect()
    }
}

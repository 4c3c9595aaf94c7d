//! What an event does beside the log: calls of functions that its replies go to, and values for channels.
//!
//! Calls are made when the agent is done with the event, and the event is complete when they have
//! ended well. Values are put into their channels at the moment in which it is complete. An event that
//! fails before does neither. Nothing of it is taken back afterwards, nor is it a part of the epoch.

use std::{collections::VecDeque, fmt, sync::Arc};

use super::topology::LocalFuture;
use crate::{Result, channel::AnyQueue};

/// A call to be made on the lane's thread.
pub(crate) type Call = Box<dyn FnOnce() -> LocalFuture<Result> + Send>;

/// A value for a channel.
pub(crate) struct Put {
    /// The channel, to wait for room in it.
    pub(crate) into: Arc<dyn AnyQueue>,
    /// Puts the value, whether there is room or not.
    pub(crate) put: Box<dyn FnOnce() + Send>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) calls: VecDeque<Call>,
    pub(crate) puts: Vec<Put>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside")
            .field("calls", &self.calls.len())
            .field("puts", &self.puts.len())
            .finish()
    }
}

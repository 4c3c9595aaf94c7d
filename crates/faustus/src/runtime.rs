//! How an application runs: from the log through lanes and back to the log.
//!
//! - [`topology`] describes, [`plan`] checks and prepares, [`worker`] decides what runs where;
//! - [`recovery`] makes a task ready, a [`thread`] runs it: [`task`], [`lane`], [`shard`];
//! - [`retirement`] and [`slots`] are the machines that keep order and undo, [`outputs`] gathers sends;
//! - an [`epoch`] goes through the [`committer`], if [`ownership`] still covers it;
//! - [`spawn`] is the seam between real threads and a test on one thread.

mod committer;
mod epoch;
mod lane;
mod outputs;
mod ownership;
mod plan;
mod recovery;
mod retirement;
mod shard;
mod slots;
mod spawn;
mod stored;
mod task;
mod thread;
mod topology;
mod worker;

pub(crate) use lane::{InFlight, LaneCore, Verdicts};
pub(crate) use outputs::{EventOutputs, TopicIndex};
pub(crate) use retirement::Number;
pub(crate) use shard::{AnyShard, TypedShard};
#[cfg(feature = "testing")]
pub(crate) use spawn::{MakeLocal, Spawned, TaskGuard};
pub(crate) use spawn::{Spawn, Threads};
pub(crate) use stored::Stored;
pub use thread::{TaskState, TaskStatus};
pub(crate) use topology::{AgentDef, AppDef, LocalFuture, TaskDef};
pub use worker::Ended;
pub(crate) use worker::{Answers, Environment, Request, run};

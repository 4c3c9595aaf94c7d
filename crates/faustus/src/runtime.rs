//! How an application runs: from the log through lanes and back to the log.
//!
//! - [`topology`] describes, [`mistakes`] looks for what is wrong, [`plan`] checks and prepares, with what
//!   [`patterns`] find, [`worker`] decides what runs where;
//! - [`recovery`] makes a task ready, a [`thread`] runs it: [`task`], [`lane`], [`shard`];
//! - [`retirement`] and [`slots`] are the machines that keep order and undo, [`outputs`] gathers sends;
//! - a [`dead_letter`] takes the place of what failed, [`status`] tells people how all of it is, and
//!   [`routes`] lead them to the thread of a table;
//! - an [`epoch`] goes through the [`committer`], if [`ownership`] still covers it, with replies to those
//!   [`askers`] that are there;
//! - [`background`] is what runs beside the agents, each [`attempt`] caught: [`jobs`] when their [`schedule`] says so, on the
//!   [`leader`] alone or everywhere, and [`services`];
//! - [`meters`] keep what is counted and timed, [`sensors`] hear of it as it happens;
//! - a [`visit`] is a process that sends and asks without any of this;
//! - [`spawn`] is the seam between real threads and a test on one thread.

mod askers;
mod attempt;
mod background;
mod beside;
mod committer;
mod current;
mod dead_letter;
mod epoch;
mod jobs;
mod lane;
mod leader;
mod meters;
mod mistakes;
mod os_thread;
mod outputs;
mod ownership;
mod patterns;
mod plan;
mod recovery;
mod retirement;
mod routes;
mod schedule;
mod sensors;
mod services;
mod shard;
mod slots;
mod spawn;
mod status;
mod stored;
mod task;
mod thread;
mod topology;
#[cfg(feature = "cli")]
mod visit;
mod watch;
mod worker;

pub(crate) use background::{HookDef, PartitionsHookDef};
pub(crate) use beside::{Call, Put};
pub(crate) use current::own_turn;
pub(crate) use jobs::{JobDef, StartFn, When};
pub(crate) use lane::{InFlight, LaneCore, Verdicts};
pub(crate) use leader::{Leadership, leader_topic};
#[cfg(test)]
pub(crate) use meters::Durations;
pub(crate) use meters::{Meters, TableCounts};
pub(crate) use outputs::{EventOutputs, TopicIndex};
#[cfg(feature = "cli")]
pub(crate) use plan::{Plan, Preview};
pub(crate) use retirement::Number;
pub(crate) use routes::Routes;
pub(crate) use schedule::{Crontab, zone};
pub(crate) use sensors::SensorDef;
pub(crate) use services::ServiceDef;
pub(crate) use shard::{AnyShard, Look, MakeDefault, TypedShard};
pub(crate) use slots::{EventId, Writer};
#[cfg(feature = "cli")]
pub(crate) use spawn::within;
#[cfg(feature = "testing")]
pub(crate) use spawn::{MakeLocal, Spawned, TaskGuard};
pub(crate) use spawn::{Spawn, Threads, here, spawn_within};
pub use status::{LaneState, LaneStatus, TaskState, TaskStatus};
pub(crate) use stored::Stored;
pub(crate) use thread::AgentOrder;
#[cfg(feature = "cli")]
pub(crate) use topology::Configure;
pub(crate) use topology::{AgentDef, AppDef, LocalFuture};
#[cfg(feature = "cli")]
pub(crate) use visit::visit;
pub use worker::Ended;
pub(crate) use worker::{Answer, Answers, Environment, Request, run};

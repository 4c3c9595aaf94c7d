//! The way from a command line to the process that has the log: a socket beside it.
//!
//! The contract stands in `docs/design/control.md`. In short: a connection carries one [`call`], a head
//! of JSON and raw bytes each way ([`wire`]); [`place`] says where the socket is; the process that has
//! the log runs a [`Server`], whoever comes later has an [`Attached`] to it, and a [`RemoteLog`] over
//! that is a transport like any other.

mod answers;
mod attached;
mod call;
mod place;
mod records;
mod remote;
mod server;
mod wire;

use std::time::Duration;

pub(crate) use attached::{Attached, Silence};
pub(crate) use call::{Call, Greeting, Lane, Order, Task};
pub(crate) use place::Place;
pub(crate) use remote::RemoteLog;
pub(crate) use server::Server;

/// What a future gives before `limit` has passed, `None` if it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "sockets and commands are of the real world; no simulation has them"
)]
pub(crate) async fn in_time<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

#[cfg(test)]
mod tests;

//! Work that must not run on an agent's thread.

use std::{
    any::Any,
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use crate::runtime::{here, spawn_within};

/// Runs a future on the worker's multi-thread runtime and gives its result.
///
/// An agent's own futures stay on its thread and may wait there as long as they like; what computes, or
/// belongs to a library that wants a multi-thread runtime, goes here, so that other agents of the
/// thread are not held up. In a simulation it runs on virtual time. Outside of a worker it runs on the tokio
/// runtime that the caller is in.
///
/// # Panics
///
/// As the future does, so that an agent's event fails by it.
///
/// # Cancel safety
///
/// Dropping it drops the future, too, where it waits.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// async fn rate(currency: String) -> faustus::Result<f64> {
///     Ok(if currency == "EUR" { 1.0 } else { 0.9 })
/// }
///
/// async fn convert(mut payments: Stream<String, f64>) -> faustus::Result {
///     while let Some(currency) = payments.next().await? {
///         let rate = faustus::io(rate(currency.clone())).await?;
///         currency.reply(rate);
///     }
///     Ok(())
/// }
/// ```
pub async fn io<F>(future: F) -> F::Output
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (done, result) = oneshot::channel();
    let _running = spawn_within(&here(), async move {
        let _ = done.send(AssertUnwindSafe(future).catch_unwind().await);
    });
    outcome(result).await
}

/// Runs a function that blocks on a thread of its own and gives its result.
///
/// In a simulation it runs in its turn on the simulation's only thread. Outside of a worker it runs
/// beside the tokio runtime that the caller is in.
///
/// # Panics
///
/// As the function does, so that an agent's event fails by it.
///
/// # Cancel safety
///
/// Dropping it does not end a function that has begun, as nothing can; its result is dropped.
/// The process ends only after it.
///
/// # Examples
///
/// ```
/// use faustus::prelude::*;
///
/// async fn read(mut names: Stream<String, usize>) -> faustus::Result {
///     while let Some(name) = names.next().await? {
///         let file = name.clone();
///         let text = faustus::blocking(move || std::fs::read_to_string(file)).await?;
///         name.reply(text.len());
///     }
///     Ok(())
/// }
/// ```
pub async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (done, result) = oneshot::channel();
    here().blocking(Box::new(move || {
        let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
    }));
    outcome(result).await
}

async fn outcome<T>(result: oneshot::Receiver<Result<T, Box<dyn Any + Send>>>) -> T {
    match result.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        // The runtime ends, and with it whoever waits here.
        Err(_) => pending().await,
    }
}

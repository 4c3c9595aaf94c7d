//! Starting threads. They are told to end by what they serve and end by themselves.

use std::thread;

use faustus_core::TransportError;

/// Starts a thread that nobody waits for: dropping a handle must not block an executor.
pub(crate) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), TransportError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|error| TransportError::Unavailable(format!("no thread can be started: {error}")))
}

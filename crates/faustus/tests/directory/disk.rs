//! A directory with a log, which comes and goes with its handles.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use faustus::{Guarantee, Settings, TokioClock, open_log};
use faustus_core::Transport;
use tempfile::TempDir;

use crate::common::until;

/// A directory that is removed at the end, with a log in it.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where the log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    /// Opens the log, as soon as the threads of a worker that crashed have let go of it.
    pub(crate) async fn open(&self) -> Arc<dyn Transport> {
        until(async || self.try_open().await).await
    }

    pub(crate) async fn try_open(&self) -> faustus::Result<Arc<dyn Transport>> {
        let path = self.log();
        open_log(path.to_str().unwrap(), Arc::new(TokioClock::real())).await
    }
}

/// Few threads and a short wait for what is in flight.
pub(crate) fn settings(guarantee: Guarantee) -> Settings {
    Settings {
        guarantee,
        threads: 2,
        drain_timeout: Duration::from_secs(3),
        ..Settings::default()
    }
}

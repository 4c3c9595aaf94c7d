//! Services while they run: each after those it needs, stopped in the reverse order.
//!
//! One future per service starts it, runs it, starts it again as its [`Restart`] says, and stops it. A
//! restart concerns that service alone; those that need it go on.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use faustus_core::Clock;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot};

use super::{
    attempt::{Pauses, attempt},
    jobs::JobContext,
    spawn::{Spawned, TaskGuard, spawn_within},
};
use crate::{
    Error, Result,
    near::did_you_mean,
    service::{AnyService, Restart},
};

/// A service of the program.
pub(crate) struct ServiceDef {
    pub(crate) name: Arc<str>,
    pub(crate) needs: Vec<Arc<str>>,
    pub(crate) restart: Restart,
    pub(crate) service: Arc<dyn AnyService>,
}

/// Services in the order in which they start: each after those it needs, else as they were registered.
///
/// # Errors
///
/// All mistakes.
pub(crate) fn start_order(defs: &[ServiceDef]) -> Result<Vec<&ServiceDef>, Vec<String>> {
    let names: BTreeSet<_> = defs.iter().map(|def| &def.name).collect();
    let unknown = defs.iter().flat_map(|def| {
        let unknown = def.needs.iter().filter(|need| !names.contains(need));
        unknown.map(|need| {
            format!(
                "service {} needs {need:?}, but there is no such service{}",
                def.name,
                did_you_mean(need, names.iter().map(|name| &***name))
            )
        })
    });
    let mistakes: Vec<String> = unknown.collect();
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let (mut order, mut placed) = (Vec::new(), BTreeSet::new());
    while order.len() < defs.len() {
        let next = defs.iter().find(|def| {
            !placed.contains(&def.name) && def.needs.iter().all(|need| placed.contains(need))
        });
        let Some(next) = next else {
            let left = names.difference(&placed).map(|name| &***name);
            let left: Vec<&str> = left.collect();
            return Err(vec![format!(
                "services {} cannot start, as some of them need each other in a circle",
                left.join(", ")
            )]);
        };
        placed.insert(&next.name);
        order.push(next);
    }
    Ok(order)
}

/// The services of a worker that runs.
pub(crate) struct Services {
    running: Vec<Running>,
    failed: mpsc::UnboundedReceiver<Error>,
    failing: mpsc::UnboundedSender<Error>,
    context: JobContext,
}

struct Running {
    name: Arc<str>,
    stop: oneshot::Sender<()>,
    ended: Spawned,
    guard: TaskGuard,
}

impl Services {
    pub(crate) fn new(context: JobContext) -> Self {
        let (failing, failed) = mpsc::unbounded_channel();
        Self {
            running: Vec::new(),
            failed,
            failing,
            context,
        }
    }

    /// Starts all, one after the other.
    ///
    /// # Errors
    ///
    /// Of the first one that does not start.
    pub(crate) async fn start(&mut self, defs: &[ServiceDef]) -> Result {
        let order = start_order(defs).map_err(|mistakes| Error::config(mistakes.join("; ")))?;
        for def in order {
            let (ready, is_ready) = oneshot::channel();
            let (stop, stopped) = oneshot::channel();
            let (ended, alive) = Spawned::new();
            let supervisor = Supervisor {
                name: Arc::clone(&def.name),
                restart: def.restart,
                service: Arc::clone(&def.service),
                clock: Arc::clone(&self.context.clock),
                stopped,
                failing: self.failing.clone(),
            };
            let guard = spawn_within(&self.context.spawn, async move {
                supervisor.run(ready).await;
                drop(alive);
            });
            let name = Arc::clone(&def.name);
            self.running.push(Running {
                name,
                stop,
                ended,
                guard,
            });
            match is_ready.await {
                Ok(started) => started
                    .map_err(|error| error.context(format!("service {} cannot start", def.name)))?,
                Err(_) => return Err(Error::config(format!("service {} ended", def.name))),
            }
            tracing::debug!(service = %def.name, "service started");
        }
        Ok(())
    }

    /// The failure of a service that takes the worker with it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn failed(&mut self) -> Error {
        match self.failed.recv().await {
            Some(error) => error,
            // It keeps a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Stops all, the last one first, all together within `patience`.
    pub(crate) async fn stop(&mut self, patience: Duration) {
        let deadline = self.context.clock.monotonic() + patience;
        while let Some(Running {
            name,
            stop,
            ended,
            guard,
        }) = self.running.pop()
        {
            let left = deadline.saturating_sub(self.context.clock.monotonic());
            let _ = stop.send(());
            tokio::select! {
                biased;
                () = ended.ended() => tracing::debug!(service = %name, "service stopped"),
                () = self.context.clock.sleep(left) => {
                    tracing::warn!(service = %name, "service did not stop in time and is left behind");
                }
            }
            drop(guard);
        }
    }
}

/// Looks after one service.
struct Supervisor {
    name: Arc<str>,
    restart: Restart,
    service: Arc<dyn AnyService>,
    clock: Arc<dyn Clock>,
    stopped: oneshot::Receiver<()>,
    failing: mpsc::UnboundedSender<Error>,
}

impl Supervisor {
    async fn run(mut self, ready: oneshot::Sender<Result>) {
        let Some(started) = self.start().await else {
            return;
        };
        let failed = started.is_err();
        let _ = ready.send(started);
        if failed {
            return;
        }
        let mut pauses = Pauses::new();
        loop {
            let begun = self.clock.monotonic();
            let Some(ended) = self.run_once().await else {
                return;
            };
            let mut ran = self.clock.monotonic().saturating_sub(begun);
            self.stop().await;
            if !self.goes_on(ended) {
                return;
            }
            loop {
                tokio::select! {
                    biased;
                    _ = &mut self.stopped => return,
                    () = self.clock.sleep(pauses.after(ran)) => {}
                }
                ran = Duration::ZERO;
                match self.start().await {
                    Some(Ok(())) => break,
                    Some(Err(error)) => self.tell(&error),
                    None => return,
                }
            }
        }
    }

    /// `None`: it is to stop.
    async fn start(&mut self) -> Option<Result> {
        tokio::select! {
            biased;
            _ = &mut self.stopped => None,
            started = attempt(|| self.service.starting()) => Some(started),
        }
    }

    /// Until it ends by itself; `None`: it was told to stop, and has.
    async fn run_once(&mut self) -> Option<Result> {
        let service = Arc::clone(&self.service);
        let mut run = Box::pin(attempt(|| service.running()));
        tokio::select! {
            biased;
            _ = &mut self.stopped => {}
            ended = &mut run => return Some(ended),
        }
        // It goes on while it is told to stop, which may need it.
        if let Either::Right((_, stop)) = select(Box::pin(self.stop()), run).await {
            stop.await;
        }
        None
    }

    async fn stop(&self) {
        if let Err(error) = attempt(|| self.service.stopping()).await {
            tracing::error!(service = %self.name, %error, "service did not stop well");
        }
    }

    /// Whether it starts again after it `ended`.
    fn goes_on(&self, ended: Result) -> bool {
        match (ended, self.restart) {
            (Ok(()), Restart::Always) => true,
            (Ok(()), _) => {
                tracing::info!(service = %self.name, "service is done");
                false
            }
            (Err(error), Restart::CrashWorker) => {
                let _ = self
                    .failing
                    .send(error.context(format!("service {} failed", self.name)));
                false
            }
            (Err(error), Restart::Never) => {
                tracing::error!(service = %self.name, %error, "service failed and stays stopped");
                false
            }
            (Err(error), Restart::Always | Restart::OnFailure) => {
                self.tell(&error);
                true
            }
        }
    }

    fn tell(&self, error: &Error) {
        tracing::error!(service = %self.name, %error, "service failed; it starts again after a pause");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Service, service::ServiceBuilder};

    struct Nothing;

    impl Service for Nothing {}

    fn services(all: &[(&str, &[&str])]) -> Vec<ServiceDef> {
        let service = |(name, needs): &(&str, &[&str])| {
            let builder = ServiceBuilder::new(name);
            let builder = needs
                .iter()
                .fold(builder, |builder, need| builder.needs(need));
            builder.run(Nothing).0
        };
        all.iter().map(service).collect()
    }

    #[test]
    fn a_service_starts_after_those_it_needs_and_else_in_the_order_of_registration() {
        let services = services(&[
            ("web", &["pool", "cache"]),
            ("cache", &["pool"]),
            ("pool", &[]),
            ("x", &[]),
        ]);
        let order = start_order(&services).ok().unwrap();
        let names: Vec<&str> = order.iter().map(|def| &*def.name).collect();
        assert_eq!(names, ["pool", "cache", "web", "x"]);
    }

    #[test]
    fn needs_that_cannot_be_met_are_told() {
        let told = |all: &[(&str, &[&str])]| start_order(&services(all)).err().unwrap();
        assert_eq!(told(&[("a", &["b", "c"])]).len(), 2);
        assert_eq!(
            told(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]),
            ["services a, b cannot start, as some of them need each other in a circle"]
        );
    }
}

//! Services: what an application needs running beside its agents, with a start and a stop.

use std::{
    fmt,
    future::{Future, pending},
    sync::Arc,
};

use faustus_core::BoxFuture;

use crate::{Result, runtime::ServiceDef};

/// Something that starts before the agents, runs beside them and stops after them: a pool of
/// connections, a listener, a cache that is kept warm.
///
/// Each method is one that an `async fn` can be; what is not written does nothing, and `run` waits.
///
/// # Examples
///
/// ```
/// use faustus::{prelude::*, Restart, Service};
///
/// struct Listener { requests: Topic<String> }
///
/// impl Service for Listener {
///     async fn run(&self) -> faustus::Result {
///         loop {
///             // Here it would wait for a request.
///             self.requests.send(&(), &"hello".to_owned()).await?;
///             std::future::pending::<()>().await;
///         }
///     }
/// }
///
/// let app = App::new("gate");
/// let requests = app.topic("requests");
/// let app = app.service("listener", |s| s.restart(Restart::Always).run(Listener { requests }));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "a service is a type that implements `faustus::Service`",
    note = "a mere function that runs beside the agents is a task: `App::task`"
)]
pub trait Service: Send + Sync + 'static {
    /// Makes it ready. Services that need it, and agents, start when this has ended.
    ///
    /// # Errors
    ///
    /// Why it cannot start: then the worker does not either.
    fn start(&self) -> impl Future<Output = Result> + Send {
        async { Ok(()) }
    }

    /// What it does until it stops.
    ///
    /// # Errors
    ///
    /// Why it cannot go on; what follows says its [`Restart`].
    fn run(&self) -> impl Future<Output = Result> + Send {
        pending()
    }

    /// Brings it to an end. `run` goes on meanwhile and is dropped after this, where it waits.
    ///
    /// # Errors
    ///
    /// What went wrong, which is logged.
    fn stop(&self) -> impl Future<Output = Result> + Send {
        async { Ok(()) }
    }
}

/// A service that others hold, too.
impl<T: Service> Service for Arc<T> {
    fn start(&self) -> impl Future<Output = Result> + Send {
        T::start(self)
    }

    fn run(&self) -> impl Future<Output = Result> + Send {
        T::run(self)
    }

    fn stop(&self) -> impl Future<Output = Result> + Send {
        T::stop(self)
    }
}

/// What follows when the [`run`](Service::run) of a service ends by itself.
///
/// A service that starts again is stopped first; it waits a second before, twice as long after each
/// further failure, a minute at most. A panic is a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// It starts again, also when it ended without an error.
    Always,
    /// It starts again when it failed.
    #[default]
    OnFailure,
    /// It stays stopped, and a failure is logged.
    Never,
    /// The worker ends with its failure. Without an error it stays stopped.
    CrashWorker,
}

/// Describes a service; [`run`](Self::run) ends it.
#[derive(Debug)]
pub struct ServiceBuilder {
    pub(crate) name: Arc<str>,
    needs: Vec<Arc<str>>,
    restart: Restart,
}

impl ServiceBuilder {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            needs: Vec::new(),
            restart: Restart::default(),
        }
    }

    /// Starts it after the service `name` and stops it before.
    #[must_use]
    pub fn needs(mut self, name: &str) -> Self {
        self.needs.push(name.into());
        self
    }

    /// What follows when it ends by itself.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// What runs.
    #[must_use]
    pub fn run(self, service: impl Service) -> ServiceSpec {
        ServiceSpec(ServiceDef {
            name: self.name,
            needs: self.needs,
            restart: self.restart,
            service: Arc::new(service),
        })
    }
}

/// A service, fully described.
pub struct ServiceSpec(pub(crate) ServiceDef);

impl fmt::Debug for ServiceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSpec")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// A [`Service`] without its type.
pub(crate) trait AnyService: Send + Sync {
    fn starting(&self) -> BoxFuture<'_, Result>;
    fn running(&self) -> BoxFuture<'_, Result>;
    fn stopping(&self) -> BoxFuture<'_, Result>;
}

impl<T: Service> AnyService for T {
    fn starting(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.start())
    }

    fn running(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.run())
    }

    fn stopping(&self) -> BoxFuture<'_, Result> {
        Box::pin(self.stop())
    }
}

//! A command's way to the log and to workers: through the socket of the process that has them, or by
//! itself where there is none.

use std::{fmt, io, path::Path, sync::Arc, time::Duration};

use clap::Args;
use faustus_core::{Clock, TopicDescription, TopicName, TopicPartition, Transport};

use crate::{
    App, Error, ErrorKind, LogAddress, Result, Settings, TokioClock,
    control::{Attached, Call, Place, RemoteLog, Silence},
    near::did_you_mean,
    open_log_for,
    runtime::AppDef,
    settings::{SettingArgs, layers::Origins},
};

use super::{
    Stopped,
    known::Known,
    output::{Output, say},
};

/// How long a command waits for another one that has the log for a moment.
const PATIENCE: Duration = Duration::from_secs(5);

// What all commands take that look at a log; documentation here would be that of the commands.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Where {
    /// Print data as JSON, an object on a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingArgs<false>,
}

impl Where {
    pub(super) fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// What is said of settings.
    pub(super) fn settings(&self) -> &SettingArgs<false> {
        &self.settings
    }
}

/// An application, and where its log is.
#[derive(Debug)]
pub(super) struct Session {
    app: String,
    /// Its program's description of it, if this is the program.
    program: Option<Arc<AppDef>>,
    pub(super) settings: Settings,
    address: LogAddress,
}

/// What becomes of a directory that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is a mistake.
    Refuse,
    /// It is made.
    Make,
}

impl Session {
    /// The application of this program with the settings that hold.
    ///
    /// # Errors
    ///
    /// All mistakes in settings.
    pub(super) fn new<S: Clone + Send + Sync + 'static>(
        app: App<S>,
        given: &SettingArgs<false>,
    ) -> Result<Self, Stopped> {
        let session = Self::about(&app, given)?;
        let program = Some(Arc::new(app.into_def()));
        Ok(Self { program, ..session })
    }

    /// The application of this name, whose program is not at hand.
    ///
    /// # Errors
    ///
    /// All mistakes in settings.
    pub(super) fn without_program(app: &str, given: &SettingArgs<false>) -> Result<Self, Stopped> {
        Self::about(&App::new(app), given)
    }

    fn about<S: Clone + Send + Sync + 'static>(
        app: &App<S>,
        given: &SettingArgs<false>,
    ) -> Result<Self, Stopped> {
        let resolved = Origins::of(app, &given.0).read().map_err(Stopped::Wrong)?;
        Ok(Self {
            address: resolved.log(),
            app: resolved.app,
            program: None,
            settings: resolved.settings,
        })
    }

    /// The application's name.
    pub(super) fn app(&self) -> &str {
        &self.app
    }

    /// The program's description of the application.
    ///
    /// # Errors
    ///
    /// When the program is not at hand.
    pub(super) fn program(&self) -> Result<&Arc<AppDef>> {
        self.program.as_ref().ok_or_else(|| {
            Error::config(format!(
                "only the program of application {} knows its agents: ask it, or name a topic",
                self.app
            ))
        })
    }

    /// What is known of the application: from its program, or from the log.
    ///
    /// # Errors
    ///
    /// Those of the log; without the program, when nothing of the application is there.
    pub(super) async fn known(&self, log: &dyn Transport) -> Result<Known> {
        match &self.program {
            Some(def) => Known::from_program(def, log).await,
            None => Known::from_log(log, &self.app, &self.address).await,
        }
    }

    /// The log's address.
    pub(super) fn address(&self) -> &LogAddress {
        &self.address
    }

    /// Whether others than the workers of this machine may be on the log.
    pub(super) fn is_shared(&self) -> bool {
        self.address.directory().is_none() && self.address.expose() != "memory://"
    }

    /// Whether the address means a directory that is still to be made.
    pub(super) fn is_new_directory(&self) -> bool {
        let directory = self.address.directory();
        directory.is_some_and(|path| !is_log(Path::new(path)))
    }

    /// Where the processes on this log have their sockets.
    pub(super) fn place(&self) -> Place {
        place(&self.address, &self.app)
    }

    /// The log.
    ///
    /// # Errors
    ///
    /// When there is none, or nobody can get to it.
    pub(super) async fn log(&self, missing: Missing) -> Result<Arc<dyn Transport>> {
        Ok(self.open(missing).await?.0)
    }

    /// The log, and whether this process has it alone, so that others can only get to it through this one.
    ///
    /// # Errors
    ///
    /// As [`log`](Self::log).
    pub(super) async fn open(&self, missing: Missing) -> Result<(Arc<dyn Transport>, bool)> {
        match self.address.directory() {
            Some(directory) => self.directory_log(Path::new(directory), missing).await,
            None if !self.is_shared() => Ok((self.memory_log().await?, false)),
            None => Ok((self.open_here().await?, false)),
        }
    }

    async fn open_here(&self) -> Result<Arc<dyn Transport>> {
        let clock = Arc::new(TokioClock::real());
        open_log_for(self.address.expose(), clock, &self.settings).await
    }

    async fn directory_log(
        &self,
        path: &Path,
        missing: Missing,
    ) -> Result<(Arc<dyn Transport>, bool)> {
        let clock = TokioClock::real();
        let deadline = clock.monotonic() + PATIENCE;
        loop {
            let (there, silent) = Attached::all(&self.place()).await;
            if let Some(attached) = there.into_iter().next() {
                return Ok((Arc::new(RemoteLog::new(attached)), false));
            }
            if let Some(silence) = silent.first() {
                return Err(self.silent(silence));
            }
            if missing == Missing::Refuse && !is_log(path) {
                return Err(no_log(path, &self.app));
            }
            if !is_log(path) {
                refuse_foreign(path)?;
                say(&format!("log {} is made", path.display()));
            }
            match self.open_here().await {
                // Another command has it for a moment, or a worker that is about to serve it.
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && clock.monotonic() < deadline =>
                {
                    clock.sleep(Duration::from_millis(20)).await;
                }
                opened => return Ok((opened?, true)),
            }
        }
    }

    async fn memory_log(&self) -> Result<Arc<dyn Transport>> {
        let (mut there, _) = Attached::all(&self.place()).await;
        there.retain(|attached| attached.greeting().log == "memory");
        match there.as_slice() {
            [one] => Ok(Arc::new(RemoteLog::new(one.clone()))),
            [] => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "no worker of {} with a log in memory runs here, and such a log is gone with its worker",
                    self.app
                ),
            )),
            several => {
                let each = several.iter().map(|one| one.greeting().pid.to_string());
                Err(Error::config(format!(
                    "several workers have a log in memory, the processes {}: stop all but one",
                    each.collect::<Vec<_>>().join(", ")
                )))
            }
        }
    }

    /// The workers on this machine that run the application on this log.
    ///
    /// # Errors
    ///
    /// When one of them does not answer, or is of another application.
    pub(super) async fn workers(&self) -> Result<Vec<Attached>> {
        let (there, silent) = Attached::all(&self.place()).await;
        if let Some(silence) = silent.first() {
            return Err(self.silent(silence));
        }
        let mut workers = Vec::new();
        for attached in there {
            let greeting = attached.greeting();
            if !greeting.worker || !self.is_of(&greeting.log) {
                continue;
            }
            if greeting.app != self.app {
                return Err(Error::config(format!(
                    "the worker on log {} is of application {}, and not of {}: is --log right?",
                    self.address, greeting.app, self.app
                )));
            }
            workers.push(attached);
        }
        Ok(workers)
    }

    /// What all workers answer.
    ///
    /// # Errors
    ///
    /// That of the first who fails.
    pub(super) async fn ask_workers<T: serde::de::DeserializeOwned>(
        &self,
        workers: &[Attached],
        call: &Call,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for worker in workers {
            all.push(worker.ask(call.clone()).await?);
        }
        Ok(all)
    }

    /// Whether a process that has a log of this name has ours; on a directory there is only one.
    fn is_of(&self, log: &str) -> bool {
        match self.address.expose().split_once("://") {
            Some(("memory", _)) => log == "memory",
            Some(("kafka", servers)) => log == format!("kafka {servers}"),
            _ => true,
        }
    }

    fn silent(&self, silence: &Silence) -> Error {
        let text = format!("log {}: {silence}", self.address);
        Error::new(ErrorKind::Unavailable, text)
    }

    /// The topics of these names that exist, in order.
    ///
    /// # Errors
    ///
    /// Those of the log.
    pub(super) async fn describe(
        &self,
        log: &dyn Transport,
        names: &[TopicName],
    ) -> Result<Vec<Option<TopicDescription>>> {
        Ok(log.admin().describe_topics(names).await?)
    }

    /// A topic that must exist.
    ///
    /// # Errors
    ///
    /// When it does not, with the name that may have been meant.
    pub(super) async fn topic(&self, log: &dyn Transport, name: &str) -> Result<TopicDescription> {
        let found = self.describe(log, &[name.into()]).await?;
        if let Some(topic) = found.into_iter().flatten().next() {
            return Ok(topic);
        }
        let names = log.admin().list_topics().await?;
        let near = did_you_mean(name, names.iter().map(TopicName::as_str));
        Err(Error::config(format!(
            "topic {name} does not exist on log {}{near}",
            self.address
        )))
    }
}

/// Opens the log at `address` for a worker, once no command has it any more: they have it for a moment.
///
/// # Errors
///
/// As [`open_log_for`]; at once if another worker has the log.
pub(super) async fn open_when_free(
    address: &LogAddress,
    app: &str,
    settings: &Settings,
) -> Result<Arc<dyn Transport>> {
    if let Some(path) = address.directory().map(Path::new)
        && !is_log(path)
    {
        refuse_foreign(path)?;
    }
    let clock = Arc::new(TokioClock::real());
    let deadline = clock.monotonic() + PATIENCE;
    loop {
        let clock: Arc<dyn Clock> = Arc::<TokioClock>::clone(&clock);
        match open_log_for(address.expose(), Arc::clone(&clock), settings).await {
            Err(error)
                if error.kind() == ErrorKind::Unavailable
                    && address.directory().is_some()
                    && clock.monotonic() < deadline =>
            {
                let (there, silent) = Attached::all(&place(address, app)).await;
                if !silent.is_empty() || there.iter().any(|one| one.greeting().worker) {
                    return Err(error);
                }
                clock.sleep(Duration::from_millis(20)).await;
            }
            opened => return opened,
        }
    }
}

/// The socket's place of a process on the log at `address`.
pub(super) fn place(address: &LogAddress, app: &str) -> Place {
    let directory = address.directory();
    directory.map_or_else(
        || Place::User(app.to_owned()),
        |directory| Place::Log(directory.into()),
    )
}

/// Whether there is a log in a directory, as far as we are let see.
fn is_log(path: &Path) -> bool {
    match std::fs::metadata(path.join("LOCK")) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    }
}

/// Sees that a log may be made in a directory: nobody wants one among other files.
fn refuse_foreign(path: &Path) -> Result {
    let mut entries = std::fs::read_dir(path).into_iter().flatten();
    if entries.next().is_none() {
        return Ok(());
    }
    let path = path.display();
    Err(Error::config(format!(
        "{path} has files in it and is no log: name another directory with --log, such as {path}/log"
    )))
}

fn no_log(path: &Path, app: &str) -> Error {
    let path = path.display();
    Error::config(format!(
        "there is no log in {path}: start a worker of {app} there, or name the right one with --log"
    ))
}

/// All partitions of a topic.
pub(super) fn partitions(topic: &TopicDescription) -> Vec<TopicPartition> {
    let numbers = 0..topic.partitions;
    numbers
        .map(|number| TopicPartition::new(topic.name.clone(), number))
        .collect()
}

/// Names for people.
pub(super) fn join(names: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    names.join(", ")
}

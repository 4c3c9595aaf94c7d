//! The messages of this process: which are written, how, and where to.
//!
//! A message that cannot be written is dropped; nobody waits for it, and the worker goes on.

mod file;
mod form;
#[cfg(test)]
mod vocabulary;

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use tracing_subscriber::{
    EnvFilter, Registry,
    field::MakeExt,
    fmt::{self, MakeWriter, format::debug_fn},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use super::console::Console;
use crate::{
    Error, LogFormat, Result,
    settings::layers::{Origins, Resolved, Source},
};
use file::LogFile;
use form::Form;

/// How the messages of a worker are written, and the way to change that while it runs.
#[derive(Clone)]
pub(super) struct Messages {
    origins: Origins,
    /// Nothing if the program has a subscriber of its own, which says what it writes.
    levels: Option<reload::Handle<EnvFilter, Registry>>,
    file: Option<Arc<LogFile>>,
    format: LogFormat,
    console: Console,
}

impl Messages {
    /// Has the messages of this process written as the settings say.
    ///
    /// # Errors
    ///
    /// If the file for messages cannot be opened.
    pub(super) fn install(
        resolved: &Resolved,
        origins: Origins,
        console: &Console,
    ) -> Result<Self> {
        let settings = &resolved.settings;
        let file = settings.log_file.as_deref().map(|path| {
            LogFile::open(path, console).map_err(|error| {
                let path = path.display();
                let place = resolved.place("log-file");
                Error::config(format!(
                    "log-file ({place}): {path} cannot be opened ({error}); make its directory, or write another one"
                ))
            })
        });
        let file = file.transpose()?.map(Arc::new);
        let form = match settings.log_format {
            LogFormat::Text => Form::text(file.is_none() && io::stderr().is_terminal()),
            LogFormat::Json => Form::json(&resolved.app, &settings.worker_id),
        };
        let out = match &file {
            Some(file) => Out::File(Arc::clone(file)),
            None => Out::Console(console.clone()),
        };
        let (filter, levels) = reload::Layer::new(filter(&settings.log_level));
        let is_ours = listen(filter, form, out);
        if !is_ours {
            let named = ["log-level", "log-format", "log-file"]
                .into_iter()
                .filter(|name| !matches!(resolved.source(name), Source::Default | Source::RustLog));
            for setting in named {
                tracing::warn!(
                    setting,
                    "setting without effect: the program has a subscriber of its own"
                );
            }
        }
        Ok(Self {
            origins,
            levels: is_ours.then_some(levels),
            file,
            format: settings.log_format,
            console: console.clone(),
        })
    }

    /// Reads again which messages are written, and opens their file anew, as after it was moved away.
    /// What cannot be done is told, and all stays as it was.
    pub(super) fn reopen(&self) {
        let Some(levels) = &self.levels else { return };
        if let Some(Err(error)) = self.file.as_deref().map(LogFile::reopen) {
            tracing::error!(%error, "log-file cannot be opened anew: messages go where they went before");
        }
        match self.origins.read() {
            Ok(resolved) => {
                let level = &resolved.settings.log_level;
                // It fails if nothing listens any more, and then nobody misses it.
                let _ = levels.reload(filter(level));
                tracing::info!(levels = level, "messages are written anew");
            }
            Err(error) => tracing::error!(%error, "log-level stays as it was"),
        }
    }

    /// Whether they are for people.
    pub(super) fn are_text(&self) -> bool {
        self.format == LogFormat::Text
    }

    /// Tells why the worker failed, also if messages go elsewhere or nowhere.
    pub(super) fn failed(&self, error: &Error) {
        let is_json = self.format == LogFormat::Json;
        if is_json || self.file.is_some() {
            tracing::error!(%error, "worker failed");
        }
        if !is_json || self.file.is_some() {
            self.console.write(format!("error: {error}\n").as_bytes());
        }
    }
}

/// Writes warnings, or what `RUST_LOG` says, to standard error: for commands that do not run for long.
pub(super) fn warnings() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let form = Form::text(io::stderr().is_terminal());
    listen(filter, form, Out::Console(Console::plain()));
}

/// What `levels` lets through.
fn filter(levels: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(levels)
}

/// Makes this the subscriber of the process, unless the program has made another one so.
fn listen<F>(filter: F, form: Form, out: Out) -> bool
where
    F: tracing_subscriber::Layer<Registry> + Send + Sync,
{
    let written = fmt::layer()
        .with_ansi(form.is_for_a_terminal() && has_colours())
        .log_internal_errors(false)
        .fmt_fields(debug_fn(form::as_text).delimited(" "))
        .event_format(form)
        .with_writer(out);
    let subscriber = tracing_subscriber::registry().with(filter).with(written);
    subscriber.try_init().is_ok()
}

/// Whether the terminal shows colours, and its user wants them.
fn has_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Where messages go.
#[derive(Clone)]
enum Out {
    Console(Console),
    File(Arc<LogFile>),
}

impl<'a> MakeWriter<'a> for Out {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Each message comes as a whole, and none is an error to its sender.
impl Write for &Out {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        match self {
            Out::Console(console) => console.write(message),
            Out::File(file) => file.write(message),
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

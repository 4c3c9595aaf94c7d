//! Settings in layers: default < file < code < environment < option, each value with where it is from.
//!
//! All that is wrong in any layer, and what does not go together, is told in one report.

mod contradictions;
mod environment;
mod file;

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    LogAddress, Settings,
    catalogue::{CATALOGUE, Setting, position},
};
use crate::{App, Error, Result, Sensitive, near::did_you_mean, runtime::Configure};
use environment::Variables;

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// The part of a file that is for all applications or for this one, and the line, counted from 1.
    File(Arc<Path>, Part, usize),
    /// What the program gave to [`App::configure`].
    Code,
    Environment,
    /// `RUST_LOG`, which says what is read as `log-level` where nothing else in the environment does.
    RustLog,
    /// The command line.
    Option,
}

/// A part of the file, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// What stands at its top.
    All,
    /// What stands in the table of the application.
    Application,
}

impl Source {
    /// The higher one of two holds.
    fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_, Part::All, _) => 1,
            Self::File(_, Part::Application, _) => 2,
            Self::Code => 3,
            Self::RustLog => 4,
            Self::Environment => 5,
            Self::Option => 6,
        }
    }

    /// The layer's name.
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(..) => "file",
            Self::Code => "code",
            Self::Environment | Self::RustLog => "environment",
            Self::Option => "option",
        }
    }

    /// Where exactly `setting` was said.
    pub(crate) fn place(&self, setting: &Setting) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File(path, _, line) => format!("{}, line {line}", path.display()),
            Self::Code => "code".to_owned(),
            Self::Environment => setting.variable(),
            Self::RustLog => environment::RUST_LOG.to_owned(),
            Self::Option => format!("--{}", setting.name),
        }
    }
}

/// What a command line says of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The file to read in place of the working directory's `faustus.toml`.
    pub(crate) config: Option<PathBuf>,
    /// The places of settings in the catalogue, and their values.
    pub(crate) given: Vec<(usize, Sensitive<String>)>,
}

/// What surrounds a process.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    /// Where `faustus.toml` is looked for.
    pub(crate) directory: PathBuf,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            directory: PathBuf::new(),
            environment: std::env::vars_os().collect(),
        }
    }
}

/// The settings that hold, each with where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The application's name.
    pub(crate) app: String,
    /// The settings; they say where the log is.
    pub(crate) settings: Settings,
    /// Where each is from, in the catalogue's order.
    pub(crate) sources: Vec<Source>,
}

impl Resolved {
    /// Where the log is.
    pub(crate) fn log(&self) -> LogAddress {
        let default = || LogAddress::from(format!("{}-data", self.app));
        self.settings.log.clone().unwrap_or_else(default)
    }

    /// Where the setting `name` is from.
    pub(crate) fn source(&self, name: &str) -> &Source {
        position(name).map_or(&Source::Default, |index| &self.sources[index])
    }

    /// Where exactly the setting `name` was said.
    pub(crate) fn place(&self, name: &str) -> String {
        position(name).map_or_else(String::new, |index| {
            self.sources[index].place(&CATALOGUE[index])
        })
    }
}

/// Where the settings of an application are said. They may be read again while it runs.
#[derive(Clone)]
pub(crate) struct Origins {
    app: String,
    /// What the program says.
    configure: Vec<Configure>,
    options: Options,
    surroundings: Surroundings,
}

impl Origins {
    /// All layers of `app` in this process.
    pub(crate) fn of<S: Clone + Send + Sync + 'static>(app: &App<S>, options: &Options) -> Self {
        Self::within(app, options, Surroundings::of_process())
    }

    /// As [`of`](Self::of), in other surroundings than those of this process.
    pub(crate) fn within<S: Clone + Send + Sync + 'static>(
        app: &App<S>,
        options: &Options,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            app: app.name(),
            configure: app.configurations(),
            options: options.clone(),
            surroundings,
        }
    }

    /// Reads the settings from all layers.
    ///
    /// # Errors
    ///
    /// Of kind [`Configuration`](crate::ErrorKind::Configuration) with every mistake on a line.
    pub(crate) fn read(&self) -> Result<Resolved> {
        let mut layers = Layers::new(self.app.clone());
        let variables = Variables::of(&self.surroundings);
        let config = self.options.config.as_deref();
        let config = config.or(variables.config.as_deref());
        file::read(&mut layers, config, &self.surroundings.directory);
        layers.code(&self.configure);
        layers.mistakes.extend(variables.mistakes);
        if let Some(levels) = variables.rust_log {
            layers.rust_log(levels);
        }
        for (index, value) in variables.values {
            layers.set(index, &value, Source::Environment);
        }
        for (index, value) in &self.options.given {
            layers.set(*index, value.expose(), Source::Option);
        }
        layers.finish()
    }
}

/// The layers, as far as they have been read.
struct Layers {
    resolved: Resolved,
    mistakes: Vec<String>,
}

impl Layers {
    fn new(app: String) -> Self {
        Self {
            resolved: Resolved {
                app,
                settings: Settings::default(),
                sources: vec![Source::Default; CATALOGUE.len()],
            },
            mistakes: Vec::new(),
        }
    }

    /// Sets the setting at `index` to what `text` says, or notes what is wrong with it.
    fn set(&mut self, index: usize, text: &str, source: Source) {
        let setting = &CATALOGUE[index];
        match (setting.set)(&mut self.resolved.settings, text) {
            Ok(()) => self.resolved.sources[index] = source,
            Err(wrong) => self.mistake(setting.name, &source.place(setting), wrong),
        }
    }

    /// What the program itself says; it sees what is in the file.
    fn code(&mut self, configure: &[Configure]) {
        let before = self.resolved.settings.clone();
        for configure in configure {
            configure(&mut self.resolved.settings);
        }
        for (index, setting) in CATALOGUE.iter().enumerate() {
            if setting.same(&before, &self.resolved.settings) {
                continue;
            }
            self.resolved.sources[index] = Source::Code;
            if let Err(wrong) = setting.check(&self.resolved.settings) {
                self.mistake(setting.name, "the program's code", wrong);
            }
        }
    }

    /// What all programs with `tracing` read. It is not ours, so nothing in it is a mistake.
    fn rust_log(&mut self, levels: String) {
        if let Some(index) = position("log-level") {
            self.resolved.settings.log_level = levels;
            self.resolved.sources[index] = Source::RustLog;
        }
    }

    /// A mistake: what, where, and what is wrong and to be done.
    fn mistake(&mut self, what: &str, place: &str, wrong: impl fmt::Display) {
        self.mistakes.push(format!("{what} ({place}): {wrong}"));
    }

    fn unknown(&mut self, name: &str, place: &str) {
        let known = CATALOGUE.iter().map(|setting| setting.name);
        let near = did_you_mean(&name.replace('_', "-"), known);
        let remedy = if near.is_empty() {
            "; `worker --show-settings` names all"
        } else {
            &near
        };
        self.mistake(name, place, format!("there is no such setting{remedy}"));
    }

    fn finish(mut self) -> Result<Resolved> {
        self.mistakes.extend(contradictions::of(&self.resolved));
        if self.mistakes.is_empty() {
            return Ok(self.resolved);
        }
        Err(Error::config(format!(
            "the settings of application {} are wrong:\n  - {}",
            self.resolved.app,
            self.mistakes.join("\n  - ")
        )))
    }
}

#[cfg(test)]
mod tests;

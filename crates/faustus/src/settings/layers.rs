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
use crate::{App, Error, Result, Sensitive, near::did_you_mean};
use environment::Variables;

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// A file, and the line in it, counted from 1.
    File(Arc<Path>, usize),
    /// What the program gave to [`App::configure`].
    Code,
    Environment,
    /// The command line.
    Option,
}

impl Source {
    /// The layer's name.
    pub(crate) fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File(..) => "file",
            Self::Code => "code",
            Self::Environment => "environment",
            Self::Option => "option",
        }
    }

    /// Where exactly `setting` was said.
    pub(crate) fn place(&self, setting: &Setting) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File(path, line) => format!("{}, line {line}", path.display()),
            Self::Code => "code".to_owned(),
            Self::Environment => setting.variable(),
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

    fn source(&self, name: &str) -> &Source {
        position(name).map_or(&Source::Default, |index| &self.sources[index])
    }
}

/// Reads the settings of `app` from all layers.
///
/// # Errors
///
/// Of kind [`Configuration`](crate::ErrorKind::Configuration) with every mistake on a line.
pub(crate) fn read<S: Clone + Send + Sync + 'static>(
    app: &App<S>,
    options: &Options,
) -> Result<Resolved> {
    read_in(app, options, &Surroundings::of_process())
}

/// As [`read`], in other surroundings than those of this process.
pub(crate) fn read_in<S: Clone + Send + Sync + 'static>(
    app: &App<S>,
    options: &Options,
    surroundings: &Surroundings,
) -> Result<Resolved> {
    let mut layers = Layers::new(app.name());
    let variables = Variables::of(surroundings);
    let config = options.config.as_deref().or(variables.config.as_deref());
    file::read(&mut layers, config, &surroundings.directory);
    layers.code(|settings| app.apply_configuration(settings));
    layers.mistakes.extend(variables.mistakes);
    for (index, value) in variables.values {
        layers.set(index, &value, Source::Environment);
    }
    for (index, value) in &options.given {
        layers.set(*index, value.expose(), Source::Option);
    }
    layers.finish()
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
    fn code(&mut self, configure: impl FnOnce(&mut Settings)) {
        let before = self.resolved.settings.clone();
        configure(&mut self.resolved.settings);
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

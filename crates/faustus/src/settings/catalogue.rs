//! Each setting once: its name, type, default and meaning, and where it stands in [`Settings`].
//!
//! All else follows from the name: `commit-interval` is the key in `faustus.toml`, `--commit-interval`
//! the option, `FAUSTUS_COMMIT_INTERVAL` the variable.

mod all;

pub(crate) use all::CATALOGUE;

use super::{LogAddress, Settings};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name, as in `commit-interval`.
    pub(crate) name: &'static str,
    /// Where it stands in help and book.
    pub(crate) group: Group,
    /// What its values are.
    pub(crate) kind: Kind,
    /// One sentence that says what it is for.
    pub(crate) help: &'static str,
    /// What its default is, where that is not one value.
    pub(crate) otherwise: Option<&'static str>,
    /// Its value as text, secrets included; nothing if it has none.
    get: fn(&Settings) -> Option<String>,
    /// Reads a value and sets it, or says what is wrong with it and what to write.
    pub(crate) set: fn(&mut Settings, &str) -> Result<(), String>,
}

/// What belongs together in help and book, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Log,
    Processing,
    Worker,
    Topics,
    Tables,
    Asking,
    Messages,
    Kafka,
}

impl Group {
    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Log => "The log",
            Self::Processing => "Processing",
            Self::Worker => "The worker and its group",
            Self::Topics => "Topics",
            Self::Tables => "Tables",
            Self::Asking => "Asking",
            Self::Messages => "Messages",
            Self::Kafka => "Kafka",
        }
    }
}

/// What the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The address of a log, in which names and passwords are hidden.
    Address,
    Choice,
    Count,
    Directory,
    Duration,
    File,
    Flag,
    /// Which messages are written.
    Levels,
    Name,
    Size,
}

impl Kind {
    /// Whether only text can be one of its values.
    pub(crate) fn is_text(self) -> bool {
        match self {
            Self::Address
            | Self::Choice
            | Self::Directory
            | Self::File
            | Self::Levels
            | Self::Name => true,
            // What they say of a number is how to write it with its unit.
            Self::Count | Self::Duration | Self::Flag | Self::Size => false,
        }
    }

    /// How it is called where settings are listed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Choice => "word",
            Self::Count => "number",
            Self::Directory => "directory",
            Self::Duration => "duration",
            Self::File => "file",
            Self::Flag => "boolean",
            Self::Levels => "levels",
            Self::Name => "name",
            Self::Size => "size",
        }
    }

    /// What stands for a value in the help of a command.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Self::Address => "ADDRESS",
            Self::Choice => "WORD",
            Self::Count => "N",
            Self::Directory => "DIR",
            Self::Duration => "DURATION",
            Self::File => "FILE",
            Self::Flag => "BOOL",
            Self::Levels => "LEVELS",
            Self::Name => "NAME",
            Self::Size => "SIZE",
        }
    }
}

impl Setting {
    /// The name of its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("FAUSTUS_{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Its value with secrets hidden; nothing if it has none.
    pub(crate) fn shown(&self, settings: &Settings) -> Option<String> {
        let value = (self.get)(settings)?;
        Some(match self.kind {
            Kind::Address => LogAddress::from(value).to_string(),
            _ => value,
        })
    }

    /// Its default as it is told.
    pub(crate) fn default(&self) -> String {
        match self.otherwise {
            Some(told) => told.to_owned(),
            None => self.shown(&Settings::default()).unwrap_or_default(),
        }
    }

    /// Whether the two have the same value of it.
    pub(crate) fn same(&self, one: &Settings, other: &Settings) -> bool {
        (self.get)(one) == (self.get)(other)
    }

    /// Says what is wrong with the value that code gave.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), String> {
        let value = (self.get)(settings);
        value.map_or(Ok(()), |value| (self.set)(&mut settings.clone(), &value))
    }
}

/// The place of the setting `name` in the catalogue.
pub(crate) fn position(name: &str) -> Option<usize> {
    CATALOGUE.iter().position(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for (index, setting) in CATALOGUE.iter().enumerate() {
            assert_eq!(position(setting.name), Some(index), "{}", setting.name);
            let fits = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(setting.name.chars().all(fits), "{}", setting.name);
        }
    }

    #[test]
    fn a_default_can_be_set_as_it_is_shown() {
        let defaults = Settings::default();
        for setting in CATALOGUE {
            let mut settings = Settings::default();
            if let Some(shown) = setting.shown(&defaults) {
                (setting.set)(&mut settings, &shown).unwrap();
            } else {
                assert!(
                    setting.otherwise.is_some(),
                    "{} has no default",
                    setting.name
                );
            }
            assert_eq!(settings, defaults, "{}", setting.name);
        }
    }

    #[test]
    fn each_setting_changes_one_field_and_no_other_setting() {
        for (index, setting) in CATALOGUE.iter().enumerate() {
            let value = match (setting.kind, setting.name) {
                (Kind::Address, _) => "elsewhere",
                (Kind::Choice, "log-format") => "json",
                (Kind::Choice, _) => "gzip",
                (Kind::Count, _) => "7",
                (Kind::Directory, _) => "somewhere",
                (Kind::Duration, _) => "7 s",
                (Kind::File, _) => "somewhere",
                (Kind::Levels, _) => "warn,bank::web=debug",
                (Kind::Flag, "create-topics") => "false",
                (Kind::Flag, _) => "true",
                (Kind::Name, _) => "somebody",
                (Kind::Size, _) => "7 MiB",
            };
            let mut settings = Settings::default();
            (setting.set)(&mut settings, value).unwrap();
            assert_eq!(setting.shown(&settings).as_deref(), Some(value));
            for (other, setting) in CATALOGUE.iter().enumerate() {
                let same = setting.same(&settings, &Settings::default());
                assert_eq!(same, other != index, "{}", setting.name);
            }
        }
    }

    #[test]
    fn each_setting_refuses_what_is_not_of_its_type_and_says_what_to_write() {
        for setting in CATALOGUE {
            let wrong = match setting.kind {
                Kind::Address | Kind::Directory | Kind::File => "",
                _ => "not this, surely?",
            };
            let mut settings = Settings::default();
            let error = (setting.set)(&mut settings, wrong).unwrap_err();
            assert!(error.contains("; write "), "{}: {error}", setting.name);
            assert_eq!(settings, Settings::default(), "{}", setting.name);
        }
    }
}

//! Settings as options of commands.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::{
    catalogue::{CATALOGUE, Group, Kind, Setting},
    layers::Options,
};

/// The name of the option that names a file.
const FILE: &str = "config";

/// Settings as a command takes them: `ALL`, for one that runs the application, or those alone that say
/// where the log is and how it is spoken to.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingArgs<const ALL: bool>(pub(crate) Options);

impl<const ALL: bool> SettingArgs<ALL> {
    fn takes(setting: &Setting) -> bool {
        ALL || setting.group == Group::Kafka || setting.name == "log"
    }
}

impl<const ALL: bool> Args for SettingArgs<ALL> {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(FILE)
            .long(FILE)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Read settings from this file, also FAUSTUS_CONFIG [default: faustus.toml, if there is one]");
        let settings = CATALOGUE.iter().filter(|setting| Self::takes(setting));
        command.arg(file).args(settings.map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const ALL: bool> FromArgMatches for SettingArgs<ALL> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let settings = CATALOGUE.iter().enumerate();
        let taken = settings.filter(|(_, setting)| Self::takes(setting));
        let given = taken.filter_map(|(index, setting)| {
            let value = matches.get_one::<String>(setting.name)?;
            Some((index, value.clone().into()))
        });
        Ok(Self(Options {
            config: matches.get_one::<PathBuf>(FILE).cloned(),
            given: given.collect(),
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let argument = Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.kind.placeholder())
        .action(ArgAction::Set)
        .help(format!("{} [default: {}]", setting.help, setting.default()))
        .help_heading(setting.group.title());
    if setting.kind == Kind::Flag {
        argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        // A value that begins with a dash is a wrong one, and the report says so with all others.
        argument.allow_hyphen_values(true)
    }
}

//! `faustus app`: the commands for an application whose program is not at hand.
//!
//! They are those of the program's own command line. What is said in their helps of agents and types,
//! which only the program knows, is taken out here.

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::{
    Stopped,
    common::Common,
    messages, on_runtime, or_interrupted,
    session::{Session, Where},
};

/// An application's name, and what is to be done.
#[derive(Debug)]
pub struct AppArgs {
    name: String,
    command: Common,
}

/// Does what is asked for.
///
/// # Errors
///
/// Why it could not be done.
pub fn app(args: AppArgs) -> Result<(), Stopped> {
    messages::warnings();
    let AppArgs { name, command } = args;
    let session = Session::without_program(&name, command.at().settings())?;
    on_runtime(or_interrupted(command.run(&session)))
}

const NAME: &str = "name";

impl Args for AppArgs {
    fn augment_args(command: Command) -> Command {
        let name = clap::Arg::new(NAME)
            .value_name("APP")
            .required(true)
            .value_parser(parse_name)
            .help(
                "The application's name, which is its group's and begins the names of its topics",
            );
        let command = command
            .about("Look after an application whose program is not at hand")
            .after_help(
                "\
Examples:
  faustus app bank lag --log kafka://broker:9092
  faustus app bank table totals --key ann --log bank-data
  FAUSTUS_LOG=kafka://broker:9092 faustus app bank dead-letters

All is found on the log: what the application's group has committed, and topics that are named after it. It works while \
workers run and while none does. What only the program knows it does itself, on its own command line: agents and their \
lanes, types and codecs, questions to agents.",
            )
            .subcommand_required(true)
            .arg_required_else_help(true)
            .arg(name);
        // Where the log is may be said before the command, too.
        let command = Where::augment_args(command).mut_args(|argument| {
            let id = argument.get_id().as_str();
            let (global, shown) = (id != NAME, matches!(id, "json" | "log" | NAME));
            argument.global(global).hide(!shown)
        });
        let mut command = Common::augment_subcommands(command);
        for (name, change) in CHANGES {
            command = command.mut_subcommand(*name, change);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AppArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let name = matches.get_one::<String>(NAME).cloned();
        Ok(Self {
            name: name.unwrap_or_default(),
            command: Common::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Says of a command what is otherwise without a program.
type Change = fn(Command) -> Command;

/// The commands of which it is.
const CHANGES: &[(&str, Change)] = &[
    ("topics", |topics| {
        topics
            .about("List the topics that the application reads, and those that are named after it")
    }),
    ("offsets", only_topics),
    ("lag", only_topics),
    ("dead-letters", |letters| {
        letters.after_help(
            "\
Examples:
  dead-letters
  dead-letters show orders-dead/0@3
  dead-letters replay --all --topic orders-dead

Without --topic the records of all topics of the log are looked at until one says that it is a letter of a topic that the \
application reads.",
        )
    }),
    ("send", |send| {
        send.about("Send a record to a topic")
            .mut_arg("to", |to| to.value_name("TOPIC").help("The topic"))
            .mut_arg("value", |value| {
                value.help("The value, as it is; - reads one value a line from standard input")
            })
            .after_help(
                "\
Examples:
  send orders '{\"account\":\"ann\",\"amount\":7}' --key ann
  send orders - < orders.jsonl

Each record is answered by where it is stored: TOPIC/PARTITION@OFFSET. Nobody checks here that the value is of the \
topic's type; the program's own `send` does.",
            )
    }),
    ("reset", |reset| {
        reset.after_help(
            "\
What the application has committed offsets for is read anew. Its changelogs and repartition topics are deleted. A changelog \
that may be of another application, as far as names tell, is left alone, and the reset is refused.",
        )
    }),
];

fn only_topics(command: Command) -> Command {
    command.mut_arg("of", |of| of.value_name("TOPIC").help("Only this topic"))
}

/// A name as topics have it, which is a part of them.
fn parse_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match !text.is_empty() && text.chars().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("names have letters, digits, dots, dashes and underscores".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        AppArgs::augment_args(Command::new("app")).debug_assert();
    }
}

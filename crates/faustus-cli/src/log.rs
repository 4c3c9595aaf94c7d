//! `log`: what an embedded log in a directory holds. Only looks, and holds the directory meanwhile.

mod groups;
mod records;
mod topics;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use faustus::__command::{Stopped, bytes, output::Output};
use faustus_core::TransportError;
use faustus_log::{DirectoryReader, StoredTopic};

use crate::{Result, failed};

/// Look into the embedded log in a directory, while no worker runs on it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  faustus log bank-data topics
  faustus log bank-data records orders --partition 0 --from 120
  faustus log bank-data verify && cp -r bank-data backup

No record in the directory is changed. A worker that runs holds its directory: `faustus app` asks it
then. With --json each line is an object: keys and values are JSON as they are if they are JSON, texts
if they are other text, else {\"base64\": …}.")]
pub(crate) struct LogArgs {
    /// The directory of the log
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Show data as JSON, an object on a line each
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    look: Look,
}

#[derive(Debug, Subcommand)]
enum Look {
    /// All topics
    Topics,
    Offsets(topics::OffsetsArgs),
    Records(records::RecordsArgs),
    /// The committed offsets of each application, and how far they are behind
    Groups,
    /// Read every record and say what is wrong; exit code 1 if anything is
    Verify,
}

pub(crate) fn run(args: &LogArgs) -> Result {
    let log = Opened {
        log: DirectoryReader::open(&args.directory)
            .map_err(|error| failure(&args.directory, error))?,
        directory: &args.directory,
        output: Output::new(args.json),
    };
    match &args.look {
        Look::Topics => topics::topics(&log),
        Look::Offsets(args) => topics::offsets(&log, args),
        Look::Records(args) => records::run(&log, args),
        Look::Groups => groups::run(&log),
        Look::Verify => verify::run(&log),
    }
}

/// A log that is looked at.
struct Opened<'a> {
    log: DirectoryReader,
    directory: &'a Path,
    output: Output,
}

impl Opened<'_> {
    /// The topic of this name, or what may have been meant.
    fn topic(&self, name: &str) -> Result<&StoredTopic> {
        self.log.topic(name).ok_or_else(|| {
            let names = self.log.topics().iter().map(|topic| topic.name.as_str());
            failed(format!(
                "topic {} does not exist in {}; {}",
                bytes::plain(name),
                self.directory.display(),
                meant(name, names)
            ))
        })
    }

    fn failure(&self, error: TransportError) -> Stopped {
        failure(self.directory, error)
    }
}

/// What topic of `names` may have been meant by `name`.
fn meant<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let likely = |known: &&str| strsim::damerau_levenshtein(name, known);
    match names.min_by_key(likely) {
        None => "it has no topics".to_owned(),
        Some(near) if likely(&near) <= name.len().max(3) / 3 => format!("did you mean {near}?"),
        Some(_) => "`faustus log DIR topics` shows all".to_owned(),
    }
}

/// What is told of a failure of the log, and what to do.
fn failure(directory: &Path, error: TransportError) -> Stopped {
    let remedy = match &error {
        TransportError::Invalid(text) if !text.contains("version") => {
            ": name the directory that a worker had as its --log, such as bank-data"
        }
        TransportError::Unauthorized(_) => {
            ": run this as the user whose directory it is; it must be readable and writable"
        }
        _ => "",
    };
    let text = match error {
        TransportError::Unavailable(text) | TransportError::Unauthorized(text) => text,
        other => other.to_string(),
    };
    let place = directory.display().to_string();
    failed(match text.contains(&place) {
        true => format!("{text}{remedy}"),
        false => format!("{place}: {text}{remedy}"),
    })
}

//! The commands that need no program: an application's own command line has them, and so has the command
//! `faustus` for any application by its name.

use clap::Subcommand;

use super::{
    letters, offsets, orders, reset, send,
    session::{Session, Where},
    tables, topics,
};
use crate::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Common {
    /// List the topics that the application uses
    Topics(topics::TopicsArgs),
    /// List the tables
    Tables(tables::TablesArgs),
    /// Show what is in a table, as it is committed
    Table(tables::TableArgs),
    /// Show how far each partition is read and committed
    Offsets(offsets::OffsetsArgs),
    /// Show how many records wait in each partition, and for how long
    Lag(offsets::OffsetsArgs),
    /// List, show and replay records that failed for good
    DeadLetters(letters::LettersArgs),
    /// Send a record to a topic or an agent
    Send(send::SendArgs),
    /// Pass over a record that a task cannot get past
    Skip(orders::SkipArgs),
    /// Begin anew: forget offsets and tables, after all workers were stopped
    Reset(reset::ResetArgs),
}

impl Common {
    /// Where it looks.
    pub(super) fn at(&self) -> &Where {
        match self {
            Self::Topics(args) => &args.at,
            Self::Tables(args) => &args.at,
            Self::Table(args) => &args.at,
            Self::Offsets(args) | Self::Lag(args) => &args.at,
            Self::DeadLetters(args) => args.at(),
            Self::Send(args) => &args.at,
            Self::Skip(args) => &args.at,
            Self::Reset(args) => &args.at,
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Its own.
    pub(super) async fn run(self, session: &Session) -> Result {
        match self {
            Self::Topics(args) => topics::topics(session, &args).await,
            Self::Tables(args) => tables::tables(session, &args).await,
            Self::Table(args) => tables::table(session, &args).await,
            Self::Offsets(args) => offsets::offsets(session, &args).await,
            Self::Lag(args) => offsets::lag(session, &args).await,
            Self::DeadLetters(args) => letters::dead_letters(session, args).await,
            Self::Send(args) => send::send(session, &args).await,
            Self::Skip(args) => orders::skip(session, &args).await,
            Self::Reset(args) => reset::reset(session, &args).await,
        }
    }
}

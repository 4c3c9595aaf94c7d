//! The program's own commands: finite programs beside the agents.

use std::sync::Arc;

use clap::{ArgMatches, FromArgMatches};

use super::{
    Stopped, on_runtime, or_interrupted,
    session::{Missing, Session},
};
use crate::{
    App, Result, TokioClock,
    command::CommandDef,
    control::Server,
    runtime::{Spawn, Threads, visit, within},
    settings::SettingArgs,
    worker::random,
};

/// Runs a command on the application's log.
///
/// # Errors
///
/// Why it could not begin, or its own.
pub(super) fn run<S: Clone + Send + Sync + 'static>(
    app: App<S>,
    command: &CommandDef,
    arguments: &ArgMatches,
) -> Result<(), Stopped> {
    let at = SettingArgs::from_arg_matches(arguments).unwrap_or_else(|error| error.exit());
    let started = (command.start)(arguments).unwrap_or_else(|error| error.exit());
    let session = Session::new(app, &at)?;
    on_runtime(async {
        let (log, alone) = session.open(Missing::Make).await?;
        // Who has the directory serves it to those who come meanwhile.
        let _serving =
            alone.then(|| Server::start(session.place(), session.app(), Arc::clone(&log), None));
        let spawn: Arc<dyn Spawn> = Arc::new(Threads::default());
        let clock = Arc::new(TokioClock::real());
        let visit = visit(
            session.program()?,
            &session.settings,
            log,
            clock,
            &*spawn,
            random(),
        )
        .await?;
        let ended = or_interrupted(within(&spawn, started)).await;
        visit.end().await;
        ended
    })
}

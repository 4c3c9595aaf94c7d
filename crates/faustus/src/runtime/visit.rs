//! A process that only sends and asks: the application's topics without its agents.

use std::sync::Arc;

use faustus_core::{Clock, Transport};

use super::{
    meters::Meters,
    plan::Plan,
    spawn::{Spawn, TaskGuard},
    topology::AppDef,
};
use crate::{Result, Settings, ask::Replies, client::Client};

/// Sends and asks are possible while it lives.
pub(crate) struct Visit {
    replies: Arc<Replies>,
    _working: [TaskGuard; 2],
}

/// Makes the topics of `def` usable; those that are missing are made, as a worker would.
///
/// # Errors
///
/// Mistakes of the description, a log that cannot be reached.
pub(crate) async fn visit(
    def: &AppDef,
    settings: &Settings,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    spawn: &dyn Spawn,
    seed: u64,
) -> Result<Visit> {
    Plan::make(def, settings, &*transport.admin()).await?;
    let (replies, reading) = Replies::new(
        Arc::clone(&transport),
        Arc::clone(&clock),
        settings.reply_retention,
        seed,
    );
    let (client, sending) = Client::new(
        transport,
        Arc::clone(&clock),
        Arc::clone(&replies),
        settings.ask_timeout,
        // Nobody looks at them here, but sensors hear of what is sent.
        Meters::new(def, clock),
    );
    for topic in def.log_topics() {
        topic.open(&client);
    }
    Ok(Visit {
        replies,
        _working: [spawn.task(Box::pin(sending)), spawn.task(Box::pin(reading))],
    })
}

impl Visit {
    /// Ends it, with nothing left on the log.
    pub(crate) async fn end(self) {
        self.replies.close().await;
    }
}

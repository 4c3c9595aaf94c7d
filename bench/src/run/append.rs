//! Events into the log, and no program.

use std::sync::Arc;

use anyhow::Result;
use faustus::Transport;

use super::Run;
use crate::{
    cases::Case,
    check,
    figures::{Figures, Taken},
    input,
    measure::Meter,
};

impl Run {
    /// The batches are made before; it lasts until the log is closed.
    pub(super) async fn append(&self, case: &Case, log: Arc<dyn Transport>) -> Result<Figures> {
        let topic = self.topic("in");
        let deposits = input::deposits(case.shape, 0, self.events, true);
        let batches: Vec<_> =
            input::batches(topic.as_str().into(), case.shape.partitions, deposits).collect();
        let meter = Meter::start()?;
        input::publish(&*log, batches.into_iter()).await?;
        drop(log);
        let taken = Taken::since(&meter)?;
        check::deposits(&*self.log().await?, &topic, case.shape, self.events).await?;
        Ok(taken.rates(self.events))
    }
}

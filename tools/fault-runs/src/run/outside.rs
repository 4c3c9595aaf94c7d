//! What a run does from outside on a log that it shares with the workers: it feeds them, follows
//! their outputs, and sees when they are at rest.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use faustus_core::{OffsetSpec, Transport};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    feed::feed,
    log::{self, Place},
    model::Names,
    report::say,
    rest::rest,
    tail::{Progress, follow},
};

/// A record of the feeder is tried that long, through any fault of a broker.
const DELIVERY: Duration = Duration::from_secs(120);

pub(super) struct Outside {
    log: Arc<dyn Transport>,
    enough: watch::Sender<bool>,
    feeder: Option<JoinHandle<Result<()>>>,
    follower: JoinHandle<()>,
}

impl Outside {
    /// Makes the topics, and starts to feed `rate` inputs in a second.
    pub(super) async fn start(
        place: &Place,
        names: &Names,
        rate: u64,
        progress: &watch::Sender<Progress>,
    ) -> Result<Self> {
        let log = place.open(DELIVERY).await?;
        let topics = [&names.orders, &names.refunds, &names.order_totals];
        log::ensure_topics(&*log, &topics.map(String::as_str)).await?;
        let (enough, told_enough) = watch::channel(false);
        let feeder = tokio::spawn({
            let (log, names, progress) = (Arc::clone(&log), names.clone(), progress.clone());
            async move {
                let fed = |number| progress.send_modify(|p| p.fed = p.fed.max(number));
                feed(&log, &names, 1..u64::MAX, rate, told_enough, fed).await
            }
        });
        let from = log::ends(&*log, &names.order_totals, OffsetSpec::Earliest).await?;
        let follower = tokio::spawn({
            let (log, names, progress) = (Arc::clone(&log), names.clone(), progress.clone());
            async move {
                let see = |sighting| progress.send_modify(|p| p.see(sighting));
                if let Err(error) = follow(&log, &names.order_totals, from, see).await {
                    say(&format!("outputs cannot be followed: {error:#}"));
                }
            }
        });
        Ok(Self {
            log,
            enough,
            feeder: Some(feeder),
            follower,
        })
    }

    pub(super) fn log(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.log)
    }

    /// Ends the feeding and waits until the application is at rest.
    pub(super) async fn rest(&mut self, names: &Names, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        self.enough.send_replace(true);
        if let Some(feeder) = self.feeder.take() {
            let fed = timeout_at(deadline, feeder).await;
            fed.context("the feeder does not end")??
                .context("feeding")?;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        // The readers have limits of their own, but not all calls.
        let unrest = timeout_at(deadline + patience, Box::pin(rest(&*self.log, names, left)));
        let unrest = unrest.await.context("the log does not answer")??;
        ensure!(unrest.is_empty(), "{}", unrest.join("; "));
        Ok(())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.follower.abort();
        if let Some(feeder) = &self.feeder {
            feeder.abort();
        }
    }
}

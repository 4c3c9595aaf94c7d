//! Looks for topics that patterns find while the application runs.
//!
//! It looks regularly, and when it is asked to: workers look as soon as the group was balanced anew,
//! so that what one of them has seen all of them see. A look that fails changes nothing and is made
//! again. Whoever gets the plans decides what to do with them.

use std::{sync::Arc, time::Duration};

use faustus_core::{Admin, Clock};
use tokio::sync::{Notify, mpsc};

use super::{
    plan::Plan,
    spawn::{Spawn, TaskGuard, spawn_within},
    topology::AppDef,
};
use crate::Settings;

/// No look comes sooner after another one, however short the interval.
const SHORTEST: Duration = Duration::from_millis(100);

/// The plans that follow from topics that come and go.
pub(crate) struct Watch {
    plans: mpsc::UnboundedReceiver<Arc<Plan>>,
    now: Arc<Notify>,
    /// `None` where there is nothing to look for.
    running: Option<TaskGuard>,
}

impl Watch {
    pub(crate) fn start(
        def: &Arc<AppDef>,
        plan: &Arc<Plan>,
        admin: Arc<dyn Admin>,
        clock: &Arc<dyn Clock>,
        spawn: &Arc<dyn Spawn>,
        settings: &Settings,
    ) -> Self {
        let (found, plans) = mpsc::unbounded_channel();
        let now = Arc::new(Notify::new());
        let look = Look {
            def: Arc::clone(def),
            admin,
            clock: Arc::clone(clock),
            settings: settings.clone(),
            now: Arc::clone(&now),
        };
        let plan = Arc::clone(plan);
        let patterns = def.has_patterns();
        let running = patterns.then(|| spawn_within(spawn, look.run(plan, found)));
        Self {
            plans,
            now,
            running,
        }
    }

    /// Looks soon, without waiting for the next time.
    pub(crate) fn look(&self) {
        self.now.notify_one();
    }

    /// The next plan.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Arc<Plan> {
        match self.plans.recv().await {
            Some(plan) if self.running.is_some() => plan,
            _ => std::future::pending().await,
        }
    }
}

struct Look {
    def: Arc<AppDef>,
    admin: Arc<dyn Admin>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    now: Arc<Notify>,
}

impl Look {
    async fn run(self, mut plan: Arc<Plan>, found: mpsc::UnboundedSender<Arc<Plan>>) {
        let interval = self.settings.topic_refresh.max(SHORTEST);
        loop {
            tokio::select! {
                biased;
                () = self.now.notified() => {}
                () = self.clock.sleep(interval) => {}
            }
            match plan
                .look_again(&self.def, &self.settings, &*self.admin)
                .await
            {
                Ok(None) => {}
                Ok(Some(next)) => {
                    plan = Arc::new(next);
                    if found.send(Arc::clone(&plan)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(app = &*self.def.name, %error, "topics of patterns cannot be looked for; that is tried again");
                }
            }
        }
    }
}

//! The tasks that read channels: each worker has its own, and no group knows of them.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use super::Control;
use crate::runtime::outputs::TopicIndex;

impl Control {
    /// Begins, or begins again, the tasks that read channels: each worker has its own.
    pub(super) fn assign_local(&mut self) {
        let local = self.recovery.plan.local_tasks();
        if !local.is_empty() {
            self.assign(&local);
        }
    }

    /// Lets agents finish what is in their channels until `deadline`, and ends them; whether all was finished.
    pub(super) async fn stop_local(&mut self, deadline: Duration) -> bool {
        let local = self.recovery.plan.local_tasks();
        if local.is_empty() {
            return true;
        }
        let def = Arc::clone(&self.recovery.def);
        let read = |source: &TopicIndex| def.agents.iter().any(|a| a.sources.contains(source));
        let channels: Vec<_> = def
            .channels()
            .filter(|(topic, _)| read(&topic.index))
            .collect();
        let patience = deadline.saturating_sub(self.clock.monotonic());
        let mut patience = self.clock.sleep(patience);
        let drained = poll_fn(|cx| {
            // All at once: what leaves one may come into the next.
            let waits = channels
                .iter()
                .any(|(_, queue)| queue.poll_drained(cx).is_pending());
            if waits {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        let mut drained = pin!(drained);
        loop {
            tokio::select! {
                biased;
                () = &mut drained => break,
                () = &mut patience => break,
                Some(request) = self.requests.recv() => self.serve_request(request),
            }
        }
        let finished = self.stop(&local).await;
        for (channel, queue) in &channels {
            if queue.waiting() > 0 {
                tracing::error!(channel = %channel.name, values = queue.waiting(), "what is left in a channel is lost");
            }
        }
        finished && channels.iter().all(|(_, queue)| queue.waiting() == 0)
    }
}

//! Going on by another plan, as topics that patterns find come and go.
//!
//! Only the tasks that read something else begin anew; they stay this worker's all the while, since a
//! task is known by its sub-topology and its number, not by its topics. So workers need not learn of
//! a topic at the same moment: each partition of it is read by who has the task of that number, or,
//! as long as that one does not know of it, by nobody. The group is told afterwards, for what
//! follows from the plan: how many tasks there are, and which topics the group is subscribed to
//! (Kafka forgets offsets of others in time).

use std::sync::{Arc, atomic::Ordering};

use faustus_core::TopicName;

use super::{Background, Command, Control, Plan, member::member_subs};

impl Control {
    /// Goes on by `plan`.
    pub(super) async fn go_by(&mut self, plan: Arc<Plan>, background: &mut Background) {
        let before = Arc::clone(&self.recovery.plan);
        tell_changes(&self.recovery.def.name, Some(&before), &plan);
        let changed = before.changed(&plan, self.shared_tasks());
        // Whoever ends them now does again what was not finished.
        self.stop(&changed).await;
        background.revoked(&changed).await;
        self.recovery.plan = Arc::clone(&plan);
        background.go_by(&plan);
        for thread in &self.threads {
            let plan = Command::Plan(Arc::clone(&plan), changed.clone());
            let _ = thread.commands.send(plan);
        }
        for (index, table) in self.recovery.def.tables.iter().enumerate() {
            let mut subs = plan.subs.iter();
            let sub = subs.find(|sub| sub.def.tables.contains(&index));
            let home = table.reader.get().and_then(|reader| reader.home.as_ref());
            if let (Some(home), Some(sub)) = (home, sub) {
                home.partitions.store(sub.partitions, Ordering::Relaxed);
            }
        }
        self.assign(&changed);
        background.assigned(&changed);
        let subs = member_subs(&self.recovery.def, &plan);
        self.group.set_subtopologies(subs);
    }
}

/// Logs what is read, and what is not, in `plan` other than before.
pub(super) fn tell_changes(app: &str, before: Option<&Plan>, plan: &Plan) {
    let read = |plan: &Plan| plan.found();
    let known = before.map(read).unwrap_or_default();
    let now = read(plan);
    for topic in now.difference(&known) {
        tracing::info!(app, %topic, "a pattern takes the topic");
    }
    for topic in known.difference(&now) {
        tracing::warn!(app, %topic, "a topic that a pattern took is not read any more");
    }
    if before.is_none() {
        // Later ones are made by applications all the time.
        for (pattern, topics) in &plan.not_taken {
            let names: Vec<_> = topics.iter().take(10).map(TopicName::as_str).collect();
            tracing::info!(
                app, %pattern, topics = topics.len(), names = names.join(", "),
                "topics that the log or applications made for themselves match a pattern and are not read"
            );
        }
    }
    for (topic, why) in &plan.left_out {
        if before.is_none_or(|before| before.left_out.get(topic) != Some(why)) {
            tracing::error!(app, %topic, reason = %why, "a topic that a pattern matches is left out");
        }
    }
}

//! The worker as a member of its group: how it joins, the thread that keeps it there, and what follows
//! from its plan: what the group is told, and what is watched for.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Environment;
use crate::{
    membership::{GroupDriver, MemberConfig, SubTopology},
    runtime::{
        leader::leader_sub_topology,
        plan::Plan,
        spawn::{Spawn, Spawned},
        topology::{AppDef, LocalFuture},
        watch::Watch,
    },
};

/// The member of the group, which runs on its own.
pub(super) struct Membership {
    /// Dropped with a worker that is cancelled: it is no member any more.
    alive: oneshot::Sender<()>,
    driven: Spawned,
}

impl Membership {
    pub(super) fn start(driver: GroupDriver, spawn: &dyn Spawn) -> Self {
        let (alive, cancelled) = oneshot::channel::<()>();
        let member = move || -> LocalFuture<()> {
            Box::pin(async move {
                tokio::select! {
                    () = driver.run() => {}
                    _ = cancelled => {}
                }
            })
        };
        let driven = spawn.thread("faustus-group", Box::new(member));
        Self { alive, driven }
    }

    pub(super) async fn end(self) {
        drop(self.alive);
        self.driven.ended().await;
    }
}

impl Environment {
    pub(super) fn watch(&self, def: &Arc<AppDef>, plan: &Arc<Plan>) -> Watch {
        let admin = self.transport.admin();
        Watch::start(def, plan, admin, &self.clock, &self.spawn, &self.settings)
    }

    pub(super) fn member(&self, def: &AppDef, plan: &Plan) -> MemberConfig {
        let mut member = MemberConfig::new(&*def.name, member_subs(def, plan));
        let drain = self.settings.drain_timeout;
        member.instance.clone_from(&self.settings.instance);
        member.session_timeout = self.settings.session_timeout;
        // A revoke takes the drain, as long again for the last epoch, and perhaps for hooks. It may have
        // to wait until tasks that read something else now have ended in the same way.
        let hooks = u32::from(def.background.has_partition_hooks());
        let times = 1 + u32::from(def.has_patterns());
        member.revoke_timeout = drain * ((2 + hooks) * times + 1);
        // A member hears of a rebalance with its next heartbeat; if the group did not wait that
        // long, each newcomer would cost all others their tasks.
        let heartbeat = member.session_timeout / 3;
        member.rebalance_timeout =
            heartbeat + member.revoke_timeout + member.commit_timeout + drain;
        member.lease_margin = member.lease_margin.min(member.session_timeout / 4);
        member
    }
}

/// What this worker can run.
pub(super) fn member_subs(def: &AppDef, plan: &Plan) -> Vec<SubTopology> {
    let mut subs = plan.membership();
    if def.background.needs_leader() {
        subs.push(leader_sub_topology(&def.name));
        subs.sort_by(|a, b| a.name.cmp(&b.name));
    }
    subs
}

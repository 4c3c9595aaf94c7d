//! Static members: a place in the group that outlives a process.

use futures_util::future::join;

use super::{
    Harness,
    groups::{Member, settle},
    rig::Rig,
};
use crate::GroupError;

/// A static member that comes back within its session gets its place and its assignment, and the
/// others do not notice.
pub async fn a_static_member_keeps_its_place(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut members = [
        Member::new(&rig, &group),
        Member::new(&rig, &group).instance("static"),
    ];
    let assignments = settle(&mut members).await;
    let [dynamic, before] = members;
    let mut after = Member::new(&rig, &group).instance("static");
    after.join().await;
    assert_eq!(after.joined().generation, before.joined().generation);
    assert_ne!(after.joined().member, before.joined().member);
    assert_eq!(after.joined().skip_assignment, after.leads());
    let assignment = after.sync().await.expect("it syncs");
    assert_eq!(assignment, assignments[1]);
    assert_eq!(dynamic.heartbeat().await, Ok(()));
    assert_eq!(after.heartbeat().await, Ok(()));
}

/// The process that used an instance id before is told that another took it.
pub async fn a_second_process_of_an_instance_fences_the_first(harness: &dyn Harness) {
    let rig = Rig::new(harness).await;
    let group = harness.unique("group");
    let mut first = Member::new(&rig, &group).instance("static");
    first.settle_alone().await;
    let mut second = Member::new(&rig, &group).instance("static");
    second.join().await;
    let fenced = Err(GroupError::FencedInstance);
    assert_eq!(first.heartbeat().await, fenced);
    let coordinator = &first.coordinator;
    let commit = coordinator.commit_offsets(first.identity(), Vec::new());
    let (committed, rejoined) = join(commit, coordinator.join(first.request.clone())).await;
    assert!(committed.is_ok() || committed == fenced);
    assert_eq!(rejoined, Err(GroupError::FencedInstance));
    assert_eq!(second.heartbeat().await, Ok(()));
}

//! Sessions of routers with a node that is lost. An announcer without power or link can be told nothing, and routers
//! believe it until their hold time ends. Where the configuration names a router's session with each node, that session
//! is closed instead, when a quorate cluster has lost the node and by no other sign: whatever else goes over it is the
//! lost node's as well.
//!
//! It is a withdrawal like any other, with the same rails, notes and damping. What is different:
//! * To put it back the router need not be seen to have any path: the session that is closed may be its only one.
//! * No run ever opens a session. So one that the guard closed comes back while a run has the node in hand too, as soon
//!   as the node is well: what the run keeps out, it keeps out at the announcer.

use super::{
    Decision, Memory,
    decide::Case,
    evidence::{self, Sign},
};
use crate::model::RouteTarget;

impl Case<'_, '_> {
    /// Whether the announcer on the node need not be told, because routers close their sessions with the node.
    pub(super) fn is_told_to_routers(&self, target: &RouteTarget) -> bool {
        target.role.is_driven() && self.route.has_sessions(self.node) && self.is_lost()
    }

    /// The session of one router with the node.
    pub(super) fn decide_session(
        &self,
        target: RouteTarget,
        in_hand: bool,
        memory: &mut Memory,
        decision: &mut Decision,
    ) {
        if !self.is_lost() {
            return self.come_back(target, memory, decision);
        }
        if in_hand {
            return;
        }
        let onset = *memory.onsets.entry(target.clone()).or_insert(self.known.now);
        let Ok(member) = self.known.look().member(&target) else { return };
        if member.gets_clients() {
            let lost = evidence::Evidence(vec![Sign::Lost]);
            self.leave(target, member, &lost, onset, memory, decision);
        }
    }

    fn is_lost(&self) -> bool {
        evidence::of_node(self.cluster, self.node).0.contains(&Sign::Lost)
    }
}

//! What is to be done about what is seen. Asked at every change; says the same thing again only where it did not help,
//! after a pause that grows.

use jiff::Timestamp;

use super::{
    Act, Decision, Delay, Known, Memory, Place,
    evidence::{self, Evidence},
    rails,
};
use crate::{
    journal::Withdrawal,
    model::{ClusterView, Health, MemberView, NodeName, RouteTarget, observed::age, topology::RouteShape},
};

/// Decides on what is known now.
pub fn decide(known: &Known<'_>, memory: &mut Memory) -> Decision {
    let mut decision = Decision::default();
    let began = *memory.began.get_or_insert(known.now);
    let cluster = match sight(known) {
        Ok(cluster) => cluster,
        Err(why) => {
            // Nothing has been seen in the first moments, and that is no news.
            let is_news = memory.sighted.is_some() || age(known.now, began) >= known.settings.max_age();
            memory.sighted = None;
            if is_news && !memory.told_blind {
                decision.acts.push(Act::Blind { why: why.clone() });
                memory.told_blind = true;
            }
            decision.blind = Some(why);
            return decision;
        }
    };
    if memory.told_blind {
        decision.acts.push(Act::Sighted);
        memory.told_blind = false;
    }
    let sighted = *memory.sighted.get_or_insert(known.now);
    let in_hand = |node: &NodeName| known.in_hand.is_none_or(|nodes| nodes.contains(node));
    for node in &known.topology.nodes {
        let in_hand = in_hand(node);
        if !in_hand {
            standby(cluster, node, memory, &mut decision);
        }
        let targets = known.topology.targets(node).into_iter().flat_map(|(_, targets)| targets);
        for target in targets.filter(|t| !known.busy.contains(t)) {
            let Some(route) = known.topology.routes.iter().find(|r| r.id == target.route) else { continue };
            let case = Case { known, cluster, route, node, sighted };
            if target.role.is_driven() {
                if !in_hand && !case.is_told_to_routers(&target) {
                    case.decide(target, memory, &mut decision);
                }
            } else if route.has_session(&target.instance, node) {
                case.decide_session(target, in_hand, memory, &mut decision);
            }
        }
    }
    let kept = |target: &RouteTarget| decision.kept.contains(target);
    memory.kept.retain(|target, _| kept(target));
    decision
}

/// The cluster, where it can be seen well enough to act on.
fn sight<'a>(known: &Known<'a>) -> Result<&'a ClusterView, String> {
    let cluster = known.look().cluster().map_err(|waiting| waiting.to_string())?;
    if !cluster.quorate {
        return Err("no member that answers has quorum".to_owned());
    }
    if known.in_hand.is_none() {
        return Err("the journal does not say what runs have in hand".to_owned());
    }
    Ok(cluster)
}

fn standby(cluster: &ClusterView, node: &NodeName, memory: &mut Memory, decision: &mut Decision) {
    let is_so = cluster.nodes.get(node).is_some_and(|m| m.online && m.standby && m.owner.is_none());
    if !is_so {
        memory.out_of_order.remove(node);
        return;
    }
    if memory.out_of_order.insert(node.clone()) {
        decision.acts.push(Act::OutOfOrder { node: node.clone() });
    }
}

/// One member of one route.
pub(super) struct Case<'a, 'k> {
    pub(super) known: &'k Known<'a>,
    pub(super) cluster: &'a ClusterView,
    pub(super) route: &'a RouteShape,
    pub(super) node: &'k NodeName,
    sighted: Timestamp,
}

impl Case<'_, '_> {
    fn decide(&self, target: RouteTarget, memory: &mut Memory, decision: &mut Decision) {
        let Ok(member) = self.known.look().member(&target) else { return };
        let evidence = self.evidence(&target);
        let checks = member.health != Health::Unchecked;
        let enough = if checks { evidence.advises() } else { evidence.withdraws() };
        let place = (self.node.clone(), target.service.clone());
        if enough {
            // What was seen of a loss until it is clearly over is one loss.
            let onset = *memory.onsets.entry(target.clone()).or_insert(self.known.now);
            if member.gets_clients() {
                self.leave(target, member, &evidence, onset, memory, decision);
            }
            return;
        }
        if evidence.wants_probe() {
            self.hasten(&place, memory, decision);
        }
        self.come_back(target, memory, decision);
    }

    /// What was withdrawn is put back once everything is well.
    pub(super) fn come_back(&self, target: RouteTarget, memory: &mut Memory, decision: &mut Decision) {
        if !self.is_well(&target) {
            return;
        }
        memory.onsets.remove(&target);
        if let Some(was) = self.known.withdrawn.get(&target) {
            self.put_back(target, was, memory, decision);
        }
    }

    /// What should be out takes clients: it is taken out, unless another hand put it back since.
    pub(super) fn leave(
        &self,
        target: RouteTarget,
        member: &MemberView,
        evidence: &Evidence,
        onset: Timestamp,
        memory: &mut Memory,
        decision: &mut Decision,
    ) {
        match self.known.withdrawn.get(&target) {
            // What was seen before it was read back as out shows what was there before.
            Some(was) if was.acknowledged.is_some_and(|at| self.seen_at(&target) <= Some(at)) => {}
            Some(was) if was.acknowledged.is_some() => {
                let why = format!("another hand put it back after it was withdrawn; {evidence}");
                self.keep(target, why, memory, decision);
            }
            _ => self.lose(target, member, evidence, onset, memory, decision),
        }
    }

    /// When the member's instance was last looked at.
    fn seen_at(&self, target: &RouteTarget) -> Option<Timestamp> {
        self.known.seen.routes.get(&target.route)?.get(&target.instance)?.at()
    }

    /// A load balancer on the node is lost with the node, and not with the service behind it.
    fn evidence(&self, target: &RouteTarget) -> Evidence {
        let service = self.known.topology.services.iter().find(|s| s.name == target.service);
        match service {
            Some(service) if !self.known.topology.is_front(self.route, self.node) => {
                evidence::of_service(self.known, self.cluster, self.node, service, self.sighted)
            }
            _ => {
                let mut of_node = evidence::of_node(self.cluster, self.node);
                of_node.0.retain(|sign| *sign == evidence::Sign::Lost);
                of_node
            }
        }
    }

    fn is_well(&self, target: &RouteTarget) -> bool {
        let service = self.known.topology.services.iter().find(|s| s.name == target.service);
        match service {
            Some(service) if !self.known.topology.is_front(self.route, self.node) => {
                evidence::serves(self.known, self.cluster, self.node, service)
            }
            _ => self.cluster.nodes.get(self.node).is_some_and(|member| member.usable()),
        }
    }

    fn lose(
        &self,
        target: RouteTarget,
        member: &MemberView,
        evidence: &Evidence,
        onset: Timestamp,
        memory: &mut Memory,
        decision: &mut Decision,
    ) {
        let others = rails::others(self.known, self.cluster, &target, onset);
        let wanted = self.known.settings.service(&target.service).map_or(1, |s| s.min_ready.max(1));
        let serving = u32::try_from(others.serving.len()).unwrap_or(u32::MAX);
        if serving < wanted {
            for place in &others.awaited {
                self.hasten(place, memory, decision);
            }
            let possible = serving.saturating_add(u32::try_from(others.awaited.len()).unwrap_or(u32::MAX));
            if possible < wanted {
                let why = format!("{serving} others serve, {wanted} needed; {evidence}");
                self.keep(target, why, memory, decision);
            }
            return;
        }
        let may = memory.may_take(&target, self.known.now);
        if !self.is_due(&target, may, memory, decision) {
            return;
        }
        memory.take(&target, self.known.now);
        let (node, why) = (self.node.clone(), evidence.to_string());
        decision.acts.push(match member.health {
            Health::Unchecked => Act::Withdraw { target, node, before: member.exact.clone(), why },
            Health::Passing | Health::Failing { .. } => Act::Advise { target, node, why },
        });
    }

    fn keep(&self, target: RouteTarget, why: String, memory: &mut Memory, decision: &mut Decision) {
        if memory.kept.insert(target.clone(), why.clone()).is_none() {
            decision.acts.push(Act::FailOpen { target: target.clone(), node: self.node.clone(), why });
        }
        decision.kept.push(target);
    }

    fn put_back(&self, target: RouteTarget, was: &Withdrawal, memory: &mut Memory, decision: &mut Decision) {
        let may = memory.may_return(&target, self.known.now);
        if !self.is_due(&target, may, memory, decision) {
            return;
        }
        memory.tried.insert(target.clone(), self.known.now);
        let (node, before, acknowledged) = (self.node.clone(), was.before.clone(), was.acknowledged.is_some());
        decision.acts.push(Act::Return { target, node, before, acknowledged });
    }

    /// Whether a change may be made now; one that may is counted, one that may not is put off.
    fn is_due(&self, target: &RouteTarget, may: bool, memory: &mut Memory, decision: &mut Decision) -> bool {
        let delay = match may {
            false => Delay::Damped,
            true if memory.count_change(self.known.settings.guard.max_changes, self.known.now) => return true,
            true => Delay::Limited,
        };
        decision.delayed.insert(target.clone(), (self.node.clone(), delay));
        false
    }

    fn hasten(&self, place: &Place, memory: &mut Memory, decision: &mut Decision) {
        let ready = self.known.settings.service(&place.1).map(|s| s.ready.timeout);
        if memory.hasten(place, ready.unwrap_or_default(), self.known.now) {
            decision.acts.push(Act::Hasten { place: place.clone() });
        }
    }
}

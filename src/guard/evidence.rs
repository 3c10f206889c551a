//! What counts as a loss. One witness alone is never believed where a mistake would last: a probe may fail because of
//! the way to the node, a unit may be restarted. So a loss has two witnesses that cannot err together.
//!
//! * A quorate cluster without the node: its members agreed on that.
//! * Standby: the cluster says so, and stops the unit.
//! * The unit does not run (systemd says so itself), and a probe failed.
//! * The probes failed as often as configured, and the node's systemd has answered since: so the way is not to blame.

use std::fmt;

use jiff::Timestamp;

use super::{Known, Place, Probed, Standing};
use crate::model::{ClusterView, NodeName, observed::age, topology::ServiceShape};

/// One thing that speaks against a service on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A quorate cluster does not have the node.
    Lost,
    /// The node is in standby, and no run put it there.
    Standby,
    /// systemd says that the unit does not run.
    UnitDown {
        /// Its state.
        state: String,
    },
    /// The last probe failed.
    Failing {
        /// Why.
        why: String,
    },
    /// So did as many in a row as are configured.
    Unhealthy,
    /// The node's systemd answered after a probe had failed.
    Answers,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("the cluster has lost the node"),
            Self::Standby => f.write_str("the node was put into standby without a drain"),
            Self::UnitDown { state } => write!(f, "its unit is {state}"),
            Self::Failing { why } => write!(f, "the probe failed: {why}"),
            Self::Unhealthy => f.write_str("unhealthy by the thresholds"),
            Self::Answers => f.write_str("its systemd answers"),
        }
    }
}

/// All signs about one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence(pub Vec<Sign>);

impl Evidence {
    /// Whether a load balancer may be told: its own checks will say if that was wrong.
    pub fn advises(&self) -> bool {
        self.withdraws() || self.has(|s| matches!(s, Sign::UnitDown { .. }))
    }

    /// Whether it is enough where nothing checks: what is withdrawn stays so until it is put back.
    pub fn withdraws(&self) -> bool {
        let failing = self.has(|s| matches!(s, Sign::Failing { .. }));
        self.has(|s| matches!(s, Sign::Lost | Sign::Standby))
            || failing && self.has(|s| matches!(s, Sign::UnitDown { .. }))
            || failing && self.has(|s| *s == Sign::Unhealthy) && self.has(|s| *s == Sign::Answers)
    }

    /// Whether nothing at all speaks against it.
    pub fn is_clear(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a probe right now could tell more.
    pub fn wants_probe(&self) -> bool {
        self.has(|s| matches!(s, Sign::UnitDown { .. })) && !self.has(|s| matches!(s, Sign::Failing { .. }))
    }

    fn has(&self, is: impl Fn(&Sign) -> bool) -> bool {
        self.0.iter().any(is)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, sign) in self.0.iter().filter(|s| **s != Sign::Answers).enumerate() {
            write!(f, "{}{sign}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What speaks against the node itself, whatever runs there.
pub fn of_node(cluster: &ClusterView, node: &NodeName) -> Evidence {
    let Some(member) = cluster.nodes.get(node) else { return Evidence(vec![Sign::Lost]) };
    let mut signs = Vec::new();
    if !member.online || member.unclean {
        signs.push(Sign::Lost);
    }
    if member.standby && member.owner.is_none() {
        signs.push(Sign::Standby);
    }
    Evidence(signs)
}

/// What speaks against a service on a node. `sighted`: probes that began to fail before that say more about the
/// coordinator's own sight than about the node.
pub fn of_service(
    known: &Known<'_>,
    cluster: &ClusterView,
    node: &NodeName,
    service: &ServiceShape,
    sighted: Timestamp,
) -> Evidence {
    let mut evidence = of_node(cluster, node);
    let unit = known.look().unit(node, &service.unit).ok();
    if let Some(unit) = unit.filter(|u| !matches!(u.active.as_str(), "active" | "reloading")) {
        evidence.0.push(Sign::UnitDown { state: unit.active.clone() });
    }
    let place: Place = (node.clone(), service.name.clone());
    let Some(probed) = known.probed(&place) else { return evidence };
    let Some(since) = probed.failing_since.filter(|_| counts(probed, known, service, sighted)) else { return evidence };
    evidence.0.push(Sign::Failing { why: probed.why.clone() });
    if matches!(probed.standing, Standing::Unhealthy | Standing::Suppressed) {
        evidence.0.push(Sign::Unhealthy);
    }
    let answered = known.seen.nodes.get(node).and_then(|n| n.units.get(&service.unit)?.at());
    if unit.is_some() && answered.is_some_and(|at| at > since) {
        evidence.0.push(Sign::Answers);
    }
    evidence
}

/// Whether a failure says something about the node: it began under the coordinator's eyes, or went on long after.
fn counts(probed: &Probed, known: &Known<'_>, service: &ServiceShape, sighted: Timestamp) -> bool {
    let Some(ready) = known.settings.service(&service.name).map(|s| &s.ready) else { return false };
    let patience = (ready.interval + ready.timeout) * ready.unhealthy.saturating_add(1);
    probed.failing_since.is_some_and(|since| since >= sighted)
        || probed.failed.is_some_and(|last| last > sighted && age(last, sighted) >= patience)
}

/// Whether a service on a node is known to serve: nothing against it, and everything for it.
pub fn serves(known: &Known<'_>, cluster: &ClusterView, node: &NodeName, service: &ServiceShape) -> bool {
    let place: Place = (node.clone(), service.name.clone());
    let probed = known.probed(&place).is_some_and(|p| p.standing == Standing::Healthy && p.passed.is_some());
    let runs = known.look().unit(node, &service.unit).is_ok_and(|unit| unit.is_active());
    cluster.nodes.get(node).is_some_and(|member| member.usable()) && runs && probed
}

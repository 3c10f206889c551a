//! What is probed, and what is told about it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    failure::Failure,
    judge::{Rules, Verdict},
    probe::{Check, Programs},
};
use crate::{
    config::settings,
    model::{NodeName, ServiceName},
};

/// One service on one node: how it is probed, how often, and by which rules it is judged.
#[derive(Clone, Debug)]
pub struct Target {
    /// The node.
    pub node: NodeName,
    /// The service.
    pub service: ServiceName,
    /// What is asked, and where.
    pub check: Check,
    /// Time limit of one probe.
    pub timeout: Duration,
    /// Time between the starts of two probes, before jitter; not zero.
    pub interval: Duration,
    /// How answers are judged.
    pub rules: Rules,
}

impl Target {
    /// A configured service on a node. A node without an address in `nodes` is looked up by its name, at every probe.
    /// Fails where a file that the probe needs (a certificate, a key) cannot be read.
    pub fn new(
        service: &settings::Service,
        node: &NodeName,
        nodes: &BTreeMap<NodeName, settings::Node>,
        programs: &Programs,
    ) -> Result<Self, Failure> {
        let ready = &service.ready;
        let (grace, damping) = (ready.grace, ready.damping.clone());
        Ok(Self {
            node: node.clone(),
            service: service.name.clone(),
            check: Check::new(ready, node, nodes.get(node).and_then(|n| n.address), programs)?,
            timeout: ready.timeout,
            interval: ready.interval,
            rules: Rules { unhealthy: ready.unhealthy, healthy: ready.healthy, grace, damping },
        })
    }
}

/// One probe's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The node.
    pub node: NodeName,
    /// The service.
    pub service: ServiceName,
    /// When the answer was there.
    pub at: Timestamp,
    /// Time from the start of the probe to its answer.
    pub took: Duration,
    /// The answer.
    pub answer: Result<(), Failure>,
    /// What is known of the target with it.
    pub verdict: Verdict,
    /// Where the state is another than the last one that was told of this target: the verdict that was told then.
    pub changed: Option<Verdict>,
}

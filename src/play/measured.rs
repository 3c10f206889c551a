//! What nodes got in some time, and whether that is as it should be. Pure.

use std::collections::BTreeMap;

use crate::{
    model::{Counters, InstanceName, NodeName, RouteId},
    traffic::{share::Counted, skew::SAMPLE},
};

/// Sums over some time.
#[derive(Debug, Default)]
pub(super) struct Measured {
    nodes: BTreeMap<NodeName, Sums>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    got: f64,
    expected: f64,
    failed: f64,
}

impl Measured {
    /// Adds what came between two looks. What an instance should have sent a node is its part of all that it sent.
    pub(super) fn add<'c>(&mut self, counted: impl Iterator<Item = &'c Counted>) {
        let mut instances: BTreeMap<(&RouteId, &InstanceName), Vec<&Counted>> = BTreeMap::new();
        for one in counted {
            instances.entry((&one.route, &one.instance)).or_default().push(one);
        }
        for all in instances.into_values() {
            let got = |one: &Counted| one.grown.counted.traffic().unwrap_or_default() as f64;
            let sent: f64 = all.iter().map(|one| got(one)).sum();
            for one in all {
                let sums = self.nodes.entry(one.node.clone()).or_default();
                sums.got += got(one);
                sums.expected += one.grown.expected.unwrap_or_default() * sent;
                sums.failed += failed(&one.grown.counted) as f64;
            }
        }
    }

    /// Whether nobody gets more than so often its share.
    pub(super) fn skew(&self, at_most: f64) -> Result<String, String> {
        let all: f64 = self.nodes.values().map(|sums| sums.got).sum();
        if all < SAMPLE {
            return Err(format!("{all:.0} requests are too few to judge shares by"));
        }
        let ratio = |sums: &Sums| (sums.expected > 0.0).then(|| sums.got / sums.expected);
        let ratios = self.nodes.iter().filter_map(|(node, sums)| Some((node, ratio(sums)?)));
        let (node, worst) = ratios.max_by(|a, b| a.1.total_cmp(&b.1)).ok_or("nothing is expected of any node")?;
        let text = format!("{node} gets {worst:.2} times its share");
        if worst <= at_most { Ok(text) } else { Err(format!("{text}; {at_most} is allowed")) }
    }

    /// Whether no larger share of the requests failed.
    pub(super) fn errors(&self, at_most: f64) -> Result<String, String> {
        let (failed, got) = self.nodes.values().fold((0.0, 0.0), |(f, g), sums| (f + sums.failed, g + sums.got));
        if got < 1.0 {
            return Err("no request was counted".into());
        }
        let text = format!("{failed:.0} of {got:.0} requests failed");
        if failed / got <= at_most { Ok(text) } else { Err(format!("{text}; a share of {at_most} is allowed")) }
    }
}

fn failed(counters: &Counters) -> u64 {
    let kinds = [counters.connect_failures, counters.lost_answers, counters.answers_5xx, counters.failed_requests];
    kinds.into_iter().flatten().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::delta::Grown;

    fn measured(nodes: &[(&str, u64, f64, u64)]) -> Measured {
        let one = |(node, requests, part, failed): &(&str, u64, f64, u64)| Counted {
            entrypoint: "web".into(),
            route: "web/haproxy:app".into(),
            instance: "lb-1".into(),
            node: NodeName::new(*node),
            grown: Grown {
                counted: Counters { requests: Some(*requests), answers_5xx: Some(*failed), ..Counters::default() },
                expected: Some(*part),
            },
        };
        let counted: Vec<Counted> = nodes.iter().map(one).collect();
        let mut measured = Measured::default();
        measured.add(counted.iter());
        measured
    }

    #[test]
    fn shares_are_judged_against_what_was_to_be_sent() {
        let even = measured(&[("a", 500, 0.5, 0), ("b", 500, 0.5, 0)]);
        assert!(even.skew(1.2).is_ok_and(|text| text.ends_with("gets 1.00 times its share")));
        assert!(measured(&[("a", 800, 0.5, 0), ("b", 200, 0.5, 0)]).skew(1.2).is_err());
        assert!(measured(&[("a", 800, 0.8, 0), ("b", 200, 0.2, 0)]).skew(1.2).is_ok(), "as it is weighted");
        assert!(measured(&[("a", 50, 0.5, 0), ("b", 20, 0.5, 0)]).skew(1.2).is_err(), "too few to say");
    }

    #[test]
    fn errors_are_a_share_of_what_came() {
        let some = measured(&[("a", 990, 0.5, 3), ("b", 1010, 0.5, 1)]);
        assert!(some.errors(0.002).is_ok() && some.errors(0.001).is_err());
        assert!(measured(&[("a", 0, 1.0, 0)]).errors(1.0).is_err(), "nothing was counted");
    }
}

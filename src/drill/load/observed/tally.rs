//! What was counted, look by look, as seconds. No clock, no socket: looks come in as values.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Gap, ObservedTraffic, Seen, counts};
use crate::{
    drill::load::{LoadReport, Second},
    model::{Counters, EntrypointName, InstanceName, RouteId, Topology, topology::RouteShape},
    traffic::delta::{self, Look},
};

/// Gaps that are kept one by one.
const MAX_GAPS: usize = 200;
/// Seconds that are kept: a day.
const MAX_SECONDS: u64 = 24 * 3600;

/// From one look to the next.
type Span = (Timestamp, Timestamp);

/// The sums.
pub(super) struct Tally {
    started_at: Timestamp,
    last: BTreeMap<(RouteId, InstanceName), Look>,
    seconds: BTreeMap<u64, Second>,
    gaps: Vec<Gap>,
    more_gaps: u64,
}

impl Tally {
    pub(super) fn new(started_at: Timestamp) -> Self {
        Self { started_at, last: BTreeMap::new(), seconds: BTreeMap::new(), gaps: Vec::new(), more_gaps: 0 }
    }

    /// Takes in a round of looks; what came since the round before.
    pub(super) fn take(&mut self, topology: &Topology, looks: Vec<Seen<'_>>) -> Second {
        let innermost = self.innermost(&looks);
        let mut sum = Second::default();
        for (route, instance, seen, at) in looks {
            if innermost.get(&route.entrypoint) != Some(&route.tier) {
                continue;
            }
            let key = (route.id.clone(), instance.clone());
            let before = self.last.get(&key).cloned();
            let from = before.as_ref().map_or(self.started_at, |look| look.at);
            let now = match seen {
                Ok(view) => Look { view, at, parts: BTreeMap::new() },
                Err(error) => {
                    self.gap(route, instance, (from, at), error.to_string());
                    continue;
                }
            };
            let servers = servers(route, topology);
            self.open(&now, &servers);
            match before.as_ref().map(|before| delta::between(before, &now)) {
                Some(Some(grown)) => {
                    // What it did not answer meanwhile it told now.
                    self.gaps.retain(|gap| (&gap.route, &gap.instance, gap.from) != (&key.0, &key.1, from));
                    for (node, grown) in grown.iter().filter_map(|(s, g)| servers.get(s.as_str()).zip(Some(g))) {
                        self.spread(node, &grown.counted, (from, at), &mut sum);
                    }
                }
                Some(None) => {
                    let why = "its counters began again, its members changed, or nobody looked for a minute";
                    self.gap(route, instance, (from, at), why.into());
                }
                None => {}
            }
            self.last.insert(key, now);
        }
        sum
    }

    /// The tier of each entrypoint whose load balancers are nearest to the nodes, of those that count.
    fn innermost(&self, looks: &[Seen<'_>]) -> BTreeMap<EntrypointName, u16> {
        let mut innermost: BTreeMap<EntrypointName, u16> = BTreeMap::new();
        for (route, _, seen, _) in looks {
            if seen.as_ref().is_ok_and(counts) || self.last.keys().any(|(id, _)| id == &route.id) {
                let tier = innermost.entry(route.entrypoint.clone()).or_default();
                *tier = route.tier.max(*tier);
            }
        }
        innermost
    }

    /// Connections that are open now.
    fn open(&mut self, look: &Look, servers: &BTreeMap<&str, String>) {
        let Some(second) = self.second(look.at) else { return };
        for (server, node) in servers {
            if let Some(member) = look.view.members.get(*server) {
                *second.open_by_node.entry(node.clone()).or_default() += member.sessions;
            }
        }
    }

    /// What a node got between two looks, over the seconds in between.
    fn spread(&mut self, node: &str, grown: &Counters, (from, until): Span, sum: &mut Second) {
        let failed = failures(grown);
        let requests = grown.traffic().unwrap_or(0).max(failed);
        let millis = u64::try_from(until.duration_since(from).as_millis()).unwrap_or(0);
        let seconds = ((millis + 500) / 1000).max(1);
        for number in 0..seconds {
            let part = |all: u64| all * (number + 1) / seconds - all * number / seconds;
            let back = Duration::from_secs(seconds - 1 - number);
            let at = until.checked_sub(back).unwrap_or(until);
            if let Some(second) = self.second(at) {
                add(second, node, part(requests), part(failed));
            }
        }
        add(sum, node, requests, failed);
    }

    fn second(&mut self, at: Timestamp) -> Option<&mut Second> {
        let second = at.duration_since(self.started_at).as_secs().max(0).unsigned_abs();
        let room = second < MAX_SECONDS;
        room.then(|| self.seconds.entry(second).or_insert_with(|| Second { second, ..Second::default() }))
    }

    fn gap(&mut self, route: &RouteShape, instance: &InstanceName, (from, until): Span, why: String) {
        // One that goes on is the same.
        let same =
            |gap: &&mut Gap| gap.route == route.id && &gap.instance == instance && gap.from == from && gap.why == why;
        if let Some(gap) = self.gaps.iter_mut().rev().find(same) {
            gap.until = until;
        } else if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap { route: route.id.clone(), instance: instance.clone(), from, until, why });
        } else {
            self.more_gaps += 1;
        }
    }

    pub(super) fn finish(self, ended_at: Timestamp) -> ObservedTraffic {
        let (mut requests, mut failed, mut by_node) = (0, 0, BTreeMap::new());
        for second in self.seconds.values() {
            (requests, failed) = (requests + second.requests, failed + second.failed);
            for (node, count) in &second.by_node {
                *by_node.entry(node.clone()).or_default() += count;
            }
        }
        ObservedTraffic {
            started_at: self.started_at,
            ended_at,
            requests,
            failed,
            error_ratio: LoadReport::ratio(requests, failed),
            by_node,
            timeline: self.seconds.into_values().collect(),
            gaps: self.gaps,
            more_gaps: self.more_gaps,
        }
    }
}

/// The nodes of the cluster behind a route, by its own names for them.
fn servers<'a>(route: &'a RouteShape, topology: &Topology) -> BTreeMap<&'a str, String> {
    let nodes = route.servers.iter().filter(|(node, _)| topology.nodes.contains(node));
    nodes.map(|(node, server)| (server.as_str(), node.to_string())).collect()
}

fn add(second: &mut Second, node: &str, requests: u64, failed: u64) {
    second.requests += requests;
    second.failed += failed;
    second.ok += requests - failed;
    *second.by_node.entry(node.to_owned()).or_default() += requests - failed;
    if failed > 0 {
        *second.failed_by_node.entry(node.to_owned()).or_default() += failed;
    }
}

/// Requests that failed, by whatever is counted.
fn failures(grown: &Counters) -> u64 {
    let apart = [grown.connect_failures, grown.lost_answers, grown.answers_5xx];
    let apart = apart.iter().flatten().copied().reduce(u64::saturating_add);
    match grown.failed_requests {
        Some(all) => all,
        None => apart.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{InstanceView, MemberView, NodeName},
        provider::ProviderError,
    };

    fn topology() -> Topology {
        let route = |id: &str, tier| RouteShape {
            id: id.into(),
            entrypoint: "web".into(),
            service: "app".into(),
            tier,
            port: None,
            instances: [("lb-1".into(), Default::default())].into(),
            servers: [("node-1", "s1"), ("node-2", "s2")].map(|(n, s)| (NodeName::new(n), s.to_owned())).into(),
        };
        let nodes = ["node-1", "node-2"].map(NodeName::new).to_vec();
        Topology {
            nodes,
            outside: vec![],
            services: vec![],
            routes: vec![route("web/outer", 0), route("web/inner", 1)],
        }
    }

    fn view(generation: &str, requests: [u64; 2], failed: u64) -> crate::provider::Result<InstanceView> {
        let member = |requests, failed| MemberView {
            counters: Counters { requests: Some(requests), answers_5xx: Some(failed), ..Counters::default() },
            sessions: 7,
            ..MemberView::default()
        };
        let members =
            [("s1".to_owned(), member(requests[0], failed)), ("s2".to_owned(), member(requests[1], 0))].into();
        Ok(InstanceView { generation: generation.into(), members, ..InstanceView::default() })
    }

    /// Looks at the inner route, at these seconds.
    fn watched(looks: Vec<(i64, crate::provider::Result<InstanceView>)>) -> ObservedTraffic {
        let topology = topology();
        let at = |second| Timestamp::from_second(1000 + second).expect("a time");
        let (mut tally, mut last) = (Tally::new(at(0)), 0);
        for (second, seen) in looks {
            // The outer one sees the same requests.
            let instance = &InstanceName::from("lb-1");
            let all = vec![
                (&topology.routes[0], instance, seen.clone(), at(second)),
                (&topology.routes[1], instance, seen, at(second)),
            ];
            tally.take(&topology, all);
            last = second;
        }
        tally.finish(at(last))
    }

    #[test]
    fn what_came_in_between_is_spread_over_the_seconds() {
        let seen = watched(vec![
            (0, view("1", [1000, 1000], 5)),
            (1, view("1", [1010, 1004], 5)),
            (4, view("1", [1040, 1004], 8)),
        ]);
        let seconds: Vec<_> = seen.timeline.iter().map(|s| (s.second, s.requests, s.failed)).collect();
        assert_eq!(seconds, [(0, 0, 0), (1, 14, 0), (2, 10, 1), (3, 10, 1), (4, 10, 1)]);
        assert_eq!((seen.requests, seen.failed, seen.by_node["node-1"], seen.by_node["node-2"]), (44, 3, 37, 4));
        assert_eq!(seen.timeline[4].failed_by_node, [("node-1".to_owned(), 1)].into());
        assert_eq!(seen.timeline[1].open_by_node["node-1"], 7, "the inner route alone");
        assert!(seen.gaps.is_empty());
    }

    #[test]
    fn a_reload_is_a_gap_and_no_spike() {
        let seen = watched(vec![
            (0, view("1", [1000, 1000], 5)),
            (1, view("2", [3, 3], 0)),
            (2, view("2", [9, 3], 0)),
            (3, view("2", [2, 3], 0)),
        ]);
        assert_eq!((seen.requests, seen.failed), (6, 0));
        let gaps: Vec<_> = seen.gaps.iter().map(|g| (g.from.as_second(), g.until.as_second())).collect();
        assert_eq!(gaps, [(1000, 1001), (1002, 1003)], "a reload, and cleared counters");
    }

    #[test]
    fn silence_of_an_instance_is_no_silence_of_its_clients() {
        let gone = || Err(ProviderError::Unreachable("connection refused".into()));
        let ended = watched(vec![(0, view("1", [10, 10], 0)), (1, gone()), (2, gone())]);
        assert_eq!((ended.requests, ended.gaps.len()), (0, 1));
        assert_eq!((ended.gaps[0].until.as_second(), ended.gaps[0].why.as_str()), (1002, "connection refused"));
        let back = watched(vec![(0, view("1", [10, 10], 0)), (1, gone()), (2, gone()), (3, view("1", [40, 10], 0))]);
        assert_eq!((back.requests, back.gaps.len()), (30, 0), "it told what it had counted");
    }
}

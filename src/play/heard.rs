//! Whether everybody who counts has told what was counted. What one of them keeps to itself may be the worst of all, so
//! nothing is judged without it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    model::{Counters, EntrypointName, InstanceName, InstanceView, Observation, Observed, RouteId, Topology},
    traffic::share::Counted,
};

/// Every instance through which an entrypoint's clients come, and what is missing of it.
#[derive(Debug, Default)]
pub(super) struct Heard {
    instances: BTreeMap<(RouteId, InstanceName), One>,
}

#[derive(Debug, Default)]
struct One {
    /// Its last look.
    last: Option<Timestamp>,
    /// Why that look, or the time before it, tells nothing of traffic.
    missing: Option<String>,
    /// It began to count anew: what came just before is not known, and stays so.
    lost: bool,
    /// What it counted was seen to grow, if only by nothing.
    counted: bool,
    /// It tells of failures.
    tells_failures: bool,
}

impl Heard {
    /// Takes in one look, and what was counted since the look before. Name servers and routers see no connections: of them
    /// nothing is expected.
    pub(super) fn look(
        &mut self,
        topology: &Topology,
        seen: &Observation,
        counted: &[Counted],
        entrypoint: Option<&EntrypointName>,
    ) {
        let routes = topology.routes.iter().filter(|r| entrypoint.is_none_or(|wanted| *wanted == r.entrypoint));
        for route in routes {
            for instance in route.instances.iter().filter(|(_, shape)| !shape.blind).map(|(name, _)| name) {
                let looked = seen.routes.get(&route.id).and_then(|all| all.get(instance));
                let grew = counted.iter().any(|c| c.route == route.id && c.instance == *instance);
                let one = self.instances.entry((route.id.clone(), instance.clone())).or_default();
                let servers: Vec<&str> = route.servers.values().map(String::as_str).collect();
                one.look(looked, &servers, grew);
            }
        }
    }

    /// Whether the traffic of all of them is known; who told nothing, and why.
    pub(super) fn traffic(&self) -> Result<(), String> {
        self.without(One::silence)
    }

    /// Whether the failures of all of them are known besides.
    pub(super) fn failures(&self) -> Result<(), String> {
        self.without(|one| {
            one.silence().or_else(|| (!one.tells_failures).then(|| "it does not tell which requests fail".to_owned()))
        })
    }

    fn without(&self, silence: impl Fn(&One) -> Option<String>) -> Result<(), String> {
        if self.instances.is_empty() {
            return Err("nobody on the way counts anything".into());
        }
        let silent = |((route, instance), one): (&(RouteId, InstanceName), &One)| {
            Some(format!("{instance} ({route}) told nothing: {}", silence(one)?))
        };
        let silent: Vec<String> = self.instances.iter().filter_map(silent).collect();
        if silent.is_empty() { Ok(()) } else { Err(silent.join("; ")) }
    }
}

impl One {
    fn look(&mut self, looked: Option<&Observed<InstanceView>>, servers: &[&str], grew: bool) {
        let (view, at) = match looked {
            Some(Observed::Known { value, at }) => (value, *at),
            Some(Observed::Unknown { reason }) => return self.missing = Some(reason.clone()),
            None => return self.missing = Some("it was not asked".into()),
        };
        let is_new = self.last.replace(at).is_some_and(|last| last != at);
        self.counted |= grew;
        self.lost |= is_new && !grew;
        let counters =
            || view.members.iter().filter(|(name, _)| servers.contains(&name.as_str())).map(|(_, m)| &m.counters);
        let is_silent = counters().any(|counters| counters.traffic().is_none());
        self.missing = is_silent.then(|| "it counts neither requests nor connections".into());
        self.tells_failures = counters().all(tells_failures);
    }

    fn silence(&self) -> Option<String> {
        match (&self.missing, self.lost, self.counted) {
            (Some(why), ..) => Some(why.clone()),
            (None, true, _) => Some("it began to count anew in the middle".into()),
            (None, false, false) => Some("it was seen only once".into()),
            (None, false, true) => None,
        }
    }
}

fn tells_failures(counters: &Counters) -> bool {
    let kinds = [counters.connect_failures, counters.lost_answers, counters.answers_5xx, counters.failed_requests];
    kinds.iter().any(Option::is_some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::topology::{InstanceShape, RouteShape},
        model::{MemberView, NodeName},
        traffic::share::Traffic,
    };

    /// Two load balancers behind a name server.
    fn topology() -> Topology {
        let route = |id: &str, instances: &[(&str, bool)]| RouteShape {
            id: id.into(),
            entrypoint: "web".into(),
            service: "app".into(),
            tier: 0,
            port: None,
            instances: instances
                .iter()
                .map(|(name, blind)| ((*name).into(), InstanceShape { blind: *blind, ..InstanceShape::default() }))
                .collect(),
            servers: BTreeMap::from([(NodeName::new("a"), "a".to_owned())]),
        };
        let routes = vec![
            route("web/dns:app", &[("dns-1", true)]),
            route("web/haproxy:app", &[("lb-1", false), ("lb-2", false)]),
        ];
        Topology { nodes: vec!["a".into()], routes, ..Topology::default() }
    }

    fn counting(requests: Option<u64>, failed: Option<u64>) -> MemberView {
        let counters = Counters { requests, failed_requests: failed, ..Counters::default() };
        MemberView { counters, weight: 1, ..MemberView::default() }
    }

    /// What is heard when lb-1 counts on, and lb-2 shows these, a second apart.
    fn heard(lb_2: &[Result<(&str, MemberView), &str>]) -> Heard {
        let (topology, mut traffic, mut heard) = (topology(), Traffic::default(), Heard::default());
        for (second, looked) in (0_i64..).zip(lb_2) {
            let at = Timestamp::from_second(second).expect("a time");
            let view = |generation: &str, member: MemberView| {
                let members = BTreeMap::from([("a".to_owned(), member)]);
                Observed::known(InstanceView { generation: generation.into(), members, ..InstanceView::default() }, at)
            };
            let one = view("1", counting(Some(second.unsigned_abs()), Some(0)));
            let two = match looked {
                Ok((generation, member)) => view(generation, member.clone()),
                Err(why) => Observed::unknown(*why),
            };
            let instances = BTreeMap::from([("lb-1".into(), one), ("lb-2".into(), two)]);
            let seen = Observation {
                routes: BTreeMap::from([("web/haproxy:app".into(), instances)]),
                ..Observation::default()
            };
            let counted = traffic.fold(&topology, &seen);
            heard.look(&topology, &seen, &counted, None);
        }
        heard
    }

    fn says(result: Result<(), String>, text: &str) {
        let why = result.expect_err(text);
        assert!(why.contains("lb-2 (web/haproxy:app)") && why.contains(text) && !why.contains("lb-1"), "{why}");
    }

    #[test]
    fn who_counts_and_answers_is_heard_and_a_name_server_is_not_asked() {
        let on = |n| Ok(("1", counting(Some(n), Some(0))));
        let all = heard(&[on(0), on(5), on(5)]);
        assert_eq!((all.traffic(), all.failures()), (Ok(()), Ok(())));
        let all = heard(&[on(0), Err("no connection"), on(5)]);
        assert_eq!(all.traffic(), Ok(()), "the counters of later looks tell of the gap as well");
    }

    #[test]
    fn one_that_tells_nothing_is_named() {
        let on = |n| Ok(("1", counting(Some(n), Some(0))));
        says(heard(&[Err("connection refused"), Err("connection refused")]).traffic(), "connection refused");
        says(heard(&[on(0), on(5), Err("connection refused")]).traffic(), "connection refused");
        says(heard(&[Err("connection refused"), on(5)]).traffic(), "seen only once");
        says(
            heard(&[on(0), Ok(("2", counting(Some(1), Some(0)))), Ok(("2", counting(Some(2), Some(0))))]).traffic(),
            "anew",
        );
        let silent = || Ok(("1", counting(None, None)));
        says(heard(&[silent(), silent()]).traffic(), "counts neither");
        let half = heard(&[Ok(("1", counting(Some(0), None))), Ok(("1", counting(Some(5), None)))]);
        assert_eq!(half.traffic(), Ok(()));
        says(half.failures(), "which requests fail");
    }

    #[test]
    fn where_nobody_counts_nothing_is_known() {
        let mut heard = Heard::default();
        heard.look(&topology(), &Observation::default(), &[], Some(&"other".into()));
        assert!(heard.traffic().is_err());
        heard.look(&topology(), &Observation::default(), &[], Some(&"web".into()));
        assert!(heard.traffic().expect_err("not asked").contains("it was not asked"));
    }
}

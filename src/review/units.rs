//! Units and files on the nodes: the cluster's alone to start, and the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Facts,
    facts::{Known, Machine, Unit, span},
    rule::{Needs, Rule, Severity, Verdict},
};
use crate::model::{NodeName, UnitName};

pub(super) static RULES: [Rule; 6] = [
    Rule {
        code: "unit-enabled",
        title: "The cluster alone starts the unit",
        why: "A unit that is enabled in systemd starts at boot, before the cluster says so: on a node in standby, or after fencing, and \
              beside what a drain has just stopped.",
        mend: "`systemctl disable` the unit on that node; the cluster starts it all the same.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: enabled,
    },
    Rule {
        code: "unit-missing",
        title: "The unit exists on every member",
        why: "The cluster cannot start the service there, which shows only when it has to.",
        mend: "Install the unit on that node, and `systemctl daemon-reload`.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: missing,
    },
    Rule {
        code: "unit-differs",
        title: "The unit's files are the same on every member",
        why: "A node starts another program, with other limits and time-outs, than the others: a drain moves clients to something else.",
        mend: "Deploy the same unit and drop-ins everywhere, and `systemctl daemon-reload`; drop-ins below /run do not count.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: differs,
    },
    Rule {
        code: "archive-differs",
        title: "What is deployed is the same on every member",
        why: "Nodes answer the same request differently, and a client sees both.",
        mend: "Deploy the same version everywhere; in the middle of a rollout, go on with it.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: archives,
    },
    Rule {
        code: "stop-endless",
        title: "A stop ends while somebody waits for it",
        why: "A unit that may take for ever to stop, or longer than a run has patience, leaves the run held in the middle of a drain.",
        mend: "Set `TimeoutStopSec` of the unit below `run.patience`, or raise `run.patience`.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: endless,
    },
    Rule {
        code: "stop-fences",
        title: "The cluster waits for a stop as long as systemd does",
        why: "The cluster calls a stop failed that systemd still waits for, and a failed stop fences the node, with everything on it.",
        mend: "Raise the stop operation's time-out above the unit's `TimeoutStopSec`: `pcs resource update … op stop timeout=…`.",
        severity: Severity::Problem,
        needs: Needs::Systems,
        look: fences,
    },
];

/// Every member with what was read there.
fn machines<'a>(facts: &Facts<'a>) -> Vec<(&'a NodeName, Known<&'a Machine>)> {
    let read = |node| match facts.found().machines.get(node) {
        Some(Ok(machine)) => Ok(machine),
        Some(Err(why)) => Err(why.clone()),
        None => Err("it was not asked".to_owned()),
    };
    facts.topology.nodes.iter().map(|node| (node, read(node))).collect()
}

/// Looks at every unit of every service on every member. Those outside the cluster are the node's own affair at boot.
fn each(facts: &Facts<'_>, verdict: &mut Verdict, extra: bool, look: impl Fn(Option<&Unit>) -> Option<String>) {
    for service in &facts.settings.services {
        let more = service.extra_units.iter().filter(|_| extra);
        for unit in std::iter::once(&service.unit).chain(more) {
            for (node, machine) in machines(facts) {
                let about = format!("{node}: {unit}");
                match machine.and_then(|m| m.units.get(unit).ok_or_else(|| "it was not asked".to_owned())) {
                    Err(why) => verdict.unknown(about, &why),
                    Ok(found) => {
                        if let Some(what) = look(found.as_ref()) {
                            verdict.found(about, what);
                        }
                    }
                }
            }
        }
    }
}

fn enabled(facts: &Facts<'_>, verdict: &mut Verdict) {
    each(facts, verdict, false, |unit| {
        let state = &unit?.file_state;
        state.starts_with("enabled").then(|| format!("it is {state} in systemd as well as run by the cluster"))
    });
}

fn missing(facts: &Facts<'_>, verdict: &mut Verdict) {
    each(facts, verdict, true, |unit| unit.is_none().then(|| "there is no such unit".to_owned()));
}

fn endless(facts: &Facts<'_>, verdict: &mut Verdict) {
    let patience = facts.settings.run.patience;
    each(facts, verdict, true, |unit| match unit?.stop_timeout {
        None => Some("its stop may take for ever (TimeoutStopSec)".to_owned()),
        Some(stop) if stop >= patience => {
            Some(format!("its stop may take {}, and a run waits for {}", span(stop), span(patience)))
        }
        Some(_) => None,
    });
}

/// The nodes that hold each version of something, the version of most nodes first.
fn versions<T: Ord>(held: Vec<(&NodeName, T)>) -> Vec<(T, Vec<&NodeName>)> {
    let mut by_version: BTreeMap<T, Vec<&NodeName>> = BTreeMap::new();
    for (node, version) in held {
        by_version.entry(version).or_default().push(node);
    }
    let mut all: Vec<_> = by_version.into_iter().collect();
    all.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    all
}

fn list(nodes: &[&NodeName]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn differs(facts: &Facts<'_>, verdict: &mut Verdict) {
    let units = facts.settings.services.iter().flat_map(|s| std::iter::once(&s.unit).chain(&s.extra_units));
    for name in units.collect::<BTreeSet<&UnitName>>() {
        let mut held = Vec::new();
        for (node, machine) in machines(facts) {
            let about = format!("{node}: {name}");
            match machine.map(|m| m.units.get(name).and_then(Option::as_ref)) {
                Err(why) => verdict.unknown(about, &why),
                // A unit that is missing is a finding of its own.
                Ok(None) => {}
                Ok(Some(unit)) => match unit.content.iter().map(|(p, hash)| Ok((p, hash.clone()?))).collect() {
                    Err::<Vec<_>, String>(why) => verdict.unknown(about, &why),
                    Ok(content) => held.push((node, content)),
                },
            }
        }
        let versions = versions(held);
        for (_, nodes) in versions.iter().skip(1) {
            let first = versions.first().map(|(_, nodes)| list(nodes)).unwrap_or_default();
            for node in nodes {
                verdict.found(format!("{node}: {name}"), format!("its files are others than on {first}"));
            }
        }
    }
}

fn archives(facts: &Facts<'_>, verdict: &mut Verdict) {
    for path in facts.settings.services.iter().flat_map(|s| &s.archives).collect::<BTreeSet<_>>() {
        let mut held = Vec::new();
        for (node, machine) in machines(facts) {
            let about = format!("{node}: {}", path.display());
            let said =
                machine.and_then(|m| m.files.get(path).cloned().unwrap_or_else(|| Err("it was not asked".into())));
            match said {
                Err(why) => verdict.unknown(about, &why),
                Ok(None) => verdict.found(about, "there is no such file"),
                Ok(Some(hash)) => held.push((node, hash)),
            }
        }
        let versions = versions(held);
        let first = versions.first().map(|(_, nodes)| list(nodes)).unwrap_or_default();
        for (hash, nodes) in versions.iter().skip(1) {
            for node in nodes {
                let short: String = hash.chars().take(12).collect();
                verdict
                    .found(format!("{node}: {}", path.display()), format!("it is another than on {first} ({short}…)"));
            }
        }
    }
}

fn fences(facts: &Facts<'_>, verdict: &mut Verdict) {
    for service in &facts.settings.services {
        let resource = &service.clone.resource;
        let about = format!("service {}", service.name);
        let waits = match facts.found().stop_timeouts.get(resource) {
            Some(Ok(timeout)) => *timeout,
            Some(Err(why)) => {
                verdict.unknown(about, why);
                continue;
            }
            None => {
                verdict.unknown(about, "the cluster was not asked");
                continue;
            }
        };
        // A stop without end is a finding of its own, and members that cannot be asked are told there.
        let unit = |m: Known<&'_ Machine>| m.ok()?.units.get(&service.unit)?.as_ref()?.stop_timeout;
        let longest = machines(facts).into_iter().filter_map(|(_, m)| unit(m)).max();
        if let Some(stop) = longest.filter(|stop| *stop > waits) {
            let what = format!("the cluster waits {} for its stop, and systemd {}", span(waits), span(stop));
            verdict.found(about, what);
        }
    }
}

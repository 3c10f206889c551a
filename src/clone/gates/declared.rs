//! What is declared, against what is there: obstacles, time-outs, numbers, constraints.

use std::time::Duration;

use super::Facts;
use crate::{
    clone::{
        Declaration,
        place::{duration, written},
    },
    plan::gates::{Answer, Gate},
};

pub(super) fn gates(facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = vec![shape(facts)];
    gates.extend(timeouts(facts));
    gates.extend([room(facts), constraints(facts)]);
    if let Some(off) = facts.found.clone.as_ref().map(|c| &c.switched_off).filter(|off| !off.is_empty()) {
        let detail = format!("{} is kept from running: {}", facts.found.resource, off.join(", "));
        let remedy =
            format!("`pcs resource enable {}` or `pcs resource manage` it, where that is over", facts.found.resource);
        gates.push(Gate::new("clone-switched-off", Answer::Warn, detail).remedy(remedy));
    }
    if let Some(misplaced) = facts.found.clone.as_ref().map(|c| &c.misplaced).filter(|misplaced| !misplaced.is_empty())
    {
        let resource = &facts.found.resource;
        let detail = format!("set on the primitive {resource}, where it has no effect: {}", misplaced.join(", "));
        let names =
            misplaced.iter().filter_map(|m| m.split('=').next()).map(|name| format!(" {name}=")).collect::<String>();
        gates.push(
            Gate::new("clone-misplaced", Answer::Warn, detail).remedy(format!("`pcs resource meta {resource}{names}`")),
        );
    }
    gates
}

/// Nothing stands in the way, and every value can be set by one change.
fn shape(facts: &Facts<'_>) -> Gate {
    let (wanted, found) = (facts.wanted, facts.found);
    let mut against = found.obstacles.clone();
    if let Some(clone) = &found.clone {
        if clone.agent != wanted.agent {
            against.push(format!("{} is a {}, and {} is declared", wanted.resource, clone.agent, wanted.agent));
        }
        let declared = wanted.values();
        let entangled = clone.settings.iter().filter(|s| declared.iter().any(|w| w.place == s.place));
        against.extend(entangled.filter_map(|s| s.entangled.clone()));
    }
    if against.is_empty() {
        let what = if facts.creates() { "is free" } else { "is a clone as it is declared, up to its values" };
        return Gate::new("clone-shape", Answer::Pass, format!("{} {what}", wanted.resource));
    }
    Gate::new("clone-shape", Answer::Refuse, against.join("; "))
        .remedy("only a person can tell what was meant: change it with pcs, or the configuration")
}

/// The cluster's time-outs end after the unit's own: a stop that the cluster gives up on fences the node.
fn timeouts(facts: &Facts<'_>) -> Vec<Gate> {
    let Declaration { start_timeout, stop_timeout, .. } = facts.wanted;
    let known = || facts.units.values().flatten().filter(|u| u.exists);
    let stop = longest(known().map(|u| u.stop_timeout));
    let start = longest(known().map(|u| u.start_timeout));
    let mut gates = Vec::new();
    gates.push(match (stop, stop_timeout) {
        (None, _) => Gate::new("clone-stop-timeout", Answer::Refuse, "the unit's time-out of a stop is not known"),
        (Some(Limit::Never), _) => Gate::new(
            "clone-stop-timeout",
            Answer::Refuse,
            "systemd never ends a stop of the unit (TimeoutStopSec=infinity), and a stop that the cluster gives up on fences \
             the node",
        )
        .remedy("give the unit a TimeoutStopSec"),
        (Some(Limit::After(own)), Some(timeout)) if timeout.wanted <= own => Gate::new(
            "clone-stop-timeout",
            Answer::Refuse,
            format!(
                "the cluster would give up on a stop after {}, systemd only after {}: a slow stop would count as failed, and a \
                 failed stop fences the node",
                written(timeout.wanted),
                written(own)
            ),
        )
        .remedy(format!("set `stop-timeout` above {}, or the unit's TimeoutStopSec below it", written(own))),
        (Some(Limit::After(own)), _) => Gate::new("clone-stop-timeout", Answer::Pass, against(facts, "stop", stop_timeout, own)),
    });
    gates.push(match (start, start_timeout) {
        (None, _) => Gate::new("clone-start-timeout", Answer::Refuse, "the unit's time-out of a start is not known"),
        (Some(Limit::Never), _) => Gate::new(
            "clone-start-timeout",
            Answer::Warn,
            "systemd never gives up a start of the unit (TimeoutStartSec=infinity); the cluster does",
        )
        .remedy("give the unit a TimeoutStartSec, or `start-timeout` enough for its slowest start"),
        (Some(Limit::After(own)), Some(timeout)) if timeout.wanted <= own => Gate::new(
            "clone-start-timeout",
            Answer::Refuse,
            format!(
                "the cluster would give up on a start after {}, systemd only after {}: a slow start would be stopped, and not \
                 tried again on that node",
                written(timeout.wanted),
                written(own)
            ),
        )
        .remedy(format!("set `start-timeout` above {}, or the unit's TimeoutStartSec below it", written(own))),
        (Some(Limit::After(own)), _) => Gate::new("clone-start-timeout", Answer::Pass, against(facts, "start", start_timeout, own)),
    });
    gates
}

/// How long systemd waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Limit {
    After(Duration),
    Never,
}

/// The longest on any node; `None` where none is known.
fn longest(limits: impl Iterator<Item = Option<Duration>>) -> Option<Limit> {
    limits.map(|limit| limit.map_or(Limit::Never, Limit::After)).max()
}

fn against(facts: &Facts<'_>, operation: &str, wanted: &Option<crate::clone::Timeout>, own: Duration) -> String {
    let place = crate::clone::Place::operation(operation, "timeout");
    let there = facts.found.clone.as_ref().and_then(|c| c.setting(&place)?.effective().and_then(duration));
    let kept =
        wanted.and_then(|w| w.enough).zip(there).filter(|(enough, there)| there > enough).map(|(_, there)| there);
    let cluster = kept.or_else(|| wanted.map(|w| w.wanted)).map_or_else(|| "nothing".into(), written);
    format!("the cluster waits {cluster} for a {operation}, systemd {}", written(own))
}

/// More instances than nodes is a mistake that only shows as stopped instances.
fn room(facts: &Facts<'_>) -> Gate {
    let nodes = facts.eligible().len();
    let room = u64::try_from(nodes).unwrap_or(u64::MAX).saturating_mul(u64::from(facts.wanted.clone_node_max));
    let max = facts.wanted.clone_max;
    match max {
        Some(max) if u64::from(max) > room => {
            let detail = format!(
                "clone-max is {max}, and {nodes} nodes may run it: {} would stay stopped",
                u64::from(max) - room
            );
            Gate::new("clone-max", Answer::Warn, detail).remedy("lower `clone-max`, or let more nodes run it")
        }
        Some(max) => Gate::new("clone-max", Answer::Pass, format!("{max} instances, {nodes} nodes may run them")),
        None => Gate::new("clone-max", Answer::Pass, format!("one a node, {nodes} nodes may run it")),
    }
}

/// What other people's constraints do to it.
fn constraints(facts: &Facts<'_>) -> Gate {
    let foreign: Vec<String> = facts.found.constraints.iter().filter(|c| !c.ours).map(ToString::to_string).collect();
    let mut banned: Vec<String> =
        facts.found.constraints.iter().filter(|c| !c.ours && c.bans.is_some()).map(ToString::to_string).collect();
    if !facts.found.withheld.is_empty() {
        let nodes: Vec<&str> = facts.found.withheld.iter().map(|n| n.as_str()).collect();
        banned.push(format!("withheld by Tidegate: {}", nodes.join(", ")));
    }
    match (foreign.is_empty(), banned.is_empty()) {
        (true, true) => Gate::new("clone-constraints", Answer::Pass, "no constraint touches it"),
        (false, true) => Gate::new("clone-constraints", Answer::Pass, format!("they stay: {}", foreign.join("; "))),
        (_, false) => Gate::new(
            "clone-constraints",
            Answer::Warn,
            format!("no instance is expected there: {}", banned.join("; ")),
        )
        .remedy("`pcs constraint delete ID` where a ban is over"),
    }
}

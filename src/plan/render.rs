//! A plan, or the reasons why there is none, laid out for a person: numbered steps, each with what it changes, what
//! proves it, and how long it may take. Plain text, readable at 100 columns and without colour. Pure.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use super::{
    Plan, Purpose,
    gates::{Answer, Gate},
    steps::{Action, ClusterUnit, ConnectionWait, Following, Readmission, ReadyWait, Through, policy_words},
};
use crate::{
    config::settings::OnDeadline,
    model::{InstanceName, Leave, NodeName, Rehearsal, RouteId, RouteTarget, UnitName, rehearsal::Kind},
    run::waiting::Short,
};

/// Columns of a line.
const WIDTH: usize = 100;

/// The whole plan. `patience` is the longest wait for anything but connections (`run.patience`).
pub fn plan(plan: &Plan, patience: Duration) -> String {
    let mut text = format!("{}\n", headline(plan));
    let _ = writeln!(text, "  asked by {}: {}", plan.request.operator, plan.request.reason);
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "\n{:>3}  {}", number + 1, step.action.title());
        for (label, line) in step_lines(plan, &step.action) {
            wrap(&mut text, &format!("       {label:<8} "), &line);
        }
    }
    if plan.steps.is_empty() {
        text.push_str("\n  nothing to do\n");
    }
    text.push_str(&plan.rehearsal.as_ref().map(|r| rehearsal(r, &plan.request.leave)).unwrap_or_default());
    let then = if plan.parent.is_some() { "stuck" } else { "held" };
    let _ =
        writeln!(text, "\nA step that says no other time is proven within {}, or the run is {then}.", Short(patience));
    if !plan.warnings.is_empty() {
        text.push_str("\nWarnings\n");
        for warning in &plan.warnings {
            wrap(&mut text, "  - ", warning);
        }
    }
    let _ = writeln!(text, "\nFingerprint {} (the same world makes the same plan)", plan.fingerprint);
    text
}

/// What the cluster itself says it would do, one line each.
pub fn rehearsal(rehearsal: &Rehearsal, leave: &Leave) -> String {
    let mut text = format!("\nThe cluster, rehearsing {}, would\n", leave.noun());
    for one in &rehearsal.moves {
        let fencing = if one.kind == Kind::Fencing { "; a fencing device" } else { "" };
        wrap(&mut text, "  - ", &format!("{one}{fencing}"));
    }
    if rehearsal.moves.is_empty() {
        text.push_str("  do nothing\n");
    }
    text
}

/// One line that says what a plan is for.
pub fn headline(plan: &Plan) -> String {
    let node = plan.node();
    match (plan.request.purpose, &plan.parent, &plan.origin) {
        (Purpose::Drain, ..) => match &plan.request.leave {
            Leave::Standby | Leave::StandbyUntilRestart => {
                format!("Drain {node}: out of traffic, then out of the cluster")
            }
            Leave::Maintenance => format!("Drain {node}: out of traffic, then out of the cluster's hands"),
            Leave::Ban { service, .. } => format!("Drain {node} of {service}: out of traffic, then stopped there"),
            Leave::Adopt { service, .. } => {
                format!("Drain {node} of {service}: out of traffic, then stopped, to be run by the cluster")
            }
            Leave::Release { service, .. } => {
                format!("Drain {node} of {service}: out of traffic, then stopped, to be run by systemd")
            }
        },
        (Purpose::Restore, Some(parent), _) => format!("Undo {parent}: put back what it changed on {node}"),
        (Purpose::Restore, None, Some(origin)) => format!("Restore {node}: put back what {origin} changed"),
        (Purpose::Restore, None, None) => format!("Restore {node}"),
        (Purpose::StandIn, ..) => format!("{node} stands in {}", plan.request.reason),
        (Purpose::Retire, Some(parent), _) => format!("Undo {parent}: {node} stands in no longer"),
        (Purpose::Retire, None, _) => format!("Retire {node}: it stands in no longer, and is put back as it was"),
        (Purpose::Withhold, Some(parent), _) => format!("Withhold {node}: undo {parent}, no clients until restored"),
        (Purpose::Withhold, None, _) => format!("Withhold {node}: no clients, the cluster as it is"),
    }
}

/// Every gate that does not pass, with its remedy; what a person reads instead of a plan.
pub fn refusals(purpose: Purpose, node: &NodeName, gates: &[Gate]) -> String {
    let mut text = format!("{purpose} {node} refused: {}\n", count(gates.len(), "reason", "reasons"));
    for gate in gates {
        let kind = if gate.answer == Answer::Hold { "not now" } else { "no" };
        let _ = writeln!(text, "\n  {} ({kind})", gate.code);
        wrap(&mut text, "    ", &gate.detail);
        if let Some(remedy) = &gate.remedy {
            wrap(&mut text, "    -> ", remedy);
        }
    }
    text
}

type Lines = Vec<(&'static str, String)>;

fn step_lines(plan: &Plan, action: &Action) -> Lines {
    let node = plan.node();
    match action {
        Action::DrainRoutes { targets, .. } => drained(targets),
        Action::AwaitConnections { services } => services.iter().flat_map(|wait| connections(plan, wait)).collect(),
        Action::CloseRoutes { targets } => closed(targets),
        Action::Resize { resource, from, to } => resized(resource, from, to),
        Action::Standby { leave } => standby(plan, leave),
        Action::VerifyStopped { units } => units.iter().map(|u| stopped(u, node)).collect(),
        Action::StopUnits { units } => units_changed("stop", units, node, "inactive, one after the other"),
        Action::EnableUnits { units, enabled: true } => {
            units_changed("enable", units, node, "started by systemd at boot")
        }
        Action::EnableUnits { units, enabled: false } => {
            units_changed("disable", units, node, "not started by systemd at boot")
        }
        Action::RequireFreshChecks { targets } => fresh_checks(targets),
        Action::StartUnits { units } => units_changed("start", units, node, "active, one after the other"),
        Action::Unstandby { attribute, leave } => unstandby(node, leave, attribute.as_deref()),
        Action::VerifyStarted { units } => units.iter().map(|u| started(u, node)).collect(),
        Action::AwaitReady { services } => services.iter().map(|s| ready(s, node)).collect(),
        Action::ReadmitRoutes { readmissions, followers, .. } => readmitted(plan, readmissions, followers),
    }
}

/// One paragraph, indented under the end of `label`, broken between words. A word longer than a line stays whole.
fn wrap(text: &mut String, label: &str, paragraph: &str) {
    let indent = label.chars().count();
    let mut column = indent;
    text.push_str(label);
    for (number, word) in paragraph.split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > WIDTH {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if number > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

/// Servers by route, each with every instance that has to acknowledge.
fn by_server<'a>(
    targets: impl Iterator<Item = &'a RouteTarget>,
) -> BTreeMap<(&'a RouteId, &'a str), Vec<&'a InstanceName>> {
    let mut grouped: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for target in targets {
        grouped.entry((&target.route, target.server.as_str())).or_default().push(&target.instance);
    }
    grouped
}

fn names(instances: &[&InstanceName]) -> String {
    instances.iter().map(|i| i.as_str()).collect::<Vec<_>>().join(", ")
}

fn drained(targets: &[RouteTarget]) -> Lines {
    let (driven, following): (Vec<_>, Vec<_>) = targets.iter().partition(|t| t.role.is_driven());
    let mut lines: Lines = by_server(driven.into_iter())
        .iter()
        .map(|((route, server), at)| ("changes", format!("{server} takes no new clients at {} ({route})", names(at))))
        .collect();
    for ((route, server), at) in by_server(following.into_iter()) {
        lines.push(("follows", format!("{} must show {route} without {server} too", names(&at))));
    }
    lines.push(("until", format!("{} read back as drained", count(targets.len(), "instance", "instances"))));
    lines
}

/// Sends away who would come back.
fn closed(targets: &[RouteTarget]) -> Lines {
    let mut lines: Lines = by_server(targets.iter())
        .iter()
        .map(|((route, server), at)| {
            ("changes", format!("clients bound to {server} are sent elsewhere at {} ({route})", names(at)))
        })
        .collect();
    lines.push(("until", format!("{} read back as closed", count(targets.len(), "instance", "instances"))));
    lines
}

fn connections(plan: &Plan, wait: &ConnectionWait) -> Lines {
    // Names and prefixes have no sessions; what they forget late is said by itself.
    let has_sessions = |t: &&Through| !t.blind;
    let at: Vec<&InstanceName> = wait.through.iter().filter(has_sessions).map(|t| &t.target.instance).collect();
    let policy = match wait.policy.on_deadline {
        OnDeadline::Hold => "then the run is held, with the node still drained".to_owned(),
        other => format!("then {}", policy_words(other)),
    };
    let sessions = if at.is_empty() { String::new() } else { format!("no session at {} and ", names(&at)) };
    let mut lines = remembered(wait);
    lines.extend([
        (
            "until",
            format!(
                "{}: {sessions}no socket on {}:{} that no idle pool explains, for {}",
                wait.listener,
                wait.node,
                wait.port,
                Short(wait.policy.settle)
            ),
        ),
        ("at most", format!("{}, {policy}", Short(wait.policy.deadline))),
    ]);
    if wait.listener.frontend.is_some() && !plan.drains_before(wait) {
        let about = "no route that is driven leads clients away from this load balancer: they must leave by themselves";
        lines.push(("note", about.to_owned()));
    }
    lines
}

/// The time for which answers may be remembered: the least that the wait takes.
fn remembered(wait: &ConnectionWait) -> Lines {
    let longest = wait.through.iter().filter(|t| !t.linger.is_zero()).max_by_key(|t| t.linger);
    longest
        .map(|t| {
            ("at least", format!("{}, for which answers of {} may be remembered", Short(t.linger), t.target.route))
        })
        .into_iter()
        .collect()
}

fn standby(plan: &Plan, leave: &Leave) -> Lines {
    let node = plan.node();
    let whose = plan.origin.as_ref().map_or("this run's name".to_owned(), |run| format!("the name of {run}"));
    let (change, shown) = match leave {
        Leave::Standby => (format!("{node} into standby, with this run's mark on it"), "the standby and the mark"),
        Leave::StandbyUntilRestart => {
            (format!("{node} into standby until it restarts, with this run's mark on it"), "the standby and the mark")
        }
        Leave::Maintenance => (
            format!("{node} into maintenance, with this run's mark on it; its units go on and nobody watches them"),
            "the maintenance and the mark",
        ),
        Leave::Ban { resource, .. } => {
            (format!("{node} is banned for {resource}, by a constraint with {whose}"), "the ban")
        }
        Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => (
            format!("the cluster stops {resource} on {node} and leaves it alone from then on"),
            "that it may not run there",
        ),
    };
    vec![
        ("changes", change),
        ("gates", "quorum, capacity, last route and the node's state are asked again right before".to_owned()),
        ("until", format!("the cluster shows {shown}")),
    ]
}

fn unstandby(node: &NodeName, leave: &Leave, before: Option<&str>) -> Lines {
    let value =
        |name: &str| before.map_or("no attribute, as before".to_owned(), |v| format!("`{name}={v}`, as before"));
    let change = match leave {
        Leave::Standby => format!("{node} out of standby ({}), and our mark away", value("standby")),
        Leave::StandbyUntilRestart => format!("{node} out of standby where it still is, and our mark away"),
        Leave::Maintenance => format!("{node} out of maintenance ({}), and our mark away", value("maintenance")),
        Leave::Ban { resource, .. } => format!("our ban of {node} for {resource} away"),
        Leave::Adopt { resource, .. } | Leave::Release { resource, .. } => {
            format!("the cluster may run {resource} on {node}, and starts it")
        }
    };
    vec![("changes", change), ("until", "the cluster shows it so".to_owned())]
}

fn resized(resource: &str, from: &str, to: &str) -> Lines {
    vec![
        ("changes", format!("{resource} may have {to} instances, not {from} (clone-max)")),
        ("until", "the cluster shows it so".to_owned()),
    ]
}

fn stopped(unit: &ClusterUnit, node: &NodeName) -> (&'static str, String) {
    ("until", format!("the cluster has stopped {} on {node}, and {} is inactive there", unit.resource, unit.unit))
}

fn started(unit: &ClusterUnit, node: &NodeName) -> (&'static str, String) {
    ("until", format!("the cluster has started {} on {node}, and {} is active there", unit.resource, unit.unit))
}

fn units_changed(verb: &str, units: &[UnitName], node: &NodeName, until: &str) -> Lines {
    let units: Vec<&str> = units.iter().map(UnitName::as_str).collect();
    vec![("changes", format!("{verb} {} on {node}", units.join(", then "))), ("until", format!("each is {until}"))]
}

fn fresh_checks(targets: &[RouteTarget]) -> Lines {
    let mut lines: Lines = by_server(targets.iter())
        .iter()
        .map(|((route, server), at)| {
            ("changes", format!("{server} needs a new passing check at {} ({route})", names(at)))
        })
        .collect();
    lines.push(("until", "no instance believes an old check".to_owned()));
    lines
}

fn ready(wait: &ReadyWait, node: &NodeName) -> (&'static str, String) {
    let (healthy, interval) = (wait.healthy, Short(wait.interval));
    ("until", format!("{} on {node} answers {healthy} probes in a row, {interval} apart", wait.service))
}

fn readmitted(plan: &Plan, readmissions: &[Readmission], followers: &[Following]) -> Lines {
    let mut lines = Lines::new();
    for ((route, server), at) in by_server(readmissions.iter().map(|r| &r.target)) {
        let all = readmissions.iter().filter(|r| (&r.target.route, r.target.server.as_str()) == (route, server));
        // Instances that go back in the same way share a line.
        let mut ways: BTreeMap<String, Vec<&InstanceName>> = BTreeMap::new();
        all.for_each(|r| ways.entry(way_back(plan, r)).or_default().push(&r.target.instance));
        let one = ways.len() == 1;
        for (way, instances) in &ways {
            let at = if one { names(&at) } else { names(instances) };
            lines.push(("changes", format!("{server} {way} at {at} ({route})")));
        }
    }
    for ((route, server), at) in by_server(followers.iter().filter(|f| f.serving).map(|f| &f.target)) {
        lines.push(("follows", format!("{} must show {route} with {server} again", names(&at))));
    }
    let until = match readmissions.iter().any(|r| r.first) {
        true => "every instance sends clients there",
        false => "every instance reads back exactly as it was before",
    };
    lines.push(("until", until.to_owned()));
    lines
}

fn way_back(plan: &Plan, readmission: &Readmission) -> String {
    if plan.request.purpose == Purpose::Retire {
        return "is put back as it was before it stood in".to_owned();
    }
    if !readmission.serving {
        return "is put back as it was: out of service".to_owned();
    }
    let weight = readmission.weight;
    match readmission.ramp.as_slice() {
        [] | [_] => format!("takes clients again with weight {weight}"),
        ramp => {
            let stages: Vec<String> = ramp.iter().map(|p| format!("{p} %")).collect();
            format!("goes back to weight {weight} by {}, {} each,", stages.join(", "), Short(readmission.dwell))
        }
    }
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

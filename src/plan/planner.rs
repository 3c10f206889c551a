//! The planner: a request becomes a plan with nothing left to choose, or every reason why it cannot.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    gates::{self, Answer, Facts, Gate},
    standin,
    steps::{
        Action, ClusterUnit, ConnectionWait, Following, Found, Plan, Purpose, Readmission, ReadyWait, Request, Step,
        Through,
    },
};
use crate::{
    config::{
        Settings,
        settings::{Affinity, Service},
    },
    model::{
        Before, Leave, NodeName, Observation, Receipt, Rehearsal, RouteTarget, RunId, Topology,
        topology::{Listener, RouteShape, ServiceShape},
    },
    run::look::Look,
};

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The fixed world.
    pub topology: &'a Topology,
    /// What was seen.
    pub seen: &'a Observation,
    /// A run that is open, where there is one.
    pub open_run: Option<&'a RunId>,
    /// The drain that holds the node out, with its receipts, where there is one.
    pub outstanding: Option<(&'a RunId, &'a [Receipt])>,
    /// Now.
    pub now: Timestamp,
}

/// All gates of a request: `can-drain`'s answer.
pub fn verdict(request: &Request, basis: &Basis<'_>) -> Vec<Gate> {
    let topology = request.leave.concerns(basis.topology);
    gates::all(&facts(request, basis, &topology, &min_ready(basis.settings, &topology)))
}

/// What the gates look at. `topology` is the part that is concerned.
pub(super) fn facts<'a>(
    request: &'a Request,
    basis: &Basis<'a>,
    topology: &'a Topology,
    min_ready: &'a [u32],
) -> Facts<'a> {
    Facts {
        request,
        settings: basis.settings,
        topology,
        seen: basis.seen,
        min_ready,
        open_run: basis.open_run,
        outstanding: basis.outstanding.map(|(run, _)| run),
        now: basis.now,
        max_age: basis.settings.max_age(),
    }
}

/// Who must stand in before this drain: the request of the first one's run, where there is any.
pub fn first(request: &Request, basis: &Basis<'_>) -> Option<Request> {
    let topology = request.leave.concerns(basis.topology);
    let rehearsal = rehearsal(request, basis).filter(|_| request.purpose == Purpose::Drain)?;
    let facts = facts(request, basis, &topology, &[]);
    let found = topology.services.iter().find_map(|service| standin::of(&facts, service, rehearsal)?.ok());
    found.map(|stand_in| stand_in.request(request))
}

/// The capacity floor of each service, in the topology's order.
pub fn min_ready(settings: &Settings, topology: &Topology) -> Vec<u32> {
    topology.services.iter().map(|s| settings.service(&s.name).map_or(u32::MAX, |s| s.min_ready)).collect()
}

/// Makes the plan of a request, or gives back every gate that does not pass.
pub fn plan(request: &Request, basis: &Basis<'_>) -> Result<Plan, Vec<Gate>> {
    let verdict = verdict(request, basis);
    let topology = request.leave.concerns(basis.topology);
    let basis = &Basis { topology: &topology, ..*basis };
    if verdict.iter().any(|g| !g.passes()) {
        return Err(verdict.into_iter().filter(|g| !g.passes()).collect());
    }
    let warned = verdict.into_iter().filter(|g| g.answer == Answer::Warn).map(|g| g.detail);
    let (steps, origin) = match (request.purpose, basis.outstanding) {
        (Purpose::Restore, Some((origin, receipts))) => {
            (restore_steps(basis.settings, basis.topology, request, receipts, Way::On), Some(origin.clone()))
        }
        (Purpose::StandIn, _) => (standin::steps::come(basis, request), None),
        (Purpose::Retire, Some((origin, receipts))) => {
            (standin::steps::go(basis.settings, basis.topology, request, receipts), Some(origin.clone()))
        }
        (Purpose::Withhold, _) => (drain_routes(basis.topology, &request.node), None),
        _ => (drain_steps(basis, request), None),
    };
    Ok(Plan {
        fingerprint: fingerprint(request, basis),
        request: request.clone(),
        parent: None,
        origin,
        made_at: basis.now,
        warnings: warned.chain(warnings(request, basis)).collect(),
        found: found(basis, &steps),
        rehearsal: rehearsal(request, basis).cloned(),
        steps: steps.into_iter().map(|action| Step { action }).collect(),
    })
}

/// The plan that undoes a run: what was touched is put back; a restore that is given up leaves the node without
/// traffic. `None` where nothing was touched.
pub fn undo(
    settings: &Settings,
    topology: &Topology,
    run: &RunId,
    plan: &Plan,
    receipts: &[Receipt],
    why: &str,
    now: Timestamp,
) -> Option<Plan> {
    let topology = &plan.request.leave.concerns(topology);
    let (purpose, origin, steps) = match plan.request.purpose {
        Purpose::Drain if receipts.is_empty() => return None,
        Purpose::Drain => {
            (Purpose::Restore, run.clone(), restore_steps(settings, topology, &plan.request, receipts, Way::Back))
        }
        Purpose::StandIn if receipts.is_empty() => return None,
        Purpose::StandIn => {
            (Purpose::Retire, run.clone(), standin::steps::go(settings, topology, &plan.request, receipts))
        }
        Purpose::Restore | Purpose::Retire => {
            (Purpose::Withhold, plan.origin.clone()?, drain_routes(topology, plan.node()))
        }
        // Giving up to withhold would put clients onto a node that nobody vouches for.
        Purpose::Withhold => return None,
    };
    let reason = format!("undo of {run}: {why}");
    // What stops an instance asks the gates again, and for those a person may have answered.
    let overrides = if purpose == Purpose::Retire { plan.request.overrides.clone() } else { Vec::new() };
    let request = Request { purpose, reason, overrides, ..plan.request.clone() };
    Some(Plan {
        fingerprint: plan.fingerprint.clone(),
        request,
        parent: Some(run.clone()),
        origin: Some(origin),
        made_at: now,
        warnings: Vec::new(),
        found: Vec::new(),
        rehearsal: None,
        steps: steps.into_iter().map(|action| Step { action }).collect(),
    })
}

fn rehearsal<'a>(request: &Request, basis: &Basis<'a>) -> Option<&'a Rehearsal> {
    request.purpose.leaves().then(|| basis.seen.rehearsals.get(&request.node)?.value())?
}

/// What will be drained, as it is now.
fn found(basis: &Basis<'_>, steps: &[Action]) -> Vec<Found> {
    let look = Look { seen: basis.seen, now: basis.now, max_age: basis.settings.max_age() };
    let drained = steps.iter().filter_map(|step| match step {
        Action::DrainRoutes { targets, .. } => Some(targets),
        _ => None,
    });
    let driven = drained.flatten().filter(|target| target.role.is_driven());
    let found =
        |target: &RouteTarget| Some(Found { target: target.clone(), exact: look.member(target).ok()?.exact.clone() });
    driven.filter_map(found).collect()
}

/// Everything that a drain is made of. The tiers go from the client inwards. Where a load balancer runs on the node,
/// its clients must have left before what it forwards to goes.
fn drain_steps(basis: &Basis<'_>, request: &Request) -> Vec<Action> {
    let (settings, topology, node) = (basis.settings, basis.topology, &request.node);
    let mut frontends = frontend_waits(basis, node);
    let mut steps = Vec::new();
    for (tier, targets) in topology.targets(node) {
        let (now, later): (Vec<_>, Vec<_>) = frontends.into_iter().partition(|(at, _)| *at <= tier);
        frontends = later;
        steps.extend(await_connections(now));
        steps.push(Action::DrainRoutes { tier, targets });
    }
    let own = concerned(settings, topology).filter(|_| topology.nodes.contains(node));
    let own = own.map(|service| (u16::MAX, connection_wait(basis, node, service)));
    steps.extend(await_connections(frontends.into_iter().chain(own).collect()));
    let bound = bound_targets(settings, topology, node);
    if !bound.is_empty() {
        steps.push(Action::CloseRoutes { targets: bound });
    }
    if !topology.nodes.contains(node) {
        return steps;
    }
    if let Leave::Adopt { unit, .. } = &request.leave {
        steps.push(Action::StopUnits { units: vec![unit.clone()] });
        steps.push(Action::EnableUnits { units: vec![unit.clone()], enabled: false });
        return steps;
    }
    steps.push(Action::Standby { leave: request.leave.clone() });
    if !request.leave.stops_units() {
        return steps;
    }
    steps.push(Action::VerifyStopped { units: cluster_units(topology) });
    let extra = extra_units(topology);
    // Units beside the one that changes its keeper keep theirs.
    if !extra.is_empty() && !request.leave.changes_keeper() {
        steps.push(Action::StopUnits { units: extra });
    }
    steps
}

/// The services that leave.
pub(super) fn concerned<'a>(settings: &'a Settings, topology: &'a Topology) -> impl Iterator<Item = &'a Service> {
    settings.services.iter().filter(|s| topology.services.iter().any(|shape| shape.name == s.name))
}

pub(super) fn await_connections(waits: Vec<(u16, ConnectionWait)>) -> Option<Action> {
    let services: Vec<ConnectionWait> = waits.into_iter().map(|(_, wait)| wait).collect();
    (!services.is_empty()).then_some(Action::AwaitConnections { services })
}

pub(super) fn drain_routes(topology: &Topology, node: &NodeName) -> Vec<Action> {
    topology.targets(node).into_iter().map(|(tier, targets)| Action::DrainRoutes { tier, targets }).collect()
}

/// Members whose clients may be bound to them, where the service says that clients are.
pub(super) fn bound_targets(settings: &Settings, topology: &Topology, node: &NodeName) -> Vec<RouteTarget> {
    let binds = |t: &RouteTarget| settings.service(&t.service).is_some_and(|s| s.sessions.affinity != Affinity::None);
    let targets = topology.targets(node).into_iter().flat_map(|(_, targets)| targets);
    targets.filter(|t| t.role.is_driven() && binds(t)).collect()
}

/// The wait for each load balancer on the node, with the tier before which it comes.
fn frontend_waits(basis: &Basis<'_>, node: &NodeName) -> Vec<(u16, ConnectionWait)> {
    let wait = |(listener, tier): (Listener, u16)| {
        let policy = basis.settings.service(&listener.service)?.connections;
        let outer = basis.topology.routes.iter().filter(|r| r.service == listener.service && r.tier < tier);
        let through = outer.flat_map(|route| through(basis, route, node)).collect();
        let port = listener.frontend?;
        Some((tier, ConnectionWait { node: node.clone(), listener, port, through, policy }))
    };
    basis.topology.frontends(node).into_iter().filter_map(wait).collect()
}

fn connection_wait(basis: &Basis<'_>, node: &NodeName, service: &Service) -> ConnectionWait {
    let routes = basis.topology.routes.iter().filter(|r| r.service == service.name);
    ConnectionWait {
        node: node.clone(),
        listener: Listener::of(&service.name),
        port: service.ready.port,
        through: routes.flat_map(|route| through(basis, route, node)).collect(),
        policy: service.connections,
    }
}

fn through(basis: &Basis<'_>, route: &RouteShape, node: &NodeName) -> Vec<Through> {
    let look = Look { seen: basis.seen, now: basis.now, max_age: basis.settings.max_age() };
    let targets = route.targets(node).into_iter();
    targets
        .map(|target| Through {
            blind: route.instances.get(&target.instance).is_some_and(|i| i.blind),
            source: route.instances.get(&target.instance).map(|i| i.source.clone()).unwrap_or_default(),
            linger: look.member(&target).map(|m| m.linger).unwrap_or_default(),
            target,
        })
        .collect()
}

pub(super) fn cluster_units(topology: &Topology) -> Vec<ClusterUnit> {
    let unit =
        |s: &ServiceShape| ClusterUnit { service: s.name.clone(), resource: s.resource.clone(), unit: s.unit.clone() };
    topology.services.iter().map(unit).collect()
}

fn extra_units(topology: &Topology) -> Vec<crate::model::UnitName> {
    topology.services.iter().flat_map(|s| s.extra_units.iter().cloned()).collect()
}

/// Where a restore leads. It is the same for all that is put back as it was; a unit that changes its keeper goes on to the
/// new one, or back to the one that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    On,
    Back,
}

/// The way back, from what was touched: receipts in reverse.
fn restore_steps(
    settings: &Settings,
    topology: &Topology,
    request: &Request,
    receipts: &[Receipt],
    way: Way,
) -> Vec<Action> {
    let (node, leave) = (&request.node, &request.leave);
    let stopped_units: Vec<_> = receipts
        .iter()
        .rev()
        .filter_map(|r| match &r.before {
            Before::Unit { unit, active: true } => Some(unit.clone()),
            _ => None,
        })
        .collect();
    let standby = receipts.iter().find_map(|r| match &r.before {
        Before::Standby { attribute } => Some(attribute.clone()),
        _ => None,
    });
    let enabled: Vec<_> = receipts
        .iter()
        .filter_map(|r| match &r.before {
            Before::UnitFile { unit, enabled: true } => Some(unit.clone()),
            _ => None,
        })
        .collect();
    let (stopped_units, enabled, standby) = match (leave, way) {
        (Leave::Adopt { .. }, Way::On) => (Vec::new(), Vec::new(), Some(None)),
        (Leave::Release { unit, .. }, Way::On) => (vec![unit.clone()], vec![unit.clone()], None),
        _ => (stopped_units, enabled, standby),
    };
    let stopped = (standby.is_some() || leave.changes_keeper()) && leave.stops_units();
    let mut tiers = readmissions(settings, topology, node, receipts, stopped);
    let mut steps = Vec::new();
    let fresh: Vec<RouteTarget> =
        tiers.iter().flat_map(|(_, r, _)| r).filter(|r| r.serving).map(|r| r.target.clone()).collect();
    // Where bound clients were sent elsewhere no check ran, so what it said then is void as well.
    let closed = !bound_targets(settings, topology, node).is_empty();
    if (stopped || closed) && !fresh.is_empty() {
        steps.push(Action::RequireFreshChecks { targets: fresh });
    }
    if !enabled.is_empty() {
        steps.push(Action::EnableUnits { units: enabled, enabled: true });
    }
    if !stopped_units.is_empty() {
        steps.push(Action::StartUnits { units: stopped_units });
    }
    if let Some(attribute) = standby {
        steps.push(Action::Unstandby { attribute, leave: leave.clone() });
        steps.push(Action::VerifyStarted { units: cluster_units(topology) });
    }
    if !tiers.is_empty() && topology.nodes.contains(node) {
        steps.push(Action::AwaitReady { services: concerned(settings, topology).map(ready_wait).collect() });
    }
    tiers.reverse();
    steps.extend(tiers.into_iter().map(|(tier, readmissions, followers)| Action::ReadmitRoutes {
        tier,
        readmissions,
        followers,
    }));
    steps
}

pub(super) fn ready_wait(service: &Service) -> ReadyWait {
    ReadyWait { service: service.name.clone(), healthy: service.ready.healthy, interval: service.ready.interval }
}

/// What goes back into each tier, outermost first. A node that never left the cluster is warm: it needs no ramp.
pub(super) fn readmissions(
    settings: &Settings,
    topology: &Topology,
    node: &NodeName,
    receipts: &[Receipt],
    was_stopped: bool,
) -> Vec<(u16, Vec<Readmission>, Vec<Following>)> {
    let mut tiers = Vec::new();
    for (tier, targets) in topology.targets(node) {
        let mut back: Vec<Readmission> = Vec::new();
        let (targets, following): (Vec<_>, Vec<_>) = targets.into_iter().partition(|t| t.role.is_driven());
        for target in targets {
            let before = receipts.iter().find_map(|r| match &r.before {
                Before::Route { route, instance, server, weight, serving, exact, .. }
                    if (route, instance, server) == (&target.route, &target.instance, &target.server) =>
                {
                    Some((*weight, *serving, exact.clone()))
                }
                _ => None,
            });
            let Some((weight, serving, exact)) = before else { continue };
            let route = settings.route(&target.route);
            let service = settings.service(&target.service);
            back.push(Readmission {
                ramp: route.filter(|_| was_stopped).map_or_else(|| vec![100], |r| r.ramp.clone()),
                dwell: route.map(|r| r.dwell).unwrap_or_default(),
                max_error_ratio: service.map_or(0.0, |s| s.objective.max_error_ratio),
                target,
                serving,
                first: false,
                weight,
                exact,
            });
        }
        if !back.is_empty() {
            let serving = |t: &RouteTarget| back.iter().any(|r| r.target.route == t.route && r.serving);
            let touched = |t: &RouteTarget| back.iter().any(|r| r.target.route == t.route);
            let following = following.into_iter().filter(touched);
            let following = following.map(|target| Following { serving: serving(&target), target }).collect();
            tiers.push((tier, back, following));
        }
    }
    tiers
}

fn warnings(request: &Request, basis: &Basis<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let drained = concerned(basis.settings, basis.topology).filter(|_| request.purpose == Purpose::Drain);
    for service in drained.filter(|s| s.sessions.affinity != Affinity::None && s.connections.max_age.is_some()) {
        warnings.push(format!(
            "{}: clients are bound to a node, so no load balancer that lets them in is told to cut one for its age; \
             it would be back at once",
            service.name
        ));
    }
    for (_, tier) in basis.topology.targets(&request.node) {
        for target in tier {
            let view =
                basis.seen.routes.get(&target.route).and_then(|i| i.get(&target.instance)).and_then(|v| v.value());
            let Some(view) = view else { continue };
            warnings.extend(view.warnings.iter().map(|w| format!("{}: {w}", target.instance)));
            let Some(member) = view.members.get(&target.server) else { continue };
            let deadline = basis.settings.service(&target.service).map(|s| s.connections.deadline);
            if request.purpose == Purpose::Drain && deadline.is_some_and(|d| member.linger > d) {
                warnings.push(format!(
                    "{} ({}): answers are remembered for {}, longer than the deadline for connections",
                    target.instance,
                    target.route,
                    crate::run::waiting::Short(member.linger)
                ));
            }
            if request.purpose == Purpose::Drain && member.admission != crate::model::Admission::Serving {
                warnings.push(format!(
                    "{} is already out of {} ({}), and not by Tidegate: a restore will leave it so",
                    target.server, target.instance, target.route
                ));
            }
        }
    }
    warnings.dedup();
    warnings
}

/// SHA-256 over the request, the shape of the world, and the states that the plan rests on. Counters and times are
/// left out: they always differ.
fn fingerprint(request: &Request, basis: &Basis<'_>) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    add(&serde_json::to_string(&(request.purpose, &request.node, basis.topology)).unwrap_or_default());
    if !request.leave.is_usual() {
        add(&serde_json::to_string(&request.leave).unwrap_or_default());
    }
    if let Some((run, receipts)) = basis.outstanding {
        add(&serde_json::to_string(&(run, receipts)).unwrap_or_default());
    }
    if let Some(cluster) = basis.seen.cluster.value() {
        add(&serde_json::to_string(cluster).unwrap_or_default());
    }
    if let Some(rehearsal) = rehearsal(request, basis) {
        add(&serde_json::to_string(&rehearsal.moves).unwrap_or_default());
    }
    for (route, instances) in &basis.seen.routes {
        for (instance, view) in instances {
            for (server, member) in view.value().iter().flat_map(|v| &v.members) {
                add(&format!("{route} {instance} {server} {:?} {}", member.admission, member.exact.0));
            }
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

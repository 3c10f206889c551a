//! `tidegate status`: who serves what share, through which routes, and the run that is open. What could not be seen
//! is shown as unknown, with the reason.

use std::fmt::Write;

#[cfg(feature = "tui")]
mod live;
mod routes;

use clap::Args;
use serde::Serialize;

use super::{
    args::Global,
    context::{Context, Survey},
    exit::{Code, Result},
    out::Out,
    report::{Reading, RunReport},
    table::{Table, printable},
};
use crate::{
    journal::Withdrawal,
    model::{CloneInstance, ClusterView, Member, NodeName, Observed, Ownership, Readiness, RouteTarget, ServiceName},
    observe::words,
    plan::{ledger, render},
    run::wants::Wants,
};

/// Everything that `status` shows.
#[derive(Debug, Serialize)]
struct Status {
    cluster: ClusterLine,
    nodes: Vec<NodeLine>,
    routes: Vec<routes::Line>,
    /// What others answer that nobody waits for: public resolvers.
    elsewhere: Vec<routes::Elsewhere>,
    run: Option<OpenRun>,
    /// What the guard took out of routes by itself, and has not put back.
    withdrawn: Vec<Withdrawn>,
    /// What could not be seen, each with the reason.
    unknown: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ClusterLine {
    name: String,
    answers: bool,
    quorate: Option<bool>,
    transition: Option<bool>,
    maintenance_mode: Option<bool>,
    fencing: Option<bool>,
    dc: Option<NodeName>,
}

#[derive(Debug, Serialize)]
struct NodeLine {
    node: NodeName,
    /// online, standby, maintenance, pending, unclean, offline, or unknown.
    state: &'static str,
    owner: Option<Ownership>,
    services: Vec<ServiceLine>,
}

#[derive(Debug, Serialize)]
struct ServiceLine {
    service: ServiceName,
    /// What the cluster says of the instance: started, stopped, starting, …
    instance: String,
    unit: Option<String>,
    ready: Option<bool>,
    reason: Option<String>,
    sockets: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Withdrawn {
    target: RouteTarget,
    #[serde(flatten)]
    was: Withdrawal,
}

#[derive(Debug, Serialize)]
struct OpenRun {
    #[serde(flatten)]
    report: RunReport,
    what: String,
    executor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Keep looking, and show it full-screen: shares against what they should be, connections, runs and what they wait for
    #[cfg(feature = "tui")]
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

/// Shows the state of everything.
pub(super) async fn command(global: &Global, out: Out, args: StatusArgs) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    #[cfg(feature = "tui")]
    if args.watch {
        return live::command(&context, out).await;
    }
    let survey = context.survey(Wants::everything).await?;
    let status = Status { elsewhere: routes::elsewhere(&survey).await, ..gather(&context, &survey).await? };
    out.result(&status, &text(&status));
    Ok(Code::Done)
}

/// What one look shows, without what others answer.
async fn gather(context: &Context, survey: &Survey) -> Result<Status> {
    Ok(Status {
        cluster: cluster(context, survey),
        nodes: survey.topology.nodes.iter().map(|n| node(survey, n)).collect(),
        routes: routes::lines(survey, &routes::kept(context, survey).await?),
        elsewhere: Vec::new(),
        run: open_run(context, survey).await?,
        withdrawn: withdrawn(context).await?,
        unknown: unknown(survey),
        warnings: warnings(survey),
    })
}

async fn withdrawn(context: &Context) -> Result<Vec<Withdrawn>> {
    let withdrawn = context.notebook.withdrawn().await?;
    Ok(withdrawn.into_iter().map(|(target, was)| Withdrawn { target, was }).collect())
}

fn cluster(context: &Context, survey: &Survey) -> ClusterLine {
    let view = survey.seen.cluster.value();
    ClusterLine {
        name: context.settings.cluster.name.clone(),
        answers: view.is_some(),
        quorate: view.map(|c| c.quorate),
        transition: view.map(|c| c.transition),
        maintenance_mode: view.map(|c| c.maintenance_mode),
        fencing: view.map(|c| c.fencing),
        dc: view.and_then(|c| c.dc.clone()),
    }
}

fn node(survey: &Survey, node: &NodeName) -> NodeLine {
    let cluster = survey.seen.cluster.value();
    let member = cluster.and_then(|c| c.nodes.get(node));
    let view = survey.seen.nodes.get(node);
    let services = survey.topology.services.iter().map(|service| {
        let ready = view.and_then(|v| v.ready.get(&service.name));
        let unit = view.and_then(|v| v.units.get(&service.unit)).and_then(Observed::value);
        ServiceLine {
            service: service.name.clone(),
            instance: instance(cluster, &service.resource, node),
            unit: unit.map(|u| u.active.clone()),
            ready: ready.and_then(Observed::value).map(|r| *r == Readiness::Ready),
            reason: ready.and_then(not_ready),
            sockets: view.and_then(|v| v.sockets.get(&service.port)).and_then(Observed::value).map(|s| s.peers.len()),
        }
    });
    NodeLine {
        node: node.clone(),
        state: state(cluster, member),
        owner: member.and_then(|m| m.owner.clone()),
        services: services.collect(),
    }
}

fn state(cluster: Option<&ClusterView>, member: Option<&Member>) -> &'static str {
    match (cluster, member) {
        (None, _) => "unknown",
        (Some(_), None) => "no member",
        (_, Some(m)) if m.unclean => "unclean",
        (_, Some(m)) if !m.online => "offline",
        (_, Some(m)) if m.pending => "pending",
        (_, Some(m)) if m.maintenance => "maintenance",
        (_, Some(m)) if m.standby => "standby",
        _ => "online",
    }
}

fn instance(cluster: Option<&ClusterView>, resource: &str, node: &NodeName) -> String {
    let Some(cluster) = cluster else { return "unknown".into() };
    let said: Vec<String> = cluster.instances_on(resource, node).map(instance_words).collect();
    if said.is_empty() { "stopped".into() } else { said.join(", ") }
}

fn instance_words(instance: &CloneInstance) -> String {
    let failed = if instance.blocked {
        " (blocked)"
    } else if instance.failed {
        " (failed)"
    } else if !instance.managed {
        " (unmanaged)"
    } else {
        ""
    };
    let role = match &instance.pending {
        Some(pending) => pending.to_lowercase(),
        None => format!("{:?}", instance.role).to_lowercase(),
    };
    format!("{role}{failed}")
}

fn not_ready(seen: &Observed<Readiness>) -> Option<String> {
    match seen {
        Observed::Known { value: Readiness::NotReady { reason }, .. } | Observed::Unknown { reason } => {
            Some(reason.clone())
        }
        Observed::Known { value: Readiness::Ready, .. } => None,
    }
}

async fn open_run(context: &Context, survey: &Survey) -> Result<Option<OpenRun>> {
    let Some(summary) = ledger::open(&survey.runs) else { return Ok(None) };
    let holder = context.journal.holder(survey.world.clock.now()).await?;
    let reading = Reading::of(&*context.journal, &summary.run).await?;
    let step = reading.state.current().map(|s| words::step_name(reading.plan(), s));
    let what = format!("{}; {}", render::headline(reading.plan()), step.unwrap_or_else(|| "every step proven".into()));
    let report = RunReport::new(&reading, None, holder.is_some());
    Ok(Some(OpenRun { report, what, executor: holder.map(|l| l.holder) }))
}

fn unknown(survey: &Survey) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut note = |what: String, reason: &str| unknown.push(format!("{what}: {}", printable(reason)));
    if let Observed::Unknown { reason } = &survey.seen.cluster {
        note("the cluster".into(), reason);
    }
    for (route, instances) in &survey.seen.routes {
        for (instance, view) in instances {
            if let Observed::Unknown { reason } = view {
                note(format!("{instance} ({route})"), reason);
            }
        }
    }
    for (node, view) in &survey.seen.nodes {
        for (port, seen) in &view.sockets {
            if let Observed::Unknown { reason } = seen {
                note(format!("connections to port {port} on {node}"), reason);
            }
        }
        for (unit, seen) in &view.units {
            if let Observed::Unknown { reason } = seen {
                note(format!("{unit} on {node}"), reason);
            }
        }
        for (service, seen) in &view.ready {
            if let Observed::Unknown { reason } = seen {
                note(format!("readiness of {service} on {node}"), reason);
            }
        }
    }
    unknown
}

fn warnings(survey: &Survey) -> Vec<String> {
    let views = survey.seen.routes.values().flatten().filter_map(|(name, v)| Some((name, v.value()?)));
    let mut warnings: Vec<String> =
        views.flat_map(|(name, v)| v.warnings.iter().map(move |w| format!("{name}: {}", printable(w)))).collect();
    warnings.sort();
    warnings.dedup();
    warnings
}

fn text(status: &Status) -> String {
    let mut text = cluster_text(&status.cluster);
    let mut nodes = Table::new(["node", "state", "service", "instance", "unit", "ready", "sockets"]).unbroken(5);
    for node in &status.nodes {
        for service in &node.services {
            let ready = match (service.ready, &service.reason) {
                (Some(true), _) => "yes".to_owned(),
                (Some(false), reason) => format!("no: {}", reason.as_deref().unwrap_or_default()),
                (None, _) => "unknown".to_owned(),
            };
            let sockets = service.sockets.map_or("unknown".to_owned(), |n| n.to_string());
            let unit = service.unit.as_deref().unwrap_or("unknown");
            let name = service.service.as_str();
            nodes.row([node.node.as_str(), node.state, name, &service.instance, unit, &ready, &sockets]);
        }
    }
    let _ = write!(text, "\n{nodes}");
    for (node, owner) in status.nodes.iter().filter_map(|n| Some((&n.node, n.owner.as_ref()?))) {
        let why = printable(&owner.reason);
        let _ = writeln!(text, "{node} is held by {}: {why} ({})", owner.run, printable(&owner.operator));
    }
    text.push_str(&routes::text(&status.routes, &status.elsewhere));
    if let Some(run) = &status.run {
        let executor = run.executor.as_deref().unwrap_or("nobody executes it");
        let (report, what) = (&run.report, &run.what);
        let _ = writeln!(text, "\nRun {} is {} ({executor})\n  {what}", report.run, report.result);
        for line in report.straggler_lines() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "  {}\n  {}", report.node_state, report.next);
    }
    if !status.withdrawn.is_empty() {
        text.push_str("\nWithdrawn by the guard (`tidegate guard` tells more)\n");
        for Withdrawn { target, was } in &status.withdrawn {
            let since = was.since.strftime("%Y-%m-%d %H:%M:%SZ");
            let (node, route, instance, why) = (&was.node, &target.route, &target.instance, printable(&was.why));
            let _ = writeln!(text, "  {node} from {route} at {instance} since {since}: {why}");
        }
    }
    for (title, lines) in &[("Unknown", &status.unknown), ("Warnings", &status.warnings)] {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n{title}");
            for line in *lines {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    text
}

fn cluster_text(cluster: &ClusterLine) -> String {
    if !cluster.answers {
        return format!("cluster {}: does not answer\n", cluster.name);
    }
    let yes = |value: Option<bool>, yes: &'static str, no: &'static str| if value == Some(true) { yes } else { no };
    let dc = cluster.dc.as_ref().map_or("none", |n| n.as_str());
    let mut text = format!(
        "cluster {}: {}, {}, DC {dc}, {}",
        cluster.name,
        yes(cluster.quorate, "quorum", "NO QUORUM"),
        yes(cluster.transition, "in a transition", "idle"),
        yes(cluster.fencing, "fencing on", "fencing off"),
    );
    if cluster.maintenance_mode == Some(true) {
        text.push_str(", MAINTENANCE MODE");
    }
    text.push('\n');
    text
}

//! The routes' half of `status`: for each member at each instance what is wanted, what is seen, and by whom and since
//! when it is so.

use std::{collections::BTreeMap, fmt::Write};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;

use super::super::{
    context::{Context, Survey},
    exit::Result,
    report::Reading,
    table::{Table, printable},
};
use crate::{
    model::{
        Admission, Desired, Effect, Health, InstanceName, InstanceView, MemberView, NodeName, Observation, RouteId,
        RouteTarget, RunId, Topology,
    },
    plan::ledger,
    run::drift::Kept,
};

/// One member on one instance.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) route: RouteId,
    pub(super) instance: InstanceName,
    server: String,
    pub(super) node: Option<NodeName>,
    /// serving, or drained where a run of ours keeps it out.
    pub(super) wanted: &'static str,
    /// The run that keeps it out, by whom and since when.
    kept_by: Option<KeptBy>,
    pub(super) admission: Admission,
    pub(super) health: Health,
    /// Seconds since its state changed, where the route tells.
    changed_s: Option<u64>,
    pub(super) weight: u32,
    /// Its weight against the sum of those that take clients.
    expected_share: f64,
    /// Its requests against all since the process began; absent before the first one.
    measured_share: Option<f64>,
    sessions: u64,
    idle: u64,
    requests: u64,
    errors: u64,
    /// What the instance is at: a zone's serial.
    version: Option<String>,
}

/// Who keeps a member out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KeptBy {
    run: RunId,
    operator: String,
    since: Option<Timestamp>,
}

/// What somebody answers that nobody waits for.
#[derive(Debug, Serialize)]
pub(super) struct Elsewhere {
    route: RouteId,
    name: String,
    answers: Option<Vec<String>>,
    error: Option<String>,
}

/// Everything that a run of ours keeps out.
pub(super) async fn kept(context: &Context, survey: &Survey) -> Result<BTreeMap<RouteTarget, KeptBy>> {
    let mut kept = BTreeMap::new();
    for node in survey.topology.nodes.iter().chain(&survey.topology.outside) {
        let Some(run) = ledger::outstanding(&survey.runs, node) else { continue };
        let reading = Reading::of(&*context.journal, &run).await?;
        for target in Kept::by(reading.plan(), &reading.state).targets() {
            let is_its = |effect: &Effect| match effect {
                Effect::Route { route, instance, server, desired: Desired::Drained } => {
                    (route, instance, server) == (&target.route, &target.instance, &target.server)
                }
                _ => false,
            };
            let since = reading.state.attempts.iter().find(|a| is_its(&a.effect)).map(|a| a.at);
            let operator = reading.plan().request.operator.clone();
            kept.insert(target.clone(), KeptBy { run: run.clone(), operator, since });
        }
    }
    Ok(kept)
}

/// A line for each member of each instance that answered.
pub(super) fn lines(survey: &Survey, kept: &BTreeMap<RouteTarget, KeptBy>) -> Vec<Line> {
    lines_of(&survey.topology, &survey.seen, kept)
}

/// The same, of what was seen at any time.
pub(super) fn lines_of(topology: &Topology, seen: &Observation, kept: &BTreeMap<RouteTarget, KeptBy>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (route, instances) in &seen.routes {
        for (instance, view) in instances {
            let Some(view) = view.value() else { continue };
            let members = view.members.iter();
            lines.extend(members.map(|(server, m)| line(topology, kept, (route, instance), view, server, m)));
        }
    }
    lines
}

fn line(
    topology: &Topology,
    kept: &BTreeMap<RouteTarget, KeptBy>,
    (route, instance): (&RouteId, &InstanceName),
    view: &InstanceView,
    server: &str,
    member: &MemberView,
) -> Line {
    let shape = topology.routes.iter().find(|r| &r.id == route);
    let node = shape.and_then(|s| s.servers.iter().find(|(_, name)| *name == server)).map(|(node, _)| node.clone());
    let weights: u64 = view.members.values().map(|m| u64::from(m.chosen_by())).sum();
    let own = u64::from(member.chosen_by());
    let all: u64 = view.members.values().map(|m| m.requests_total).sum();
    let is_it = |t: &RouteTarget| (&t.route, &t.instance, t.server.as_str()) == (route, instance, server);
    let kept_by = kept.iter().find(|(t, _)| is_it(t)).map(|(_, by)| by.clone());
    Line {
        route: route.clone(),
        instance: instance.clone(),
        server: server.to_owned(),
        node,
        wanted: if kept_by.is_some() { "drained" } else { "serving" },
        kept_by,
        admission: member.admission,
        health: member.health.clone(),
        changed_s: member.since_change.map(|d| d.as_secs()),
        weight: member.weight,
        expected_share: share(own, weights).unwrap_or(0.0),
        measured_share: share(member.requests_total, all),
        sessions: member.sessions,
        idle: member.idle,
        requests: member.requests_total,
        errors: member.errors_total,
        version: view.version.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for display")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What public resolvers and their like answer now, all asked at once.
pub(super) async fn elsewhere(survey: &Survey) -> Vec<Elsewhere> {
    let asked = survey.world.routes.iter().map(|provider| async {
        let answers = provider.elsewhere().await;
        answers.into_iter().map(|(name, answer)| Elsewhere {
            route: provider.id().clone(),
            name,
            error: answer.as_ref().err().map(ToString::to_string),
            answers: answer.ok(),
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// A table for each route, who keeps what out, and what others answer.
pub(super) fn text(lines: &[Line], elsewhere: &[Elsewhere]) -> String {
    let mut text = String::new();
    let mut names: Vec<&RouteId> = lines.iter().map(|l| &l.route).collect();
    names.dedup();
    for route in names {
        let of_route = || lines.iter().filter(|l| &l.route == route);
        let _ = write!(text, "\n{route}\n{}", table(of_route()));
        let mut said: Vec<String> = of_route().filter_map(kept_words).collect();
        said.dedup();
        said.iter().for_each(|line| text.push_str(line));
        for other in elsewhere.iter().filter(|e| &e.route == route) {
            let answer = match (&other.answers, &other.error) {
                (Some(answers), _) if answers.is_empty() => "nothing".to_owned(),
                (Some(answers), _) => answers.join(", "),
                (None, error) => format!("unknown: {}", printable(error.as_deref().unwrap_or_default())),
            };
            let _ = writeln!(text, "  {} answers {answer}", other.name);
        }
    }
    text
}

fn kept_words(line: &Line) -> Option<String> {
    let by = line.kept_by.as_ref()?;
    let since = by.since.map_or(String::new(), |at| format!(" since {}", at.strftime("%Y-%m-%d %H:%M:%SZ")));
    Some(format!("  {} is kept out by {} ({}){since}\n", line.server, by.run, printable(&by.operator)))
}

fn table<'a>(lines: impl Iterator<Item = &'a Line>) -> Table {
    let header =
        ["instance", "server", "wanted", "seen", "health", "weight", "share", "had", "sessions", "idle", "errors"];
    let mut table = Table::new(header).unbroken(4);
    for l in lines {
        let seen = match l.admission {
            Admission::Serving => "serving",
            Admission::Draining => "draining",
            Admission::Out => "out",
        };
        let health = match &l.health {
            Health::Passing => "passing".to_owned(),
            Health::Failing { reason } => format!("failing: {reason}"),
            Health::Unchecked => "unchecked".to_owned(),
        };
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        table.row([
            l.version.as_ref().map_or(l.instance.to_string(), |v| format!("{} ({v})", l.instance)).as_str(),
            &l.server,
            l.wanted,
            seen,
            &health,
            &l.weight.to_string(),
            &percent(l.expected_share),
            &l.measured_share.map_or("-".to_owned(), percent),
            &l.sessions.to_string(),
            &l.idle.to_string(),
            &l.errors.to_string(),
        ]);
    }
    table
}

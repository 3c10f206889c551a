//! `tidegate check`: the configuration, then everything that it names, all at once: does it answer, does it fit. Then the
//! review of the checklist (see [`crate::review`]).

use std::collections::BTreeSet;

use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;

use super::{
    args::Global,
    context::{self, Context, Survey},
    exit::{Code, Result},
    out::Out,
    table::{Table, printable},
};
use crate::{
    config::Settings,
    journal::JournalError,
    model::{
        Health, NodeName, Observed, Readiness, RunId,
        topology::{RouteShape, ServiceShape},
    },
    provider::route::BALANCER,
    provider::{Clock, SystemClock},
    review::{Review, Severity},
    run::wants::Wants,
};

mod review;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Print the JSON Schema of the configuration and do nothing else
    #[arg(long)]
    schema: bool,
    /// Read the configuration only; connect to nothing. The review then goes by what it says
    #[arg(long, conflicts_with = "schema")]
    offline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Ok,
    Warn,
    Problem,
}

#[derive(Debug, Serialize)]
struct Item {
    what: String,
    answer: Answer,
    detail: String,
}

impl Item {
    fn new(what: impl Into<String>, answer: Answer, detail: impl AsRef<str>) -> Self {
        Self { what: what.into(), answer, detail: printable(detail.as_ref()) }
    }
}

/// Checks everything; 1 where something does not work, 2 where the configuration is wrong.
pub(super) async fn command(global: &Global, out: Out, args: CheckArgs) -> Result<Code> {
    if args.schema {
        let schema = crate::config::schema();
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        out.result(&schema, &text);
        return Ok(Code::Done);
    }
    let settings = context::settings(&global.config)?;
    let mut items = vec![configuration(&settings)];
    let review = if args.offline {
        review::offline(&settings, SystemClock.now())
    } else {
        let context = Context::with(settings).await?;
        let survey = context.survey(Wants::everything).await?;
        items.push(journal(&context, &survey).await);
        items.extend(cluster(&context, &survey));
        items.extend(nodes(&survey));
        items.extend(endings(&survey).await);
        items.extend(routes(&survey));
        review::online(&context, &survey).await
    };
    let ok = problems(&items, &review) == 0;
    let accepted: Vec<_> = review
        .accepted
        .iter()
        .map(|(f, reason)| json!({ "code": f.code, "about": f.about, "what": f.what, "reason": reason }))
        .collect();
    let result = json!({
        "ok": ok,
        "items": items,
        "findings": review.findings,
        "accepted": accepted,
        "not_asked": review.not_asked,
    });
    out.result(&result, &text(&items, &review));
    Ok(if ok { Code::Done } else { Code::Failed })
}

fn configuration(settings: &Settings) -> Item {
    let routes: usize = settings.entrypoints.iter().map(|e| e.routes.len()).sum();
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let (services, entrypoints) = (settings.services.len(), settings.entrypoints.len());
    let found = [count(services, "service"), count(entrypoints, "entrypoint"), count(routes, "route")].join(", ");
    Item::new("configuration", Answer::Ok, found)
}

/// A journal that takes a question about a run that cannot exist would take a record as well.
async fn journal(context: &Context, survey: &Survey) -> Item {
    let what = format!("journal {}", context.settings.journal.path.display());
    let nobody = RunId::new("(check)");
    match context.journal.request_abort(&nobody, "check", survey.world.clock.now()).await {
        Err(JournalError::NoSuchRun(_)) => Item::new(what, Answer::Ok, "readable and writable"),
        Err(error) => Item::new(what, Answer::Problem, error.to_string()),
        Ok(()) => Item::new(what, Answer::Problem, "it took a record for a run that does not exist"),
    }
}

fn cluster(context: &Context, survey: &Survey) -> Vec<Item> {
    let what = format!("cluster {}", context.settings.cluster.name);
    let view = match &survey.seen.cluster {
        Observed::Known { value, .. } => value,
        Observed::Unknown { reason } => return vec![Item::new(what, Answer::Problem, reason)],
    };
    let online = view.nodes.values().filter(|m| m.online).count();
    let answer = if view.quorate { Answer::Ok } else { Answer::Problem };
    let quorum = if view.quorate { "quorum" } else { "no quorum" };
    let mut items = vec![Item::new(&what, answer, format!("{quorum}, {online} of {} nodes online", view.nodes.len()))];
    if !view.fencing {
        items.push(Item::new(&what, Answer::Warn, "fencing is off: a node that hangs keeps its resources"));
    }
    let listed = &survey.topology.nodes;
    for node in listed.iter().filter(|n| !view.nodes.contains_key(*n)) {
        items.push(Item::new(&what, Answer::Problem, format!("{node} is configured and no member of the cluster")));
    }
    for node in view.nodes.keys().filter(|n| !listed.contains(n)) {
        items.push(Item::new(&what, Answer::Problem, format!("{node} is a member and not in the configuration")));
    }
    for service in &survey.topology.services {
        if !view.instances.iter().any(|i| i.resource == service.resource) {
            let found = format!("no clone of {} has an instance", service.resource);
            items.push(Item::new(format!("service {}", service.name), Answer::Problem, found));
        }
    }
    items
}

fn nodes(survey: &Survey) -> Vec<Item> {
    let mut items = Vec::new();
    // Hosts outside the cluster run none of its services.
    for (node, view) in survey.seen.nodes.iter().filter(|(node, _)| survey.topology.nodes.contains(node)) {
        for service in &survey.topology.services {
            let what = |thing: &str| format!("{node}: {thing}");
            items.push(match view.sockets.get(&service.port) {
                Some(Observed::Known { value, .. }) => {
                    let found = format!("{} connections of {}", value.peers.len(), service.name);
                    Item::new(what("sockets"), Answer::Ok, found)
                }
                other => Item::new(what("sockets"), Answer::Problem, reason(other)),
            });
            items.push(match view.ready.get(&service.name) {
                Some(Observed::Known { value: Readiness::Ready, .. }) => {
                    Item::new(what("readiness"), Answer::Ok, format!("{} is ready", service.name))
                }
                Some(Observed::Known { value: Readiness::NotReady { reason }, .. }) => {
                    Item::new(what("readiness"), Answer::Warn, format!("{} is not ready: {reason}", service.name))
                }
                other => Item::new(what("readiness"), Answer::Problem, reason(other)),
            });
            for unit in std::iter::once(&service.unit).chain(&service.extra_units) {
                items.push(match view.units.get(unit) {
                    Some(Observed::Known { value, .. }) => unit_item(what(unit.as_str()), service, unit, value),
                    other => Item::new(what(unit.as_str()), Answer::Problem, reason(other)),
                });
            }
        }
    }
    items
}

/// Whether each node can tell of connections that end, where it is asked: clients that come by a name or a prefix are
/// counted by nobody else.
async fn endings(survey: &Survey) -> Vec<Item> {
    let blind = |r: &&RouteShape| r.instances.values().any(|shape| shape.blind);
    let led: BTreeSet<&NodeName> = survey.topology.routes.iter().filter(blind).flat_map(|r| r.servers.keys()).collect();
    let look = async |node: &NodeName| {
        let what = format!("{node}: who comes and goes");
        match survey.world.traffic.lacks(node).await {
            Ok(None) => Item::new(what, Answer::Ok, "stdbuf and ss --events are there"),
            Ok(Some(why)) => Item::new(what, Answer::Warn, format!("a drain cannot see the last clients leave: {why}")),
            Err(error) => Item::new(what, Answer::Problem, error.to_string()),
        }
    };
    join_all(led.into_iter().map(look)).await
}

/// A unit that both systemd and the cluster start can run where the cluster does not want it.
fn unit_item(
    what: String,
    service: &ServiceShape,
    unit: &crate::model::UnitName,
    view: &crate::model::UnitView,
) -> Item {
    if *unit == service.unit && view.file_state.starts_with("enabled") {
        let found = "enabled in systemd as well as run by the cluster: it starts at boot, before the cluster says so";
        return Item::new(what, Answer::Warn, format!("{found}; `systemctl disable {unit}`"));
    }
    Item::new(what, Answer::Ok, format!("{} ({})", view.active, view.file_state))
}

fn routes(survey: &Survey) -> Vec<Item> {
    let mut items = Vec::new();
    for route in &survey.topology.routes {
        for (instance, shape) in &route.instances {
            let what = format!("{instance} ({})", route.id);
            let view = match survey.seen.routes.get(&route.id).and_then(|i| i.get(instance)) {
                Some(Observed::Known { value, .. }) => value,
                other => {
                    items.push(Item::new(what, Answer::Problem, reason(other)));
                    continue;
                }
            };
            items.push(Item::new(&what, Answer::Ok, format!("answers, {} servers", view.members.len())));
            items.extend(view.warnings.iter().map(|w| Item::new(&what, Answer::Warn, w)));
            if route.tier >= BALANCER && shape.source.is_empty() {
                let found = "its source addresses are not configured: its idle pool explains sockets from anywhere";
                items.push(Item::new(&what, Answer::Warn, found));
            }
            for server in route.servers.values() {
                let health = view.members.get(server).map(|m| &m.health);
                // Names and prefixes check nothing, ever.
                let checks = route.tier >= BALANCER || health != Some(&Health::Unchecked);
                items.extend(server_item(&what, server, health).filter(|_| checks));
            }
        }
    }
    items
}

fn server_item(what: &str, server: &str, health: Option<&Health>) -> Option<Item> {
    match health {
        None => Some(Item::new(what, Answer::Problem, format!("there is no server {server}"))),
        Some(Health::Unchecked) => {
            let found = format!("{server} is not checked: clients go there whether it answers or not");
            Some(Item::new(what, Answer::Warn, found))
        }
        Some(Health::Failing { reason }) => {
            Some(Item::new(what, Answer::Warn, format!("{server} fails its checks: {reason}")))
        }
        Some(Health::Passing) => None,
    }
}

fn reason<T>(seen: Option<&Observed<T>>) -> &str {
    match seen {
        Some(Observed::Unknown { reason }) => reason,
        Some(Observed::Known { .. }) | None => "not observed",
    }
}

/// What fails the check.
fn problems(items: &[Item], review: &Review) -> usize {
    let bad = items.iter().filter(|i| i.answer == Answer::Problem).count();
    bad + review.findings.iter().filter(|f| f.severity == Severity::Problem).count()
}

fn text(items: &[Item], review: &Review) -> String {
    let mut table = Table::new(["answer", "what", "found"]).unbroken(1);
    for item in items {
        let answer = match item.answer {
            Answer::Ok => "ok",
            Answer::Warn => "warn",
            Answer::Problem => "PROBLEM",
        };
        table.row([answer, &item.what, &item.detail]);
    }
    let problems = problems(items, review);
    let warned = items.iter().filter(|i| i.answer == Answer::Warn).count();
    let warnings = warned + review.findings.iter().filter(|f| f.severity == Severity::Warn).count();
    format!("{table}{}\n{problems} problems, {warnings} warnings\n", review::text(review))
}

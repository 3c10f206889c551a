//! The review in `tidegate check`: what it is given, and how its findings are told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{net::lookup_host, time::timeout};

use super::super::{
    context::{Context, Survey},
    table::printable,
};
use crate::{
    config::settings::{Entrypoint, Settings, Via},
    journal::{Ending, PlaySummary, RunSummary},
    model::{BalancerView, EntrypointName, InstanceName, NodeName, RouteId, Topology},
    plan::Purpose,
    playbook::PlayEnding,
    review::{Answer, Facts, Finding, Found, Known, Machine, Resolvers, Review, Severity, review},
};

/// Plays that are looked through.
const PLAYS_READ: usize = 1000;

/// The review of the configuration alone.
pub(super) fn offline(settings: &Settings, now: Timestamp) -> Review {
    let topology = settings.topology(&super::super::world::members(settings));
    review(&Facts { settings, topology: &topology, found: None, now })
}

/// The review of everything.
pub(super) async fn online(context: &Context, survey: &Survey) -> Review {
    let settings = &*context.settings;
    let topology = &*survey.topology;
    let limit = settings.run.call_timeout;
    let resources: Vec<&str> = settings.services.iter().map(|s| s.clone.resource.as_str()).collect();
    let (balancers, names, resolvers, machines, stops) = tokio::join!(
        balancers(survey),
        join_all(settings.entrypoints.iter().filter(|e| is_looked_up(e)).map(|e| named(e, limit))),
        resolvers(survey),
        machines(context, topology),
        survey.world.cluster.stop_timeouts(&resources),
    );
    // A journal that cannot be read tells of no failure that was played: then one is due.
    let played = played(&context.plays.plays(PLAYS_READ).await.unwrap_or_default());
    let each = |why: String| resources.iter().map(|r| ((*r).to_owned(), Err(why.clone()))).collect();
    let found = Found {
        seen: survey.seen.clone(),
        balancers,
        names: names.into_iter().collect(),
        resolvers,
        machines,
        stop_timeouts: stops.unwrap_or_else(|error| each(error.to_string())),
        drilled: drilled(&survey.runs),
        played,
    };
    review(&Facts { settings, topology, found: Some(&found), now: survey.world.clock.now() })
}

type Balancers = BTreeMap<(RouteId, InstanceName), Known<Option<BalancerView>>>;

async fn balancers(survey: &Survey) -> Balancers {
    let each = survey.topology.routes.iter().flat_map(|r| r.instances.keys().map(move |i| (&r.id, i)));
    let asked = each.map(async |(route, instance)| {
        let said = match survey.world.route(route) {
            Ok(provider) => provider.configured(instance).await,
            Err(error) => Err(error),
        };
        ((route.clone(), instance.clone()), said.map_err(|error| error.to_string()))
    });
    join_all(asked).await.into_iter().collect()
}

/// Whether the address is a host's name. One that has only records of services says nothing of addresses.
fn is_looked_up(entrypoint: &Entrypoint) -> bool {
    let mut kinds =
        entrypoint.routes.iter().filter_map(|r| if let Via::Dns(d) = &r.via { Some(d.kind) } else { None }).peekable();
    let of_services = kinds.peek().is_some() && !kinds.any(|kind| kind.is_address());
    let host = host(&entrypoint.address);
    !of_services && host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err() && !host.contains('/')
}

fn host(address: &str) -> &str {
    let numbered = |(_, port): &(&str, &str)| port.bytes().all(|b| b.is_ascii_digit());
    match address.rsplit_once(':').filter(numbered) {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => address,
    }
}

/// What this machine makes of the name. That there is no such name is an answer; that nobody could be asked is none.
async fn named(entrypoint: &Entrypoint, limit: Duration) -> (EntrypointName, Vec<Answer>) {
    let said = timeout(limit, lookup_host((host(&entrypoint.address), 0))).await;
    let addresses = match said {
        Err(_) => Err(format!("no answer within {limit:?}")),
        Ok(Ok(found)) => Ok(found.map(|a| a.ip()).collect()),
        Ok(Err(error)) => {
            let why = error.to_string();
            let none = ["Name or service not known", "No address associated"].iter().any(|n| why.contains(n));
            if none { Ok(BTreeSet::new()) } else { Err(why) }
        }
    };
    (entrypoint.name.clone(), vec![Answer { who: "this machine".to_owned(), addresses }])
}

async fn resolvers(survey: &Survey) -> Resolvers {
    let asked = survey.world.routes.iter().map(async |route| {
        // With each member it says for how long it will be answered.
        let member = |word: String| word.rsplit_once(" for ").map_or(word.clone(), |(name, _)| name.to_owned());
        let said = route.elsewhere().await.into_iter();
        let said =
            said.map(|(who, m)| (who, m.map(|m| m.into_iter().map(member).collect()).map_err(|e| e.to_string())));
        (route.id().clone(), said.collect::<Vec<_>>())
    });
    join_all(asked).await.into_iter().filter(|(_, said)| !said.is_empty()).collect()
}

async fn machines(context: &Context, topology: &Topology) -> BTreeMap<NodeName, Known<Machine>> {
    let services = &context.settings.services;
    let units: BTreeSet<_> = services.iter().flat_map(|s| std::iter::once(&s.unit).chain(&s.extra_units)).collect();
    let archives: BTreeSet<_> = services.iter().flat_map(|s| &s.archives).collect();
    let (units, archives): (Vec<_>, Vec<_>) = (units.into_iter().collect(), archives.into_iter().collect());
    let files = context.files(topology);
    let read = topology
        .nodes
        .iter()
        .map(async |node| (node.clone(), files.read(node, &units, &archives).await.map_err(|error| error.to_string())));
    join_all(read).await.into_iter().collect()
}

/// When the last drill ended that broke something and was not given up.
fn played(plays: &[PlaySummary]) -> Option<Timestamp> {
    let counts = |play: &&PlaySummary| {
        let over = matches!(play.ending, Some(PlayEnding::Done | PlayEnding::Failed { .. }));
        over && play.opening.playbook.drill.is_some() && play.opening.playbook.is_unplanned()
    };
    plays.iter().filter(counts).filter_map(|play| play.ended_at).max()
}

/// When each node was last brought back after a drain that was done.
fn drilled(runs: &[RunSummary]) -> BTreeMap<NodeName, Timestamp> {
    let mut runs: Vec<&RunSummary> = runs.iter().filter(|r| r.ending == Some(Ending::Done)).collect();
    runs.sort_by_key(|r| r.opened_at);
    let (mut out, mut back) = (BTreeSet::new(), BTreeMap::new());
    for run in runs {
        let node = run.plan.node();
        match run.plan.request.purpose {
            Purpose::Drain => drop(out.insert(node)),
            Purpose::Restore if out.remove(node) => {
                back.insert(node.clone(), run.ended_at.unwrap_or(run.opened_at));
            }
            Purpose::Restore | Purpose::Withhold | Purpose::StandIn | Purpose::Retire => {}
        }
    }
    back
}

/// The findings for people: what, why it bites, how to mend it. What nobody could look at is put together by its reason.
pub(super) fn text(review: &Review) -> String {
    let mut text = String::new();
    let (known, unknown): (Vec<&Finding>, Vec<&Finding>) = review.findings.iter().partition(|f| f.known);
    for f in known {
        let severity = if f.severity == Severity::Problem { "PROBLEM" } else { "warn" };
        text += &format!("\n{severity}  {}  {}\n", f.code, printable(&format!("{}: {}", f.about, f.what)));
        text += &format!("    why:  {}\n    mend: {}\n", f.why, f.mend);
    }
    let mut by_reason: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for f in unknown {
        by_reason.entry((&f.about, &f.what)).or_default().push(f.code);
    }
    for ((about, what), codes) in by_reason {
        text += &format!("\nwarn  {}\n    for:  {}\n", printable(&format!("{about}: {what}")), codes.join(", "));
    }
    for (finding, reason) in &review.accepted {
        text += &format!("\naccepted  {}  {}\n", finding.code, printable(&format!("{}: {reason}", finding.about)));
    }
    if !review.not_asked.is_empty() {
        text += &format!("\nnot asked offline: {}\n", review.not_asked.join(", "));
    }
    text
}

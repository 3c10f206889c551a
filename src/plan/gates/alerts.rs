//! The gate over alerts that fire elsewhere. One that speaks of the very node is told and stands in nobody's way: it may be
//! the reason for the drain.

use super::{Answer, Facts, Gate};
use crate::{
    config::settings::Prometheus,
    model::{Alert, observed::age},
    plan::render::count,
    run::waiting::Short,
};

/// Labels that say where an alert is about, in the order in which they are shown.
const PLACES: [&str; 7] = ["node", "instance", "host", "nodename", "hostname", "service", "job"];
/// Those of them that may name a node.
const HOSTS: usize = 5;
/// Alerts that are named; more are counted.
const NAMED: usize = 5;

/// Nothing where no Prometheus is configured. `silence` is the answer where it does not tell.
pub(super) fn alerts(facts: &Facts<'_>, fires: Answer, silence: Answer) -> Option<Gate> {
    let asked = facts.settings.prometheus.as_ref()?;
    let seen = facts.seen.alerts.as_ref();
    let seen = seen.map_or(Err("it was not asked".to_owned()), |seen| seen.fresh(facts.now, facts.max_age));
    let firing = match seen {
        Ok(firing) => firing,
        Err(why) => {
            let detail = format!("whether an alert fires is unknown: {why}");
            let remedy = format!("make {} answer, or take `[prometheus]` out of the configuration", asked.url);
            let gate = Gate::new("alerts", silence, detail).remedy(remedy);
            return Some(Gate { unknown: true, ..gate });
        }
    };
    let counts = |alert: &&Alert| asked.matching.iter().any(|matchers| matchers.matches(alert));
    let (own, others): (Vec<&Alert>, Vec<&Alert>) = firing.iter().filter(counts).partition(|a| is_about(facts, a));
    Some(match (own.is_empty(), others.is_empty()) {
        (_, false) => {
            let remedy = "see to what they say, or leave out by `match` what does not count; or say why it may be: \
                          `--override alerts=REASON`";
            Gate::new("alerts", fires, named(facts, &others)).remedy(remedy)
        }
        (false, true) => {
            let detail = format!("only of {} itself: {}", facts.node(), named(facts, &own));
            Gate::new("alerts", Answer::Warn, detail)
        }
        (true, true) => Gate::new("alerts", Answer::Pass, none(asked, firing.len())),
    })
}

fn none(asked: &Prometheus, firing: usize) -> String {
    let matching: Vec<String> = asked.matching.iter().map(ToString::to_string).collect();
    match firing {
        0 => "no alert fires".to_owned(),
        n => format!("{} that fires counts ({})", count(n, "no alert", "of the alerts none"), matching.join("; or ")),
    }
}

/// Whether a label names the node, by its name or its address, with or without a port and a domain.
fn is_about(facts: &Facts<'_>, alert: &Alert) -> bool {
    let node = facts.node();
    let settings = facts.settings.nodes.get(node);
    let address = settings.and_then(|n| n.address).map(|a| a.to_string());
    let names = [Some(node.to_string()), settings.and_then(|n| n.ssh.clone()), address];
    PLACES[..HOSTS].iter().map(|label| alert.label(label)).filter(|value| !value.is_empty()).any(|value| {
        let host = match value.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => host,
            _ => value,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let same = |name: &String| host == name || host.strip_prefix(name.as_str()).is_some_and(|r| r.starts_with('.'));
        names.iter().flatten().any(|name| match name.parse::<std::net::IpAddr>() {
            Ok(_) => host == name,
            Err(_) => same(name),
        })
    })
}

fn named(facts: &Facts<'_>, alerts: &[&Alert]) -> String {
    let mut said: Vec<String> = alerts.iter().take(NAMED).map(|alert| one(facts, alert)).collect();
    if alerts.len() > NAMED {
        said.push(format!("and {} more", alerts.len() - NAMED));
    }
    said.join("; ")
}

/// `DiskFull (severity page, node node-1) for 12 min`
fn one(facts: &Facts<'_>, alert: &Alert) -> String {
    let labels = std::iter::once("severity").chain(PLACES);
    let labels: Vec<String> = labels
        .filter(|label| !alert.label(label).is_empty())
        .map(|label| format!("{label} {}", alert.label(label)))
        .collect();
    let name = if alert.label("alertname").is_empty() { "an alert without a name" } else { alert.label("alertname") };
    let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
    let since = alert.since.map(|since| format!(" for {}", Short(age(facts.now, since)))).unwrap_or_default();
    format!("{name}{labels} fires{since}")
}

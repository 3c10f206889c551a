//! Conditions.

use std::time::Duration;

use super::{
    super::condition::{Bounds, Condition, What},
    command,
};
use crate::{
    config::{reader::Reader, report::Problems, show},
    model::{EntrypointName, ServiceName},
};

/// The conditions of a step, whatever they are for.
pub(in crate::playbook) fn conditions_of<'t>(step: &Reader<'t>) -> Vec<Reader<'t>> {
    let mut all = step.tables("require");
    all.extend(step.tables("ensure"));
    let own = match step.variant() {
        Some("wait-until") => Some("until"),
        Some("check") => Some("that"),
        _ => None,
    };
    all.extend(own.filter(|key| step.has(key)).and_then(|key| step.table(key)));
    all
}

/// Time to find out where nothing else is said.
const USUAL: Duration = Duration::from_secs(10);

/// The same, of many requests.
const OF_LATENCY: Duration = Duration::from_secs(60);

pub(super) fn condition(r: &Reader<'_>, problems: &mut Problems) -> Option<Condition> {
    let what = what(r, problems)?;
    let over = match what {
        What::Skew { over, .. } | What::ErrorRatio { over, .. } => over,
        _ => Duration::ZERO,
    };
    let usual = if matches!(what, What::Latency { .. }) { OF_LATENCY } else { USUAL + over };
    let timeout = if r.has("timeout") { r.duration("timeout")? } else { usual };
    if timeout <= over {
        let message = format!("what is measured for {} is not known after {}", show(over), show(timeout));
        r.spot("timeout").report(problems, message, "it must be longer than `over`");
    }
    Some(Condition { what, timeout })
}

fn what(r: &Reader<'_>, problems: &mut Problems) -> Option<What> {
    let service = || r.text("service").map(ServiceName::new);
    let entrypoint = || r.text("entrypoint").map(EntrypointName::new);
    Some(match r.variant()? {
        "ready" => What::Ready { service: service() },
        "ready-nodes" => What::ReadyNodes { service: service(), at_least: r.integer("at-least")? },
        "member" => What::Member,
        "http" => {
            check_port(r, "url", problems);
            What::Http { url: r.text("url")?, status: r.statuses("status")?.to_string() }
        }
        "command" => What::Command { command: command(r, "command")?, on: r.choice("on")?, says: r.text("says") },
        "prometheus" => What::Prometheus { query: r.text("query")?, bounds: bounds(r, problems)? },
        "skew" => What::Skew { entrypoint: entrypoint(), at_most: r.number("at-most")?, over: r.duration("over")? },
        "error-ratio" => {
            What::ErrorRatio { entrypoint: entrypoint(), at_most: r.number("at-most")?, over: r.duration("over")? }
        }
        "latency" => {
            check_port(r, "url", problems);
            What::Latency { url: r.text("url")?, at_most: r.duration("at-most")?, requests: r.integer("requests")? }
        }
        _ => return None,
    })
}

fn bounds(r: &Reader<'_>, problems: &mut Problems) -> Option<Bounds> {
    let bounds =
        Bounds { at_least: r.number("at-least"), at_most: r.number("at-most"), tolerance: r.number("tolerance")? };
    match (bounds.at_least, bounds.at_most) {
        (Some(least), Some(most)) if least > most => {
            let message = format!("no value is at least {least} and at most {most}");
            r.spot("at-least").report(problems, message, "it must not be above `at-most`");
        }
        (None, None) if !r.has("at-least") && !r.has("at-most") => {
            r.here().report(problems, "any value would do", "give `at-least`, `at-most`, or both");
        }
        _ => {}
    }
    Some(bounds)
}

/// A URL's port is from 1 to 65535; its form says only how many digits there are.
pub(super) fn check_port(r: &Reader<'_>, key: &str, problems: &mut Problems) {
    let Some(url) = r.text(key) else { return };
    let authority = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
        r.spot(key).report(problems, "that port is none", "from 1 to 65535");
    }
}

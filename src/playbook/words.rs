//! What a playbook says, in words: a line for each step, with what it waits for.

use super::{
    condition::{Condition, What},
    fault::{Fault, Place},
    model::{Action, Step, Through, Where},
};
use crate::config::show;

/// What a step does, and what it waits for.
pub fn step(step: &Step) -> String {
    match &step.action {
        Action::Gate => "every gate of a drain must pass".into(),
        Action::Drain { service: None } => {
            "out of routing, until its connections have left, then out of the cluster".into()
        }
        Action::Drain { service: Some(service) } => {
            format!("out of the routing of {service}, until its connections have left")
        }
        Action::Restore => "back into the cluster and into routing, until every route sends to it again".into(),
        Action::Run { command, on, timeout, expect, .. } => {
            let codes: Vec<String> = expect.iter().map(ToString::to_string).collect();
            let ends = if expect == &[0] { String::new() } else { format!(", must end with {}", codes.join(" or ")) };
            format!("`{}` {}, at most {}{ends}", words(command), place(*on), show(*timeout))
        }
        Action::Copy { from, to, mode, timeout } => {
            format!("{} to {to}, mode {mode:04o}, at most {}", from.display(), show(*timeout))
        }
        Action::Reboot { timeout } => {
            format!("until it has another boot id, a way in, membership and quorum, at most {}", show(*timeout))
        }
        Action::WaitUntil { condition: what, hold, timeout } => {
            let hold = if hold.is_zero() { String::new() } else { format!(" for {} without a break", show(*hold)) };
            format!("until {}{hold}, at most {}", condition(what), show(*timeout))
        }
        Action::Pause { message, timeout } => format!("until a person approves, at most {}: {message}", show(*timeout)),
        Action::Check { condition: what } => format!("{} must hold", condition(what)),
        Action::Notify { through, message, required, .. } => {
            let how = match through {
                Through::Webhook(url) => format!("posted to {}", host(url)),
                Through::Command(command) => format!("told by `{}`", words(command)),
            };
            let must = if *required { ", must succeed" } else { "" };
            format!("{how}{must}: {message}")
        }
        Action::Adopt { service } => format!("{service} is the cluster's on every node, node by node"),
        Action::Fault { fault, place, lasts } => {
            let at = match place {
                None => String::new(),
                Some(Place::Node(node)) => format!(" on {node}"),
                Some(Place::Host { host, .. }) => format!(" on {host}"),
            };
            format!("BREAKS: {}{at}, undone after {}", broken(fault), show(*lasts))
        }
        Action::Observe { lasts } => format!("load goes on for {}", show(*lasts)),
    }
}

/// What must hold.
pub fn condition(condition: &Condition) -> String {
    let of = |name: Option<&str>| name.map(|name| format!(" of {name}")).unwrap_or_default();
    match &condition.what {
        What::Ready { service: None } => "ready".into(),
        What::Ready { service: Some(service) } => format!("ready for {service}"),
        What::ReadyNodes { service, at_least } => {
            format!("at least {at_least} ready nodes{}", of(service.as_ref().map(|s| s.as_str())))
        }
        What::Member => "a member of a cluster with quorum".into(),
        What::Http { url, status } => format!("{url} answers {status}"),
        What::Command { command, on, says } => {
            let says = says.as_ref().map(|text| format!(" and says {text:?}")).unwrap_or_default();
            format!("`{}` {} ends with 0{says}", words(command), place(*on))
        }
        What::Prometheus { query, bounds } => format!("{query} is {bounds}"),
        What::Skew { entrypoint, at_most, over } => {
            format!("skew{} of at most {at_most} over {}", of(entrypoint.as_ref().map(|e| e.as_str())), show(*over))
        }
        What::ErrorRatio { entrypoint, at_most, over } => {
            format!(
                "error ratio{} of at most {at_most} over {}",
                of(entrypoint.as_ref().map(|e| e.as_str())),
                show(*over)
            )
        }
        What::Latency { url, at_most, requests } => {
            format!("{url} answers 99 of 100 requests within {} ({requests} are sent)", show(*at_most))
        }
    }
}

fn broken(fault: &Fault) -> String {
    match fault {
        Fault::UnitKilled { service } | Fault::ServiceHung { service } => format!("{} ({service})", fault.word()),
        Fault::LinkCut { interface: Some(name) } => format!("{} ({name})", fault.word()),
        Fault::DiskFull { path } => format!("{} ({path})", fault.word()),
        Fault::BalancerLost { unit } | Fault::SecondaryLost { unit } | Fault::AnnouncerLost { unit } => {
            format!("{} ({unit})", fault.word())
        }
        _ => fault.word().to_owned(),
    }
}

fn place(on: Where) -> &'static str {
    match on {
        Where::Node => "on the node",
        Where::Here => "here",
    }
}

/// A webhook's path is often its secret.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

fn words(command: &[String]) -> String {
    command.join(" ")
}

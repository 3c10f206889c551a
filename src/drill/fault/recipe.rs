//! How each fault is played: the one table. A recipe is a script of three functions, its arguments, where it runs, and
//! what has to be so before. The scripts are fixed; what varies is an argument, and no shell reads it.

use std::{collections::BTreeMap, time::Duration};

use super::Served;
use crate::{
    model::ServiceName,
    playbook::{Fault, Place},
};

/// Where a fault's commands run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// On the machine itself.
    There,
    /// On another member of the cluster, because the machine dies of it.
    OtherMember,
}

impl Seat {
    /// Where this one's do.
    pub(super) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::NodeFenced | Fault::PowerCut => Self::OtherMember,
            _ => Self::There,
        }
    }
}

/// How one fault is played in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) script: &'static str,
    pub(super) arguments: Vec<String>,
    /// How much longer than any exchange its begin and its end may take.
    pub(super) begins_within: Duration,
    pub(super) ends_within: Duration,
    /// Checks beforehand: the check's word, and its argument.
    pub(super) checks: Vec<(&'static str, String)>,
}

macro_rules! script {
    ($name:literal) => {
        concat!(
            include_str!("scripts/common.sh"),
            include_str!(concat!("scripts/", $name)),
            include_str!("scripts/frame.sh")
        )
    };
}

/// What a service's instance needs to be started again and its failures to be forgotten.
const SETTLING: Duration = Duration::from_secs(90);
/// What a fence device needs.
const FENCING: Duration = Duration::from_secs(60);
/// What systemd needs to stop or to start a unit.
const JOB: Duration = Duration::from_secs(30);
/// Nothing that waits.
const AT_ONCE: Duration = Duration::ZERO;

/// The recipe of a fault. `interface` is that by which the machine answers, where it is known.
pub(super) fn recipe(
    fault: &Fault,
    place: &Place,
    services: &BTreeMap<ServiceName, Served>,
    interface: Option<&str>,
) -> Result<Recipe, String> {
    let served = |service: &ServiceName| services.get(service).ok_or_else(|| format!("no service {service} is known"));
    let node = |place: &Place| match place {
        Place::Node(node) => Ok(safe(node.as_str())?.to_owned()),
        Place::Host { host, .. } => Err(format!("{host} is no member of the cluster, and {} is of one", fault.word())),
    };
    let member = match place {
        Place::Node(node) => safe(node.as_str())?.to_owned(),
        Place::Host { .. } => String::new(),
    };
    let recipe = match fault {
        Fault::UnitKilled { service } => Recipe::of_service(script!("unit_killed.sh"), served(service)?, &node(place)?),
        Fault::ServiceHung { service } => {
            Recipe::of_service(script!("service_hung.sh"), served(service)?, &node(place)?)
        }
        Fault::NotReady { off, on } => {
            let (Some(first), Some(last)) = (off.first(), on.first()) else {
                return Err("not-ready needs a program that turns it off, and one that turns it on".into());
            };
            let mut arguments = vec![node(place)?, off.len().to_string()];
            arguments.extend(off.iter().chain(on).cloned());
            Recipe::here(script!("not_ready.sh"), arguments)
                .within(JOB, SETTLING)
                .check("program", first)
                .check("program", last)
        }
        Fault::PacemakerKilled => Recipe::here(script!("pacemaker_killed.sh"), vec![node(place)?])
            .within(AT_ONCE, SETTLING)
            .check("unit", "pacemaker.service")
            .check("boots", "pacemaker.service"),
        Fault::NodeFenced => Recipe::fencing(script!("node_fenced.sh"), &node(place)?),
        Fault::PowerCut => Recipe::fencing(script!("power_cut.sh"), &node(place)?),
        Fault::LinkCut { interface: named } => {
            let interface = named.as_deref().or(interface);
            let interface = safe(interface.ok_or("nothing says which interface leads to the machine: name one")?)?;
            Recipe::here(script!("link_cut.sh"), vec![interface.to_owned(), member.clone()])
                .within(AT_ONCE, SETTLING)
                .check("tool", "ip")
                .check("interface", interface)
                .stays_in_cluster(&member)
        }
        Fault::OneWayPartition => Recipe::here(script!("one_way_partition.sh"), vec![member.clone()])
            .within(AT_ONCE, SETTLING)
            .check("tool", "nft")
            .check("filter", "")
            .stays_in_cluster(&member),
        Fault::DiskFull { path } => {
            if !path.starts_with('/') {
                return Err(format!("{path} is no absolute path"));
            }
            let recipe = Recipe::here(script!("disk_full.sh"), vec![path.clone(), member.clone()]);
            let recipe = recipe.within(JOB, SETTLING).check("tool", "fallocate").check("disk", path);
            if member.is_empty() { recipe } else { recipe.check("failures", &member) }
        }
        Fault::BalancerLost { unit } => Recipe::here(script!("balancer_lost.sh"), vec![unit.as_str().to_owned()])
            .within(AT_ONCE, JOB)
            .check("unit", unit.as_str()),
        Fault::SecondaryLost { unit } | Fault::AnnouncerLost { unit } => {
            Recipe::here(script!("stopped.sh"), vec![unit.as_str().to_owned()])
                .within(JOB, JOB)
                .check("unit", unit.as_str())
        }
    };
    match recipe.arguments.iter().find(|a| a.contains(['\0', '\n'])) {
        Some(odd) => Err(format!("{odd:?} has a line break in it")),
        None => Ok(recipe),
    }
}

impl Recipe {
    fn here(script: &'static str, arguments: Vec<String>) -> Self {
        let (begins_within, ends_within) = (AT_ONCE, AT_ONCE);
        Self { script, arguments, begins_within, ends_within, checks: Vec::new() }
    }

    fn of_service(script: &'static str, served: &Served, node: &str) -> Self {
        let (unit, resource) = (served.unit.as_str(), served.resource.as_str());
        Self::here(script, vec![unit.to_owned(), resource.to_owned(), node.to_owned()])
            .within(AT_ONCE, SETTLING)
            .check("unit", unit)
            .check("resource", resource)
            .check("failures", node)
    }

    fn fencing(script: &'static str, node: &str) -> Self {
        Self::here(script, vec![node.to_owned()]).within(FENCING, FENCING).check("fencing", node)
    }

    fn within(self, begins_within: Duration, ends_within: Duration) -> Self {
        Self { begins_within, ends_within, ..self }
    }

    fn check(mut self, word: &'static str, argument: &str) -> Self {
        self.checks.push((word, argument.to_owned()));
        self
    }

    /// A member that is cut off may be fenced for it, and has to come back.
    fn stays_in_cluster(self, member: &str) -> Self {
        if member.is_empty() { self } else { self.check("failures", member).check("boots", "pacemaker.service") }
    }
}

/// A name that goes into a query of the cluster, or into a path below `/proc`.
fn safe(name: &str) -> Result<&str, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    let is_safe = !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(fits);
    is_safe.then_some(name).ok_or_else(|| format!("{name:?} is no name of a node or an interface"))
}

#[cfg(test)]
mod tests;

//! Instances that are never written: a change counts only when they show it by themselves.
//!
//! A router says whether it has a path; that is all that can be asked of it. A server of the same zone answers with the
//! zone's own data, so it has to answer with the whole set that the changed server answers with: the same members, with
//! the same weights, parameters and TTL. One that still has the member at its former weight has not followed, although
//! it has the member.

use super::{Progress, Situation};
use crate::{
    model::{InstanceName, InstanceView, MemberView, RouteTarget, topology::RouteShape},
    run::waiting::{Short, Waiting},
};

/// Waits until the instance shows the member, or no longer; and, where it mirrors another, all that the other shows.
pub(super) fn follow(s: &Situation<'_>, target: &RouteTarget, serving: bool) -> Progress {
    let member = match s.look.member(target) {
        Ok(member) => member,
        Err(waiting) => return Progress::wait(waiting),
    };
    if member.is_admitted() != serving {
        return Progress::wait(behind(s, target, serving, None));
    }
    match difference(s, target) {
        Ok(None) => Progress::default(),
        Ok(Some(difference)) => Progress::wait(behind(s, target, serving, Some(difference))),
        Err(waiting) => Progress::wait(waiting),
    }
}

fn behind(s: &Situation<'_>, target: &RouteTarget, serving: bool, shows: Option<String>) -> Waiting {
    let version = |instance| s.look.instance(&target.route, instance).ok().and_then(|view| view.version.clone());
    Waiting::Follower {
        instance: target.instance.clone(),
        route: target.route.clone(),
        server: target.server.clone(),
        serving,
        shows,
        version: version(&target.instance),
        driven: route(s, target).and_then(driven).and_then(version),
    }
}

fn route<'a>(s: &Situation<'a>, target: &RouteTarget) -> Option<&'a RouteShape> {
    s.topology.routes.iter().find(|route| route.id == target.route)
}

/// The instance that changes are sent to.
fn driven(route: &RouteShape) -> Option<&InstanceName> {
    route.instances.iter().find(|(_, shape)| shape.role.is_driven()).map(|(name, _)| name)
}

/// What a mirror shows otherwise, in words; its own member's first.
fn difference(s: &Situation<'_>, target: &RouteTarget) -> Result<Option<String>, Waiting> {
    let mirrored = route(s, target).filter(|r| r.instances.get(&target.instance).is_some_and(|shape| shape.mirrors));
    let Some(original) = mirrored.and_then(driven) else { return Ok(None) };
    let (here, there) = (s.look.instance(&target.route, &target.instance)?, s.look.instance(&target.route, original)?);
    Ok(first_difference(here, there, &target.server))
}

fn first_difference(here: &InstanceView, there: &InstanceView, server: &str) -> Option<String> {
    let all = here.members.keys().chain(there.members.keys()).map(String::as_str);
    std::iter::once(server).chain(all).find_map(|name| differs(name, here.members.get(name), there.members.get(name)))
}

/// `node-2 with weight 25, not 100`
fn differs(name: &str, here: Option<&MemberView>, there: Option<&MemberView>) -> Option<String> {
    let admitted = |member: Option<&MemberView>| member.is_some_and(MemberView::is_admitted);
    match (here, there) {
        (Some(a), Some(b)) if a.exact == b.exact => None,
        (None, None) => None,
        _ if admitted(here) && !admitted(there) => Some(name.to_owned()),
        _ if admitted(there) && !admitted(here) => Some(format!("a set without {name}")),
        (Some(a), Some(b)) if a.weight != b.weight => {
            Some(format!("{name} with weight {}, not {}", a.weight, b.weight))
        }
        (Some(a), Some(b)) if a.linger != b.linger => {
            Some(format!("{name} for {}, not {}", Short(a.linger), Short(b.linger)))
        }
        _ => Some(format!("another record of {name}")),
    }
}

#[cfg(test)]
mod tests;

//! After a change: every instance that the cluster said it would run is started by its own view, its unit is active, and
//! the service answers that it is ready. What is missing has a name.

use std::collections::{BTreeMap, BTreeSet};

use super::super::context::{Context, Survey};
use super::look::wants;
use crate::{
    config::settings::Service,
    model::{NodeName, Observation, Observed, Readiness, Rehearsal, observed::age},
    run::observer::Observer,
};

/// Where each primitive should run.
pub(super) type Expected = BTreeMap<String, BTreeSet<NodeName>>;

/// Where the cluster itself said that it would run these.
pub(super) fn expected(rehearsal: &Rehearsal, services: &[&Service]) -> Expected {
    let on = |resource: &str| {
        let active = rehearsal.after.iter().filter(|r| r.id == resource && r.active);
        active.filter_map(|r| r.node.clone()).collect()
    };
    services.iter().map(|s| (s.clone.resource.clone(), on(&s.clone.resource))).collect()
}

/// Looks until nothing is missing or the patience is over: what is missing then.
pub(super) async fn settled(
    context: &Context,
    survey: &Survey,
    services: &[&Service],
    expected: &Expected,
) -> Vec<String> {
    let began = survey.world.clock.now();
    let mut observer = Observer::new(survey.world.clone(), context.settings.clone());
    loop {
        observer.refresh(&survey.topology, &wants(survey.topology.nodes.iter().cloned().collect())).await;
        let missing = missing(observer.seen(), services, expected);
        let over = age(survey.world.clock.now(), began) > context.settings.run.patience;
        if missing.is_empty() || over {
            return missing;
        }
        tokio::time::sleep(context.settings.run.poll).await;
    }
}

/// What is not as expected, one line each.
pub(super) fn missing(seen: &Observation, services: &[&Service], expected: &Expected) -> Vec<String> {
    let cluster = match &seen.cluster {
        Observed::Known { value, .. } => value,
        Observed::Unknown { reason } => return vec![format!("the cluster does not answer: {reason}")],
    };
    let mut missing = Vec::new();
    for service in services {
        let resource = &service.clone.resource;
        let nodes = expected.get(resource).cloned().unwrap_or_default();
        for node in &nodes {
            if !cluster.instances_on(resource, node).any(|i| i.started()) {
                missing.push(format!("{resource} is not started on {node} yet"));
            }
            let view = seen.nodes.get(node);
            missing.extend(match view.and_then(|n| n.units.get(&service.unit)) {
                Some(Observed::Known { value, .. }) if value.is_active() => None,
                Some(Observed::Known { value, .. }) => Some(format!("{} on {node} is {}", service.unit, value.active)),
                Some(Observed::Unknown { reason }) => Some(format!("{} on {node}: {reason}", service.unit)),
                None => Some(format!("{} on {node} was not seen", service.unit)),
            });
            missing.extend(match view.and_then(|n| n.ready.get(&service.name)) {
                Some(Observed::Known { value: Readiness::Ready, .. }) => None,
                Some(Observed::Known { value: Readiness::NotReady { reason }, .. }) => {
                    Some(format!("{} on {node} is not ready: {reason}", service.name))
                }
                Some(Observed::Unknown { reason }) => Some(format!("{} on {node}: {reason}", service.name)),
                None => Some(format!("{} on {node} was not probed", service.name)),
            });
        }
        let elsewhere = cluster.instances.iter().filter(|i| &i.resource == resource && i.active);
        let elsewhere = elsewhere.filter_map(|i| i.node.as_ref()).filter(|n| !nodes.contains(*n));
        missing.extend(elsewhere.map(|node| format!("{resource} still runs on {node}")));
    }
    if missing.is_empty() && cluster.transition {
        missing.push("the cluster is still at work".into());
    }
    missing
}

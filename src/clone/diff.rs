//! From what is found to what is declared, by the smallest changes.

use super::{
    change::Change,
    declaration::{Declaration, Wanted},
    found::{Found, FoundClone, Setting},
    place::{Held, duration},
    unit::{Enablement, UnitFile},
};
use crate::model::{NodeName, UnitName};

/// The changes of the cluster's configuration that make it as declared; none where it is. What cannot be changed (an
/// obstacle, an entangled value, another agent) is left out: the gates refuse it.
pub fn diff(wanted: &Declaration, found: &Found) -> Vec<Change> {
    let Some(clone) = &found.clone else {
        return match found.obstacles.is_empty() {
            true => vec![Change::Create { declaration: Box::new(wanted.clone()) }],
            false => Vec::new(),
        };
    };
    let mut changes: Vec<Change> = wanted.values().iter().filter_map(|value| changed(wanted, value, clone)).collect();
    let resource = || wanted.resource.clone();
    for node in wanted.withheld.difference(&found.withheld).cloned() {
        changes.push(Change::Withhold { clone: clone.id.clone(), resource: resource(), node });
    }
    for node in found.withheld.difference(&wanted.withheld).cloned() {
        changes.push(Change::Admit { clone: clone.id.clone(), resource: resource(), node });
    }
    changes
}

fn changed(wanted: &Declaration, value: &Wanted, clone: &FoundClone) -> Option<Change> {
    let setting = clone.setting(&value.place);
    if setting.is_some_and(|s| s.entangled.is_some() || satisfies(value, s)) {
        return None;
    }
    Some(Change::Set {
        clone: clone.id.clone(),
        resource: wanted.resource.clone(),
        place: value.place.clone(),
        from: setting.map_or(Held::Nothing, |s| s.held.clone()),
        to: Held::Value(value.value.clone()),
    })
}

/// Whether what is in force is as declared, or more than enough where that suffices.
pub fn satisfies(wanted: &Wanted, found: &Setting) -> bool {
    let Some(value) = found.effective() else { return false };
    let long_enough = || wanted.enough.zip(duration(value)).is_some_and(|(enough, now)| now > enough);
    wanted.place.same(value, &wanted.value) || long_enough()
}

/// A unit that the cluster runs must not start at boot by itself as well.
pub fn boot(node: &NodeName, unit: &UnitName, file: &UnitFile) -> Option<Change> {
    file.enablement.at_boot().then(|| Change::Boot {
        node: node.clone(),
        unit: unit.clone(),
        from: file.enablement.clone(),
        to: Enablement::new("disabled"),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;
    use crate::clone::{Place, Timeout};

    fn wanted() -> Declaration {
        Declaration {
            service: "app".into(),
            resource: "app_service".into(),
            clone: "app_service-clone".into(),
            agent: "systemd:app".into(),
            monitor_interval: Duration::from_secs(30),
            stop_timeout: Some(Timeout { wanted: Duration::from_secs(105), enough: Some(Duration::from_secs(90)) }),
            start_timeout: None,
            clone_max: None,
            clone_node_max: 1,
            clone_min: None,
            interleave: true,
            withheld: BTreeSet::new(),
        }
    }

    fn found(values: &[(Place, &str)]) -> Found {
        let setting = |(place, value): &(Place, &str)| Setting {
            place: place.clone(),
            held: Held::Value((*value).to_owned()),
            otherwise: None,
            entangled: None,
        };
        let clone = FoundClone {
            id: "mine".into(),
            agent: "systemd:app".into(),
            settings: values.iter().map(setting).collect(),
            ..FoundClone::default()
        };
        Found { resource: "app_service".into(), clone: Some(clone), ..Found::default() }
    }

    fn usual(stop: &'static str) -> Vec<(Place, &'static str)> {
        vec![
            (Place::operation("monitor", "interval"), "30s"),
            (Place::operation("stop", "timeout"), stop),
            (Place::meta("clone-node-max"), "1"),
            (Place::meta("clone-max"), "7"),
            (Place::meta("interleave"), "true"),
        ]
    }

    fn said(found: &Found) -> Vec<String> {
        diff(&wanted(), found).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_declared_is_a_persons() {
        assert_eq!(said(&found(&usual("105s"))), [""; 0], "clone-max is 7, and nobody declared it");
    }

    #[test]
    fn a_time_that_is_long_enough_stays() {
        assert_eq!(said(&found(&usual("5min"))), [""; 0]);
        assert_eq!(said(&found(&usual("91s"))), [""; 0]);
        assert_eq!(said(&found(&usual("90s"))), ["app_service: stop timeout 90s → 105s"], "a race with systemd's own");
        assert_eq!(said(&found(&usual("soon"))), ["app_service: stop timeout soon → 105s"]);
    }

    #[test]
    fn a_clone_keeps_the_name_that_it_has() {
        let changes = diff(&wanted(), &found(&usual("60s")));
        assert!(matches!(&changes[..], [Change::Set { clone, .. }] if clone == "mine"), "{changes:?}");
        assert_eq!(changes[0].inverse().to_string(), "app_service: stop timeout 105s → 60s");
    }

    #[test]
    fn nodes_are_withheld_and_admitted_one_by_one() {
        let mut seen = found(&usual("105s"));
        seen.withheld = BTreeSet::from(["node-1".into(), "node-2".into()]);
        let wanted = wanted().withheld_from(["node-2".into(), "node-3".into()]);
        let changes: Vec<String> = diff(&wanted, &seen).iter().map(ToString::to_string).collect();
        assert_eq!(changes, ["app_service: withhold from node-3", "app_service: admit to node-1"]);
    }
}

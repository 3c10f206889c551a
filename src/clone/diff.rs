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

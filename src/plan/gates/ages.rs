//! The gate over the age of what was seen: one row that says on how old a look the verdict stands.

use std::time::Duration;

use super::{Answer, Facts, Gate};
use crate::{
    model::{Observed, observed::age},
    plan::render::count,
    run::waiting::Short,
};

/// What was seen, and when.
struct Seen {
    what: String,
    age: Duration,
}

/// The oldest value, and every one that is too old. What did not answer at all is refused by the gate that needs it.
pub(super) fn observations(facts: &Facts<'_>) -> Gate {
    let mut seen = everything(facts);
    seen.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.what.cmp(&b.what)));
    let (limit, values) = (Short(facts.max_age), count(seen.len(), "value", "values"));
    let Some(oldest) = seen.first() else {
        let gate = Gate::new("observations", Answer::Refuse, "nothing was seen at all");
        return Gate { unknown: true, ..gate.remedy("make the cluster and the routes answer: `tidegate check`") };
    };
    let old = seen.iter().filter(|s| s.age > facts.max_age).count();
    let detail =
        format!("the oldest of {values} is {}, seen {} ago; {limit} is the limit", oldest.what, Short(oldest.age));
    if old == 0 {
        return Gate::new("observations", Answer::Pass, detail);
    }
    let detail = format!("{} too old: {detail}", count(old, "value is", "values are"));
    let gate = Gate::new("observations", Answer::Refuse, detail).remedy("look again; `run.max-age` is the limit");
    Gate { unknown: true, ..gate }
}

fn everything(facts: &Facts<'_>) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut add = |what: String, at: Option<jiff::Timestamp>| {
        all.extend(at.map(|at| Seen { what, age: age(facts.now, at) }));
    };
    let seen = facts.seen;
    add("the cluster".into(), seen.cluster.at());
    add("the rehearsal".into(), seen.rehearsals.get(facts.node()).and_then(Observed::at));
    for (route, instances) in &seen.routes {
        for (instance, view) in instances {
            add(format!("{instance} ({route})"), view.at());
        }
    }
    for (node, view) in &seen.nodes {
        for (service, ready) in &view.ready {
            add(format!("the probe of {service} on {node}"), ready.at());
        }
        if node == facts.node() {
            view.sockets.iter().for_each(|(port, s)| add(format!("the sockets of port {port} on {node}"), s.at()));
            view.units.iter().for_each(|(unit, s)| add(format!("{unit} on {node}"), s.at()));
        }
    }
    add("the alerts".into(), seen.alerts.as_ref().and_then(Observed::at));
    all
}

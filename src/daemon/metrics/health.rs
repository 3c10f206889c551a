//! Readiness, probes and the guard.

use std::time::Duration;

use super::{
    table,
    words::{Guarded, Outcome, Reason},
};

/// Whether a service on a node counts as ready, after thresholds and damping; `why` where it does not. A service that
/// nobody could look at is neither: [`Reason::Unknown`].
pub fn readiness(node: &str, service: &str, up: bool, why: Option<Reason>) {
    let unknown = !up && why == Some(Reason::Unknown);
    table::READY.set(&[node, service], if unknown { f64::NAN } else { f64::from(u8::from(up)) });
    for reason in Reason::ALL {
        table::UNREADY.flag(&[node, service, reason.word()], !up && why == Some(*reason));
    }
}

/// A service on a node became ready, or unready.
pub fn turned(node: &str, service: &str, up: bool) {
    table::TURNS.add(&[node, service, if up { "ready" } else { "unready" }], 1);
}

/// A probe took this long.
pub fn probed(node: &str, service: &str, took: Duration, outcome: Outcome) {
    table::PROBED.observe(&[node, service, outcome.word()], took.as_secs_f64());
}

/// The guard changed a route, or kept from changing it.
pub fn guard_action(kind: Guarded, route: &str, node: &str) {
    table::GUARDED.add(&[kind.word(), route, node], 1);
}

/// Whether the guard takes no node of a service out, because too few are ready.
pub fn fail_open(service: &str, open: bool) {
    table::FAIL_OPEN.flag(&[service], open);
}

/// A node went into standby without having been drained.
pub fn out_of_order(node: &str) {
    table::OUT_OF_ORDER.add(&[node], 1);
}

/// Whether the coordinator has lost sight of everything.
pub fn blind(is: bool) {
    table::BLIND.flag(&[], is);
}

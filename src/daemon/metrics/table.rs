//! The catalogue of all metrics: one table of names, kinds, units, labels and help texts. The descriptions that
//! Prometheus gets and `docs/metrics.md` are made from it. Values of labels are closed sets: what the configuration names, and words of this
//! program.

use metrics::Unit::Seconds;

use super::metric::{Kind, Metric};

/// Probes: from a service on the same switch to the longest time limit that is of use.
const PROBES: Kind =
    Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0]);

macro_rules! table {
    ($($section:literal { $($id:ident: $kind:expr, $unit:expr, $name:literal, [$($label:literal),*], $help:literal;)* })*) => {
        $($(
            pub(super) const $id: Metric =
                Metric { name: $name, kind: $kind, unit: $unit, labels: &[$($label),*], help: $help };
        )*)*

        /// Every metric, by section.
        pub const SECTIONS: &[(&str, &[Metric])] = &[$(($section, &[$($id),*])),*];

        /// The names of the table's lines, for the test that each is reported by something.
        #[cfg(test)]
        pub(super) const IDS: &[&str] = &[$($(stringify!($id)),*),*];
    };
}

use Kind::{Counter, Gauge};

table! {
    "The program" {
        BUILD: Gauge, None, "tidegate_build_info", ["version"],
            "Always 1; the version of the program is in its label.";
    }
    "What was looked at" {
        SEEN: Gauge, Some(Seconds), "tidegate_observation_timestamp_seconds", ["source", "route", "instance", "node"],
            "When a source last answered, as seconds since the epoch; its age is time() minus this.";
        FAILED: Counter, None, "tidegate_observation_failures_total", ["source", "route", "instance", "node"],
            "Looks at a source that got no answer.";
        BLIND: Gauge, None, "tidegate_coordinator_blind", [],
            "Whether the coordinator has lost sight of everything at once (1) and so changes nothing.";
    }
    "Readiness" {
        READY: Gauge, None, "tidegate_node_ready", ["node", "service"],
            "Whether a service on a node counts as ready (1) or not (0); NaN where that is not known.";
        UNREADY: Gauge, None, "tidegate_node_unready", ["node", "service", "reason"],
            "1 for the reason for which a service on a node does not count as ready, 0 for reasons of before.";
        TURNS: Counter, None, "tidegate_readiness_transitions_total", ["node", "service", "to"],
            "Times that a service on a node became ready or unready.";
        PROBED: PROBES, Some(Seconds), "tidegate_probe_duration_seconds", ["node", "service", "outcome"],
            "How long probes took, to their answer or to their time limit.";
    }
    "Guard" {
        GUARDED: Counter, None, "tidegate_guard_actions_total", ["kind", "route", "node"],
            "What the guard did to routes, or kept from doing.";
        FAIL_OPEN: Gauge, None, "tidegate_guard_fail_open", ["service"],
            "Whether so few nodes are ready that the guard takes none out of routing (1).";
        OUT_OF_ORDER: Counter, None, "tidegate_out_of_order_total", ["node"],
            "Times that a node went into standby without having been drained first.";
    }
    "Nodes that are out" {
        OUT: Gauge, None, "tidegate_node_out", ["node"],
            "Whether a drain keeps the node out (1) or not (0).";
        DRAINED_REQUESTS: Counter, None, "tidegate_drained_requests_total", ["route", "instance", "server"],
            "Requests that reached a member while it was drained.";
        DRIFT: Counter, None, "tidegate_drift_total", ["route", "instance", "server", "kind"],
            "Drained members that were found to take clients, or to get requests, by what is behind it.";
        REASSERTED: Counter, None, "tidegate_reassertions_total", ["node"],
            "Drained members that were set again.";
    }
}

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|(_, metrics)| metrics.iter())
}

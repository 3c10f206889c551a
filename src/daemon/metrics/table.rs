//! The catalogue of all metrics: one table of names, kinds, units, labels and help texts. The descriptions that
//! Prometheus gets and `docs/metrics.md` are made from it. Values of labels are closed sets: what the configuration names, and words of this
//! program.

use metrics::Unit::{Bytes, Seconds};

use super::metric::{Kind, Metric};

/// Probes: from a service on the same switch to the longest time limit that is of use.
const PROBES: Kind =
    Kind::Histogram(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0]);

/// Runs and their steps: from a step that finds everything done to connections that stay for hours.
const RUNS: Kind =
    Kind::Histogram(&[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0]);

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
        CPU: Counter, Some(Seconds), "process_cpu_seconds_total", [],
            "CPU time that the process has used, user and system, in whole seconds.";
        MEMORY: Gauge, Some(Bytes), "process_resident_memory_bytes", [],
            "Memory of the process that is in RAM.";
        VIRTUAL: Gauge, Some(Bytes), "process_virtual_memory_bytes", [],
            "Memory that the process has mapped.";
        OPEN_FDS: Gauge, None, "process_open_fds", [],
            "File descriptors that the process has open.";
        MAX_FDS: Gauge, None, "process_max_fds", [],
            "File descriptors that the process may have open.";
        THREADS: Gauge, None, "process_threads", [],
            "Threads of the process.";
        STARTED: Gauge, Some(Seconds), "process_start_time_seconds", [],
            "When the process began, as seconds since the epoch.";
    }
    "What was looked at" {
        SEEN: Gauge, Some(Seconds), "tidegate_observation_timestamp_seconds", ["source", "route", "route_instance", "node"],
            "When a source last answered, as seconds since the epoch; its age is time() minus this.";
        FAILED: Counter, None, "tidegate_observation_failures_total", ["source", "route", "route_instance", "node"],
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
    "Traffic" {
        REQUESTS: Counter, None, "tidegate_requests_total", ["entrypoint", "route", "route_instance", "node"],
            "Requests that an instance of a route sent to a node, since the coordinator began. Restarts of the instance leave a gap.";
        CONNECTIONS: Counter, None, "tidegate_connections_total", ["entrypoint", "route", "route_instance", "node"],
            "Connections that an instance of a route opened to a node, since the coordinator began. Restarts of the instance leave a gap.";
        ERRORS: Counter, None, "tidegate_errors_total", ["entrypoint", "route", "route_instance", "node", "kind"],
            "Failures that an instance of a route counted for a node, since the coordinator began.";
        SESSIONS: Gauge, None, "tidegate_sessions", ["entrypoint", "route", "route_instance", "node"],
            "Client sessions on a node at one instance of a route.";
        LATENCY: Gauge, Some(Seconds), "tidegate_response_time_seconds", ["entrypoint", "route", "route_instance", "node"],
            "Mean time to a node's answer, as its load balancer tells it of its latest requests.";
        SERVING: Gauge, None, "tidegate_member_serving", ["entrypoint", "route", "route_instance", "node"],
            "Whether an instance of a route sends new clients to a node (1) or not (0).";
        NODE_CONNECTIONS: Gauge, None, "tidegate_node_connections", ["node", "service"],
            "Established connections to a service on a node, by the node's own sockets; idle pools are among them.";
        SHARE: Gauge, None, "tidegate_share_ratio", ["entrypoint", "node", "window"],
            "A node's measured share of an entrypoint's traffic, from 0 to 1.";
        EXPECTED: Gauge, None, "tidegate_expected_share_ratio", ["entrypoint", "node", "window"],
            "The share that a node should have had by weights, ramps and what is out, from 0 to 1.";
        SKEW: Gauge, None, "tidegate_skew_ratio", ["entrypoint", "node", "window"],
            "Measured share over expected share; 1 is even, NaN where nothing was expected.";
        SKEW_SURE: Gauge, None, "tidegate_skew_certain_ratio", ["entrypoint", "node", "window"],
            "How far a node's share certainly is from the expected one, as a ratio of at least 1: the nearer end of its confidence interval.";
        SKEW_P: Gauge, None, "tidegate_skew_p_value", ["entrypoint", "of", "window"],
            "How likely shares that differ at least as much would be if there were no skew.";
        SAMPLES: Gauge, None, "tidegate_share_samples", ["entrypoint", "of", "window"],
            "Requests or connections that the shares of a window were measured on.";
        DISPERSION: Gauge, None, "tidegate_share_dispersion", ["entrypoint", "of", "window"],
            "How many of them count as one, because they hang together.";
        SKEW_LIMIT: Gauge, None, "tidegate_skew_limit_ratio", ["entrypoint"],
            "The certain skew from which on an alert is due: objective.max-skew.";
    }
    "Nodes that are out" {
        OUT: Gauge, None, "tidegate_node_out", ["node"],
            "Whether a drain keeps the node out (1) or not (0).";
        DRAINED_REQUESTS: Counter, None, "tidegate_drained_requests_total", ["route", "route_instance", "server"],
            "Requests that reached a member that a drain keeps out, also while somebody had put it back.";
        DRIFT: Counter, None, "tidegate_drift_total", ["route", "route_instance", "server", "kind"],
            "Drained members that were found to take clients, or to get requests, by what is behind it.";
        REASSERTED: Counter, None, "tidegate_reassertions_total", ["node"],
            "Drained members that were set again.";
        STANDBY: Gauge, None, "tidegate_node_standby", ["node", "by"],
            "Whether a node is in standby (1): by a run of Tidegate, or by another hand.";
    }
    "Runs" {
        RUN: Gauge, None, "tidegate_run_open", ["purpose", "node", "status"],
            "1 for where an open or stuck run stands, 0 for where it does not.";
        RUN_SINCE: Gauge, Some(Seconds), "tidegate_run_start_timestamp_seconds", ["purpose", "node"],
            "When the open run was opened, as seconds since the epoch; NaN where none is.";
        STEP_SINCE: Gauge, Some(Seconds), "tidegate_run_step_start_timestamp_seconds", ["purpose", "node", "step"],
            "When the open run's present step began, as seconds since the epoch; NaN for other steps.";
        WAITING: Gauge, None, "tidegate_run_waiting", ["purpose", "node", "for"],
            "1 for what the open run waits for, 0 for what it does not.";
        RUNS_ENDED: Counter, None, "tidegate_runs_ended_total", ["purpose", "ending"],
            "Runs that ended since the coordinator began.";
        RUN_TOOK: RUNS, Some(Seconds), "tidegate_run_duration_seconds", ["purpose", "ending"],
            "How long runs took, from being opened to their end.";
        STEP_TOOK: RUNS, Some(Seconds), "tidegate_run_step_duration_seconds", ["purpose", "step"],
            "How long the steps of runs took, from their beginning to their proof.";
        BASELINE: Gauge, Some(Seconds), "tidegate_run_baseline_seconds", ["purpose"],
            "Median time of the latest runs that were done, at most 20; NaN where none was.";
        RUN_DONE: Gauge, Some(Seconds), "tidegate_run_last_done_timestamp_seconds", ["purpose", "node"],
            "When a run of this purpose was last done, as seconds since the epoch.";
    }
    "Drills" {
        DRILL_ENDED: Gauge, Some(Seconds), "tidegate_drill_last_ended_timestamp_seconds", ["kind", "ending"],
            "When a drill of this kind last ended in this way, as seconds since the epoch; NaN where none did.";
    }
}

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    SECTIONS.iter().flat_map(|(_, metrics)| metrics.iter())
}

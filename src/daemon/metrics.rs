//! What the coordinator exports, in one place: names, kinds and what they mean. Labels are closed sets: routes,
//! instances and nodes of the configuration, and words of this program.

use std::net::SocketAddr;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

use crate::{journal::Drift, model::RouteTarget};

const DRIFT: &str = "tidegate_drift_total";
const DRAINED_REQUESTS: &str = "tidegate_drained_requests_total";
const REASSERTED: &str = "tidegate_reassertions_total";
const OUT: &str = "tidegate_node_out";
const SEEN: &str = "tidegate_observation_timestamp_seconds";
const FAILED: &str = "tidegate_observation_failures_total";

/// Serves `/metrics` on this address, for as long as the runtime lives. Fails where it cannot be bound.
pub fn serve(address: SocketAddr) -> Result<(), BuildError> {
    PrometheusBuilder::new().with_http_listener(address).install()?;
    describe_counter!(
        DRIFT,
        "Drained members that were found to take clients, or to get requests, by what is behind it."
    );
    describe_counter!(DRAINED_REQUESTS, "Requests that reached a member while it was drained.");
    describe_counter!(REASSERTED, "Drained members that were set again.");
    describe_gauge!(OUT, "Whether a drain keeps the node out (1) or not (0).");
    describe_gauge!(SEEN, Unit::Seconds, "When an instance of a route last answered, as seconds since the epoch.");
    describe_counter!(FAILED, "Looks at an instance of a route that got no answer.");
    Ok(())
}

/// A drift was seen.
pub fn drifted(target: &RouteTarget, drift: Drift) {
    let (route, instance) = (target.route.to_string(), target.instance.to_string());
    let server = target.server.clone();
    counter!(DRIFT, "route" => route, "instance" => instance, "server" => server, "kind" => drift.to_string())
        .increment(1);
}

/// Requests reached a drained member.
pub fn drained_requests(target: &RouteTarget, requests: u64) {
    let (route, instance) = (target.route.to_string(), target.instance.to_string());
    counter!(DRAINED_REQUESTS, "route" => route, "instance" => instance, "server" => target.server.clone())
        .increment(requests);
}

/// Drained members of a node were set again.
pub fn reasserted(node: &str, times: u32) {
    counter!(REASSERTED, "node" => node.to_owned()).increment(u64::from(times));
}

/// Whether a drain keeps a node out.
pub fn out(node: &str, is_out: bool) {
    gauge!(OUT, "node" => node.to_owned()).set(f64::from(u8::from(is_out)));
}

/// An instance was looked at; `at` is the time of its answer, in seconds since the epoch.
pub fn looked(route: &str, instance: &str, at: Option<f64>) {
    let labels = [("route", route.to_owned()), ("instance", instance.to_owned())];
    match at {
        Some(at) => gauge!(SEEN, &labels).set(at),
        None => counter!(FAILED, &labels).increment(1),
    }
}

//! What the coordinator exports. The catalogue is [`table`]; here are functions with typed arguments, so that whoever
//! sees something reports it without knowing a metric's name. They do nothing where nobody serves metrics.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

use crate::{journal::Drift, model::RouteTarget};

mod health;
mod metric;
mod reference;
mod table;
mod words;

pub use health::{blind, fail_open, guard_action, out_of_order, probed, readiness, turned};
pub use metric::{Kind, Metric};
pub use reference::reference;
pub use table::{SECTIONS, all};
pub use words::{Guarded, Outcome, Reason, SETS, Source};

/// Serves `/metrics` on this address, for as long as the runtime lives. Fails where it cannot be bound.
pub fn serve(address: SocketAddr) -> Result<(), BuildError> {
    exporter()?.with_http_listener(address).install()?;
    described();
    Ok(())
}

/// An exporter that knows the buckets of every histogram.
fn exporter() -> Result<PrometheusBuilder, BuildError> {
    all().try_fold(PrometheusBuilder::new(), |builder, metric| metric.buckets(builder))
}

/// Says what every metric is, and which version this is.
fn described() {
    all().for_each(Metric::describe);
    table::BUILD.flag(&[env!("CARGO_PKG_VERSION")], true);
}

/// A drift was seen.
pub fn drifted(target: &RouteTarget, drift: Drift) {
    let kind = drift.to_string();
    table::DRIFT.add(&[target.route.as_str(), target.instance.as_str(), &target.server, &kind], 1);
}

/// Requests reached a drained member.
pub fn drained_requests(target: &RouteTarget, requests: u64) {
    table::DRAINED_REQUESTS.add(&[target.route.as_str(), target.instance.as_str(), &target.server], requests);
}

/// Drained members of a node were set again.
pub fn reasserted(node: &str, times: u32) {
    table::REASSERTED.add(&[node], times.into());
}

/// Whether a drain keeps a node out.
pub fn out(node: &str, is_out: bool) {
    table::OUT.flag(&[node], is_out);
}

/// An instance was looked at; `at` is the time of its answer, in seconds since the epoch.
pub fn looked(route: &str, instance: &str, at: Option<f64>) {
    let labels = [Source::Route.word(), route, instance, ""];
    match at {
        Some(at) => table::SEEN.set(&labels, at),
        None => table::FAILED.add(&labels, 1),
    }
}

#[cfg(test)]
mod tests;

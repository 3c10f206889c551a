//! What the coordinator exports. The catalogue is [`table`]; here are functions with typed arguments, so that whoever
//! sees something reports it without knowing a metric's name. They do nothing where nobody serves metrics.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder};

use crate::{journal::Drift, model::RouteTarget};

mod health;
mod metric;
mod process;
mod reference;
mod runs;
mod table;
mod traffic;
mod words;

pub use health::{blind, fail_open, guard_action, out_of_order, probed, readiness, turned};
pub use metric::{Kind, Metric};
pub use process::process;
pub use reference::reference;
pub use runs::{Doing, Open, baseline, done, drill, ended, none_open, open, standby, stepped};
pub use table::{SECTIONS, all};
pub use traffic::{counted, judged, limit, member, sockets};
pub use words::{DrillEnding, DrillKind, Failure, Guarded, Outcome, Reason, RunEnding, RunStatus, Source, Step, Wait};

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
    looked_at(&[Source::Route.word(), route, instance, ""], at);
}

/// Something that is no route was looked at: the cluster (with no node), or something on a node.
pub fn saw(source: Source, node: &str, at: Option<f64>) {
    looked_at(&[source.word(), "", "", node], at);
}

fn looked_at(labels: &[&str], at: Option<f64>) {
    match at {
        Some(at) => table::SEEN.set(labels, at),
        None => table::FAILED.add(labels, 1),
    }
}

/// A time as metrics tell it: seconds since the epoch.
pub fn seconds(at: jiff::Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit for 285,000 years")]
    let milliseconds = at.as_millisecond() as f64;
    milliseconds / 1000.0
}

#[cfg(test)]
mod tests;

//! Traffic: what instances of routes count, what nodes hold, and how shares are judged.

use super::{table, words::Failure};
use crate::{
    model::{MemberView, topology::RouteShape},
    traffic::share::{Counted, Judged},
};

/// An instance counted something for a node.
pub fn counted(new: &Counted) {
    let labels = [new.entrypoint.as_str(), new.route.as_str(), new.instance.as_str(), new.node.as_str()];
    let counters = &new.grown.counted;
    for (metric, grown) in [(&table::REQUESTS, counters.requests), (&table::CONNECTIONS, counters.connections)] {
        if let Some(grown) = grown {
            metric.add(&labels, grown);
        }
    }
    for (kind, grown) in [
        (Failure::Connect, counters.connect_failures),
        (Failure::Lost, counters.lost_answers),
        (Failure::Status, counters.answers_5xx),
        (Failure::Any, counters.failed_requests),
    ] {
        if let Some(grown) = grown {
            let [entrypoint, route, instance, node] = labels;
            table::ERRORS.add(&[entrypoint, route, instance, node, kind.word()], grown);
        }
    }
}

/// How a node is as a member of a route now; `None` where the instance did not answer, so nothing is known of it.
pub fn member(route: &RouteShape, instance: &str, node: &str, seen: Option<&MemberView>) {
    let labels = [route.entrypoint.as_str(), route.id.as_str(), instance, node];
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    table::SERVING.set(&labels, number(seen.map(|m| f64::from(u8::from(m.takes_clients())))));
    if seen.is_none_or(|m| m.counters.traffic().is_some()) {
        #[expect(clippy::cast_precision_loss, reason = "a number of sessions")]
        table::SESSIONS.set(&labels, number(seen.map(|m| m.sessions as f64)));
    }
    if let Some(latency) = seen.and_then(|m| m.counters.latency) {
        table::LATENCY.set(&labels, latency.as_secs_f64());
    }
}

/// Established connections to a service on a node; `None` where the node did not answer.
pub fn sockets(node: &str, service: &str, open: Option<usize>) {
    #[expect(clippy::cast_precision_loss, reason = "a number of connections")]
    table::NODE_CONNECTIONS.set(&[node, service], open.map_or(f64::NAN, |open| open as f64));
}

/// The shares of an entrypoint over a window.
pub fn judged(judged: &Judged) {
    let (entrypoint, window) = (judged.entrypoint.as_str(), judged.window.word());
    for (node, share) in &judged.shares {
        let labels = [entrypoint, node.as_str(), window];
        table::SHARE.set(&labels, share.measured.unwrap_or(f64::NAN));
        table::EXPECTED.set(&labels, share.expected.unwrap_or(f64::NAN));
        table::SKEW.set(&labels, share.skew.unwrap_or(f64::NAN));
        table::SKEW_SURE.set(&labels, share.certain);
    }
    let labels = [entrypoint, if judged.outside { "hosts" } else { "nodes" }, window];
    table::SAMPLES.set(&labels, judged.verdict.samples);
    table::DISPERSION.set(&labels, judged.verdict.dispersion);
    table::SKEW_P.set(&labels, judged.verdict.likelihood);
}

/// `objective.max-skew` of an entrypoint's service.
pub fn limit(entrypoint: &str, limit: f64) {
    table::SKEW_LIMIT.set(&[entrypoint], limit);
}

//! What an instance of a route counts of a member, as far as that kind of route counts.
//!
//! HAProxy counts all of it for each server. Envoy tells failed requests from failed connections, and no times. NGINX
//! (open source), name servers and routers count nothing for a member: there the node's own sockets are all there is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Counters of one member since the process began. `None` is not 0: it is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests sent to it (layer 7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Connections opened to it, those that failed included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// Times that the load balancer chose it: once a request, but only once for all the requests of a client that is
    /// bound to it. Where it is fewer than requests, requests are not independent of each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<u64>,
    /// Connections to it that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_failures: Option<u64>,
    /// Answers that did not come, or broke off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_answers: Option<u64>,
    /// Its own answers of status 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_5xx: Option<u64>,
    /// Failed requests of every kind, where those are not told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_requests: Option<u64>,
    /// Mean time to its answer over the latest requests, at the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Duration>,
}

impl Counters {
    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What shares are measured on: requests, or connections where the route sees no requests.
    pub fn traffic(&self) -> Option<u64> {
        self.requests.or(self.connections)
    }
}

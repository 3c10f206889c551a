//! What to send, how, and for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Authorities, Lookup, Nodes, Target};

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// Where to: in turn, one request each.
    pub targets: Vec<Target>,
    /// Requests a second, over all targets.
    pub rate_per_s: u32,
    /// For how long requests are sent; answers are awaited for at most `timeout` longer.
    pub duration: Duration,
    /// Share of requests on connections that are kept, in percent; the others open a connection of their own.
    pub keep_alive_share: u8,
    /// A kept connection older than this gets no further request; none: as long as it lives.
    pub max_connection_age: Option<Duration>,
    /// When the target's name is looked up.
    pub lookup: Lookup,
    /// Some requests that take their time.
    pub slow: Option<Slow>,
    /// Time limit of one request, connecting included.
    pub timeout: Duration,
    /// Most requests under way at once; later ones wait their turn, their latency counting from their own time.
    pub max_in_flight: usize,
    /// How the protocols are spoken.
    #[serde(default)]
    pub manner: Manner,
    /// Nodes behind addresses, for answers that do not name theirs and for failures.
    #[serde(default)]
    pub nodes: Nodes,
}

/// Requests that take their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// Every so many requests one is slow.
    pub every: u32,
    /// The path that it asks for.
    pub path: String,
}

/// How the protocols are spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manner {
    /// The Host header and the name that TLS asks for; none: as the target's URL says.
    pub host: Option<String>,
    /// Whose certificates are believed; none: those that the system believes.
    pub authorities: Option<Authorities>,
    /// HTTP/2: requests under way on one kept connection at once; when all are that full, another is opened.
    pub streams: u32,
    /// WebSocket: connections that are held for each target, and opened again when the far end ends one.
    pub held: u32,
    /// What is sent in place of a request: by WebSocket `ping` where there is none, by TCP nothing.
    pub message: Option<String>,
    /// What an answer has to hold, by WebSocket and TCP. Without it every message is an answer by WebSocket; by TCP any
    /// bytes where something was sent, and being connected where nothing was.
    pub expect: Option<String>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { host: None, authorities: None, streams: 100, held: 10, message: None, expect: None }
    }
}

impl LoadPlan {
    /// Half of the requests on kept connections, names looked up for each connection, five seconds for an answer.
    pub fn new(targets: Vec<Target>, rate_per_s: u32, duration: Duration) -> Self {
        Self {
            targets,
            rate_per_s,
            duration,
            keep_alive_share: 50,
            max_connection_age: None,
            lookup: Lookup::Each,
            slow: None,
            timeout: Duration::from_secs(5),
            max_in_flight: 512,
            manner: Manner::default(),
            nodes: Nodes::default(),
        }
    }

    /// Requests in all.
    pub fn total(&self) -> u64 {
        (f64::from(self.rate_per_s) * self.duration.as_secs_f64()).floor() as u64
    }

    /// When request `number` (from 0) is to be sent, from the start on.
    pub(super) fn offset(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(self.rate_per_s.max(1)))
    }
}

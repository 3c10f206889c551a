//! What a load balancer's own configuration says of the way to one route's members, in words that every kind of load
//! balancer shares. The review reads it; no drain hangs on it.
//!
//! A field that is `None` is not known, and `lacks` says why. That is never the same as "not configured".

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

/// One load balancer's configuration for one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalancerView {
    /// Whether it sees requests or connections.
    pub layer: Option<Layer>,
    /// How it checks the members; the weakest check of all members.
    pub check: Option<Check>,
    /// How soon it notices a failure; that of the slowest member.
    pub pace: Option<Pace>,
    /// The ways in which it tells every member who the client is.
    pub tells: Option<BTreeSet<Identity>>,
    /// Whether a listener that leads here expects the PROXY protocol from who connects.
    pub accepts_proxy: Option<bool>,
    /// Whether a listener that leads here speaks TLS with clients.
    pub front_tls: Option<bool>,
    /// Whether it speaks TLS with the members.
    pub back_tls: Option<BackTls>,
    /// How clients are bound to a member.
    pub sticky: Option<Sticky>,
    /// How long it lets a connection live on which nothing is said.
    pub quiet: Option<Duration>,
    /// Why the rest is not known; empty where everything is.
    pub lacks: String,
}

/// What a load balancer distributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Connections (layer 4).
    Connections,
    /// Requests (layer 7).
    Requests,
}

/// How members are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Not at all.
    None,
    /// By what happens to clients.
    Passive,
    /// A port that opens.
    Port,
    /// A TLS handshake.
    Handshake,
    /// A request.
    Request {
        /// What is asked for, where that is known.
        path: Option<String>,
        /// The port, where it is another than that which clients are sent to.
        port: Option<u16>,
        /// The statuses that pass, where they are known.
        passes: Option<Vec<RangeInclusive<u16>>>,
    },
    /// Something else, in its own word.
    Other(String),
}

/// By what checks take a member out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two checks.
    pub interval: Duration,
    /// Between two checks once one has failed.
    pub after_failure: Duration,
    /// Failures in a row that take it out.
    pub failures: u32,
    /// Time that one check may take.
    pub timeout: Duration,
}

impl Pace {
    /// The longest time from a failure until clients are sent elsewhere.
    pub fn longest(&self) -> Duration {
        self.interval + self.after_failure * self.failures.saturating_sub(1) + self.timeout
    }
}

/// A way in which a service learns who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// The PROXY protocol.
    ProxyProtocol,
}

/// TLS towards the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackTls {
    /// None.
    Clear,
    /// TLS, and nobody looks whose certificate it is.
    Unverified,
    /// TLS with a certificate that is verified.
    Verified,
}

/// How clients are bound to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// They are not.
    No,
    /// By a cookie.
    Cookie,
    /// By their address.
    SourceIp,
    /// By a consistent hash.
    ConsistentHash,
}

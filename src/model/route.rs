//! What one instance of a route says of its members, in words that every kind of route shares.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Counters, Exact};

/// Whether new clients are sent to a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// New clients are sent there, as far as weight and health allow.
    Serving,
    /// No new clients; those that are there may finish (and persistent ones may come back).
    Draining,
    /// Nothing is sent there and nothing is checked.
    #[default]
    Out,
}

/// What the route's own health checks say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "health", rename_all = "kebab-case")]
pub enum Health {
    /// Its checks pass.
    Passing,
    /// Its checks fail, or have not passed since they were reset.
    Failing {
        /// What the check saw.
        reason: String,
    },
    /// The route checks nothing.
    #[default]
    Unchecked,
}

/// One member (server, record, announcer) as one instance of the route sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// Whether new clients are sent there.
    pub admission: Admission,
    /// The route's own opinion of its health.
    pub health: Health,
    /// Whether the route sends clients there although its checks do not pass: too few have failed yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub still_chosen: bool,
    /// Its weight now.
    pub weight: u32,
    /// Client sessions on it now, those of replaced processes included.
    pub sessions: u64,
    /// Connections that the route keeps open to it without any client: an idle pool, no traffic.
    pub idle: u64,
    /// Requests (or connections, for layer 4) sent to it since the process began.
    pub requests_total: u64,
    /// Failed connections and responses since the process began.
    pub errors_total: u64,
    /// What else is counted of it.
    #[serde(default, skip_serializing_if = "Counters::is_empty")]
    pub counters: Counters,
    /// The weight by which it is chosen at this moment, where that is not `weight`: during a load balancer's slow start,
    /// or 0 for a server that only stands by for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_weight: Option<u32>,
    /// The weight that its configuration gives it, where the route tells both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configured_weight: Option<u32>,
    /// How long ago its health or admission changed, where the route tells; whole seconds.
    pub since_change: Option<Duration>,
    /// How long clients may still come after it is drained, because they remember an answer: a record's TTL.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub linger: Duration,
    /// Whether clients that are bound to it (by a cookie, by their address) may still come while it drains.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admits_bound: bool,
    /// Why the route would not be drained of it, though it could: a panic threshold, for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuses_drain: Option<String>,
    /// The state to put back.
    pub exact: Exact,
}

impl MemberView {
    /// Whether the route lets new clients in, healthy or not.
    pub fn is_admitted(&self) -> bool {
        self.admission == Admission::Serving
    }

    /// Whether a new client could be sent there now.
    pub fn takes_clients(&self) -> bool {
        self.admission == Admission::Serving && self.weight > 0 && !matches!(self.health, Health::Failing { .. })
    }

    /// Whether new clients may still be sent there, healthy or not: checks that began to fail have not taken it out yet.
    pub fn gets_clients(&self) -> bool {
        self.takes_clients() || self.admission == Admission::Serving && self.weight > 0 && self.still_chosen
    }

    /// Its part of new clients, in the same measure as that of its instance's other members; 0 where none are sent.
    pub fn chosen_by(&self) -> u32 {
        if self.takes_clients() { self.effective_weight.unwrap_or(self.weight) } else { 0 }
    }

    /// Whether nobody new comes any more, clients that are bound to it included.
    pub fn is_closed(&self) -> bool {
        match self.admission {
            Admission::Serving => false,
            Admission::Draining => !self.admits_bound,
            Admission::Out => true,
        }
    }
}

/// A router's session with a member, as the router has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Whether it is on: it stands, or waits for the other side.
    pub open: bool,
    /// Whether it was Tidegate that closed it.
    pub ours: bool,
    /// The state to put back.
    pub exact: Exact,
}

/// One instance of a route: a load balancer process, a server of a zone, a router.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// Changes when the process behind it was replaced (a restart or a reload): its counters began again.
    pub generation: String,
    /// What it is at, for people: a zone's serial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Members by the route's own names for them.
    pub members: BTreeMap<String, MemberView>,
    /// Things that an operator should know of this instance.
    pub warnings: Vec<String>,
}

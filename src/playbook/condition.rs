//! What must hold: of the node, of the traffic, of anything that Prometheus or a program knows. What cannot be found out
//! does not hold.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{EntrypointName, ServiceName};

/// One condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What is looked at.
    pub what: What,
    /// The longest that finding out may take.
    pub timeout: Duration,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// `/ready` of the step's node answers well.
    Ready {
        /// Of this service; of all where there is none.
        service: Option<ServiceName>,
    },
    /// At least so many nodes are ready.
    ReadyNodes {
        /// The service; all where there is none.
        service: Option<ServiceName>,
        /// How many.
        at_least: u32,
    },
    /// The step's node is online in the cluster, and the cluster has quorum.
    Member,
    /// A URL answers with this status.
    Http {
        /// `http://` or `https://`.
        url: String,
        /// The status codes that are good, as `200` or `200-299,304`.
        status: String,
    },
    /// A program exits with 0.
    Command {
        /// The program and its arguments; no shell reads them.
        command: Vec<String>,
        /// Where it runs.
        on: super::model::Where,
        /// A text that its output must hold.
        says: Option<String>,
    },
    /// An instant query of the configured Prometheus gives values, and each is within.
    Prometheus {
        /// PromQL.
        query: String,
        /// Within what.
        #[serde(flatten)]
        bounds: Bounds,
    },
    /// The largest measured share against the expected one is at most this.
    Skew {
        /// Of this entrypoint; of all where there is none.
        entrypoint: Option<EntrypointName>,
        /// How much.
        at_most: f64,
        /// Measured for so long.
        over: Duration,
    },
    /// The share of requests that fail is at most this.
    ErrorRatio {
        /// Of this entrypoint; of all where there is none.
        entrypoint: Option<EntrypointName>,
        /// How much.
        at_most: f64,
        /// Measured for so long.
        over: Duration,
    },
    /// Requests to a URL are answered in time: the 99th percentile of some.
    Latency {
        /// `http://` or `https://`.
        url: String,
        /// How long.
        at_most: Duration,
        /// How many requests are sent, one after the other.
        requests: u32,
    },
}

/// Limits of a value. A tolerance widens both, as a share of the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Not below.
    pub at_least: Option<f64>,
    /// Not above.
    pub at_most: Option<f64>,
    /// By how much it may be missed: 0.1 is a tenth of the limit.
    pub tolerance: f64,
}

impl Bounds {
    /// Whether a value is within. What is no number is not.
    pub fn holds(&self, value: f64) -> bool {
        let slack = |limit: f64| limit.abs() * self.tolerance;
        value.is_finite()
            && self.at_least.is_none_or(|least| value >= least - slack(least))
            && self.at_most.is_none_or(|most| value <= most + slack(most))
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("any number"),
        }?;
        if self.tolerance > 0.0 { write!(f, " (missed by at most {:.0} %)", self.tolerance * 100.0) } else { Ok(()) }
    }
}

//! What an unplanned drill broke, and how soon that was noticed and mended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A fault as it was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultSeen {
    /// Its word, as the playbook has it: `unit-killed`.
    pub word: String,
    /// Where: a node, or a host.
    pub place: String,
    /// When it was done.
    pub at: Timestamp,
    /// When it was undone or over; `None` where that was not seen.
    pub ended_at: Option<Timestamp>,
    /// What undid it: `the drill`, or `its timer`.
    pub ended_by: Option<String>,
    /// From the fault to the first route that knew, or the first look that a broken instance did not answer; `None` where
    /// nobody was seen to know.
    pub detection: Took,
    /// From the fault to the last route that sent nobody there any more.
    pub removal: Took,
    /// From the end of the fault until everybody sent clients to whom they had sent them before.
    pub recovery: Took,
}

/// A time that was measured, and what was seen first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// Seconds; `None` where it was not seen.
    pub seconds: Option<f64>,
    /// The limit in seconds, where there is one.
    pub limit: Option<f64>,
    /// What showed it: `web/haproxy:app at lb-01 says DOWN`.
    pub seen: Option<String>,
}

impl Took {
    /// A time and its limit.
    pub fn of(seconds: Option<f64>, limit: Option<f64>, seen: Option<String>) -> Self {
        Self { seconds: seconds.filter(|s| s.is_finite()), limit, seen }
    }

    /// Whether it was soon enough; `None` where it has no limit or was not seen.
    pub fn met(&self) -> Option<bool> {
        Some(self.seconds? <= self.limit?)
    }
}

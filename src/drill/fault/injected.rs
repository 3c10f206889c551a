//! A fault that is planned to the last word: what is run where to begin it, to end it, and to see whether it is there. It
//! is written to the journal before anything happens, so that whoever comes after a crash can end it without a guess.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::playbook::{Fault, Place};

/// One playing of a fault, by a name that no other has: part of the names of its units and of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(String);

/// A fault with all that injecting, finding and undoing it need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Injected {
    /// Its name.
    pub id: FaultId,
    /// What.
    pub fault: Fault,
    /// Where.
    pub place: Place,
    /// Where its commands run and its timer is: the machine itself, or another member where the machine dies of it.
    pub seat: Place,
    /// That machine as the way there knows it, for people.
    pub host: String,
    /// How long it lasts when nobody ends it early.
    pub lasts: Duration,
    /// When the timer ends it at the latest, as was expected when this was made.
    pub deadline: Timestamp,
    /// The dead man's timer.
    pub timer: String,
    /// The boot that it belongs to: a machine that restarted has no fault of before, but those that outlive a boot.
    pub boot: String,
    /// Whether commands run through `sudo -n`.
    pub sudo: bool,
    /// The program that begins it, with its arguments.
    pub begin: Vec<String>,
    /// The program that ends it. Run twice it does no harm.
    pub undo: Vec<String>,
    /// The program that says how far it came.
    pub there: Vec<String>,
    /// How much longer than any exchange its begin may take.
    pub begins_within: Duration,
    /// How much longer its end may take: what the cluster needs to have a service back, or a fence device.
    pub ends_within: Duration,
}

/// Whether a fault is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "why", rename_all = "kebab-case")]
pub enum FaultState {
    /// It was begun, and is not undone.
    Active,
    /// It was begun, and is gone; or its timer ended what was never begun.
    Undone,
    /// Nothing was ever done, and no timer waits.
    NeverBegun,
    /// Nobody knows, and why.
    Unknown(String),
}

impl FaultId {
    /// A new one: from the time, with something random behind it.
    pub fn new(now: Timestamp) -> Self {
        Self(format!("{:x}-{:04x}", now.as_millisecond(), fastrand::u16(..)))
    }

    /// As text: letters of hexadecimal numbers and one `-`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Injected {
    /// What ends it by hand, on [`Self::host`], for people.
    pub fn by_hand(&self) -> String {
        format!("sh /run/tidegate/faults/{}/undo", self.id)
    }

    /// Whether the way to the machine goes with the fault: then only the timer ends it before its time is over.
    pub fn cuts_way(&self) -> bool {
        matches!(self.fault, Fault::LinkCut { .. } | Fault::OneWayPartition)
    }
}

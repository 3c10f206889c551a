//! A unit's files on one node: what systemd would start there, and whether it would at boot.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A unit on one node, as its files and systemd say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFile {
    /// Whether the unit exists: systemd lists a file for it.
    pub exists: bool,
    /// `LoadState`: loaded, masked, not-found, bad-setting, …
    pub load: String,
    /// `ActiveState`.
    pub active: String,
    /// Whether it starts at boot.
    pub enablement: Enablement,
    /// Its file and its drop-ins, in the order of their names; what Pacemaker puts there itself is not among them.
    pub parts: Vec<Part>,
    /// Files were changed, and systemd has not read them yet.
    pub stale: bool,
    /// How long systemd lets a start take; `None` is for ever.
    pub start_timeout: Option<Duration>,
    /// How long systemd lets a stop take; `None` is for ever.
    pub stop_timeout: Option<Duration>,
}

/// One file of a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Its path on that node.
    pub path: String,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

impl Part {
    /// The last part of the path: a drop-in counts by its name, wherever it is.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Whether a unit starts at boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Enablement(pub String);

impl Enablement {
    /// systemd's `UnitFileState`.
    pub fn new(state: impl Into<String>) -> Self {
        Self(state.into())
    }

    /// Whether systemd starts it by itself.
    pub fn at_boot(&self) -> bool {
        matches!(self.0.as_str(), "enabled" | "enabled-runtime")
    }

    /// Whether it is enabled only until the next boot.
    pub fn is_runtime(&self) -> bool {
        self.0.ends_with("-runtime")
    }
}

impl fmt::Display for Enablement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl UnitFile {
    /// Whether it runs, or is on its way to or from running.
    pub fn runs(&self) -> bool {
        !matches!(self.active.as_str(), "inactive" | "failed")
    }

    /// The content, whatever the paths: two nodes that have the same run the same.
    pub fn content(&self) -> Vec<(&str, &str)> {
        self.parts.iter().map(|p| (p.name(), p.sha256.as_str())).collect()
    }
}

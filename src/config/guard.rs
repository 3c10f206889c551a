//! `[guard]`: what the coordinator may do by itself when something is lost.

use serde::{Deserialize, Serialize};

use super::reader::Reader;

/// `[guard]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// What it may do.
    pub mode: Mode,
    /// Changes of routes within a minute, over all of them.
    pub max_changes: u32,
}

/// What the guard may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing, not even look.
    Off,
    /// Look, and say what it would do.
    #[default]
    Observe,
    /// Do it.
    Act,
}

impl Default for Guard {
    fn default() -> Self {
        Self { mode: Mode::default(), max_changes: 20 }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Act => "act",
        })
    }
}

pub(super) fn guard(r: &Reader<'_>) -> Option<Guard> {
    Some(Guard { mode: r.choice("mode")?, max_changes: r.integer("max-changes")? })
}

//! Cluster managers: one file a kind.

pub mod pacemaker;

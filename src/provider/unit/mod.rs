//! Unit managers, one file a kind; and what units are made of on a node's disk.

pub mod files;
pub mod systemd;

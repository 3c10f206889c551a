//! Unit managers: one file a kind.

pub mod systemd;

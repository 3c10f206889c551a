//! Readiness: probes and thresholds.

pub mod judge;
pub mod probe;

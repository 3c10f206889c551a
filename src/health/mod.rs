//! Readiness: probes and thresholds.

pub mod probe;

//! Readiness: probes and thresholds.

pub mod damping;
pub mod failure;
pub mod judge;
pub mod probe;

pub use damping::Damping;
pub use failure::{Failure, Kind};
pub use judge::{Judge, Rules, State, Verdict};

//! Readiness: probes, the judge of their answers, and the engine that probes thousands of targets.

pub mod damping;
pub mod engine;
pub mod failure;
pub mod judge;
pub mod probe;
pub mod prober;
pub mod target;

pub use damping::Damping;
pub use engine::{Engine, Handle};
pub use failure::{Failure, Kind};
pub use judge::{Judge, Rules, State, Verdict};
pub use target::{Report, Target};

//! The coordinator: what runs all the time, beside the runs that people ask for.

pub mod guard;
pub mod metrics;
pub mod runs;
pub mod sampler;
pub mod sentinel;
pub mod sole;
pub mod watch;

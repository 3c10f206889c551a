//! The coordinator: what runs all the time, beside the runs that people ask for.

pub mod guard;
pub mod metrics;
pub mod sentinel;
pub mod sole;
pub mod watch;

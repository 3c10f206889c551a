//! The coordinator: what runs all the time, beside the runs that people ask for.

pub mod metrics;
pub mod sentinel;

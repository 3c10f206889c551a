//! Drills and the load that measures them.

pub mod load;

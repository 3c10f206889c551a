//! Drills: what is expected, the load that measures it, what is broken, and the evidence.

pub mod detect;
pub mod fault;
pub mod load;
pub mod objective;
pub mod watch;

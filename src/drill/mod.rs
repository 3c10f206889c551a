//! Drills: what is expected, the load that measures it, what is broken, and the evidence.

pub mod abort;
mod alarms;
pub mod breaking;
pub mod detect;
pub mod evidence;
pub mod fault;
pub mod load;
pub mod meter;
pub mod objective;
pub mod report;
mod skew;
mod unmeasured;
pub mod watch;

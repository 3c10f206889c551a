//! Runs: one execution of a plan. `state` folds the journal, `decide` says what comes next, `waiting` names what
//! is missing (all pure); `executor` looks, writes, acts and looks again.

pub mod attempt;
pub mod connected;
pub mod decide;
pub mod drift;
pub mod effects;
pub mod executor;
pub mod gate;
pub mod lasting;
mod listings;
pub mod look;
pub mod observer;
pub mod outlook;
pub mod proof;
pub mod state;
pub mod streaks;
pub mod waiting;
pub mod wants;

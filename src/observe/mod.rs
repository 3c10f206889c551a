//! What people see of runs: events in words, live progress. All of it derives from the journal's events and from
//! observations; nothing here decides anything.

pub mod drills;
pub mod progress;
pub mod trends;
pub mod words;

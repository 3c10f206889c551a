//! The evidence of one run, play or drill, and how it is shown: one value, three renderings, the same for all.
//!
//! An auditor who was not there reads it a year later. So it says what was expected and what came out beside each other,
//! keeps every failure that it has room for and says how many more there were, and calls what nobody measured "not
//! known". Nothing here asks or measures: whoever played it fills an [`Evidence`] and seals it ([`Evidence::seal`]); a run
//! of the journal makes its own ([`of_run`]).

mod chart;
mod charts;
mod evidence;
mod fault;
mod html;
mod json;
mod markdown;
mod objectives;
mod phases;
mod run;
mod seal;
mod section;
mod sections;
mod spark;
mod thin;
mod traffic;
mod words;

pub use evidence::{
    Configuration, Evidence, FORMAT, Kind, MAX_LINES, Objective, Outcome, Relation, Remark, RemarkKind, Residual,
    Verdict, Versions,
};
pub use fault::{FaultSeen, Took};
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use objectives::{Measured, against, judge};
pub use phases::{Acknowledgement, Phase};
pub use run::{guard_remarks, of_run};
pub use seal::{Chain, Mismatch, Signature};
pub use spark::sparkline;
pub use traffic::{
    FailedRequest, MAX_FAILURES, Percentiles, ReadyNodes, Sample, Series, SkewSeen, Tick, Traffic, connections,
};

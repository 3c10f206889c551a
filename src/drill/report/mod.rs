//! The evidence of one run, play or drill, and how it is shown: one value, three renderings, the same for all.
//!
//! An auditor who was not there reads it a year later. So it says what was expected and what came out beside each other,
//! keeps every failure that it has room for and says how many more there were, and calls what nobody measured "not
//! known". Nothing here asks or measures: whoever played it fills an [`Evidence`] and seals it ([`Evidence::seal`]); a run
//! of the journal makes its own ([`of_run`]).

mod evidence;
mod fault;
mod objectives;
mod phases;
mod seal;
mod traffic;

pub use evidence::{
    Configuration, Evidence, FORMAT, Kind, MAX_LINES, Objective, Outcome, Relation, Remark, RemarkKind, Residual,
    Verdict, Versions,
};
pub use fault::{FaultSeen, Took};
pub use objectives::{Measured, against, judge};
pub use phases::{Acknowledgement, Phase};
pub use seal::{Chain, Mismatch, Signature};
pub use traffic::{FailedRequest, MAX_FAILURES, Percentiles, ReadyNodes, Sample, Series, SkewSeen, Tick, Traffic};

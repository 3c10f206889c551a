//! The clone manager's decisions: what the cluster should run of a service, what it runs, and the smallest changes from
//! the one to the other.
//!
//! A service's clone is *declared* by its table in the configuration and by the unit itself, whose own time-outs bound
//! those of the cluster's operations. What the cluster's configuration says is *found*. The difference is a list of
//! changes, each of one value, with what it leads away from: so a change is only made where that is still there, and
//! its inverse is exact. Attributes that Tidegate does not declare are a person's, and stay.
//!
//! Creating a clone is one change however much it writes, because a clone that exists for a moment without its limits
//! would start at once, everywhere.

pub mod change;
pub mod constraint;
pub mod declaration;
pub mod diff;
pub mod found;
pub mod gates;
pub mod history;
pub mod place;
pub mod unit;

pub use change::Change;
pub use constraint::{Constraint, ConstraintKind};
pub use declaration::{Declaration, Timeout, Wanted};
pub use diff::diff;
pub use found::{Found, Setting};
pub use place::{Held, Place};
pub use unit::{Enablement, UnitFile};

//! Playbooks: what is done to nodes, in which order, and what has to hold before, between and after. A file is read
//! against one table of keys, as the configuration is; what comes out is a [`Playbook`] with nothing left to check.
//!
//! Nothing in a playbook can break the order of a drain: there is no standby but inside `drain`, and whatever disturbs a
//! node comes after its drain, or is a fault of a drill, which says so and asks. What comes next is a pure function of the
//! playbook and its journal ([`mod@next`]); `crate::play` carries it out.

mod check;
pub mod condition;
pub mod event;
pub mod fault;
mod file;
pub mod forecast;
mod keys;
mod load;
pub mod model;
pub mod next;
pub mod outline;
mod read;
mod reading;
mod reference;
mod schema;
pub mod state;
mod waves;
pub mod words;

pub use self::load::{checked, load, read};
pub use check::against;
pub use condition::{Condition, What};
pub use event::{Intent, Opening, Part, PlayEnding, PlayEvent, Spot};
pub use fault::{Fault, Place};
pub use model::{Action, Drill, OnFailure, Playbook, Selection, Step, Who};
pub use next::{Next, next};
pub use read::{Loaded, from_texts};
pub use reference::reference;
pub use schema::schema;
pub use state::{PlayState, SpotState};
pub use waves::{Attributes, waves};

//! Plans: immutable, complete, nothing left to choose when they run. Pure: a plan is a function of
//! (request, topology, observation, settings), and so is every refusal.

pub mod gates;
pub mod ledger;
pub mod planner;
pub mod render;
pub mod standin;
pub mod steps;

pub use steps::{Action, Plan, Purpose, Request, Step};

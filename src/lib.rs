//! Tidegate takes a node of an active-active service out of traffic, and brings it back, without losing a request.
//!
//! See `ARCHITECTURE.md` for the map. The flow is: configuration → settings; providers → observation;
//! (request, topology, observation, settings) → plan or every refusal; journal → run state → decision → effect.

pub mod cli;
pub mod clone;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod drill;
pub mod guard;
pub mod health;
pub mod journal;
pub mod model;
pub mod observe;
pub mod plan;
pub mod play;
pub mod playbook;
pub mod provider;
pub mod review;
pub mod run;
pub mod traffic;

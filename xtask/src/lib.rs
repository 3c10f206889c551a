//! What the tasks are made of; the tests of the lab and the benchmark use it too.

pub mod alerts;
pub mod bench;
pub mod cargo;
pub mod crash;
pub mod envoy;
pub mod harness;
pub mod lab;
pub mod packages;
pub mod plays;
pub mod routes;
pub mod test;
pub mod tidy;

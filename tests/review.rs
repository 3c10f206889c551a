//! The review's rules on values: a clean set-up gives no finding, and each planted fault gives exactly its own.

#[path = "review/clean.rs"]
mod clean;
#[path = "review/faults.rs"]
mod faults;
#[path = "review/page.rs"]
mod page;
#[path = "review/shipped.rs"]
mod shipped;
#[path = "review/unknown.rs"]
mod unknown;

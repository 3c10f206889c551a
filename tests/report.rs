//! Reports: every kind of evidence in every format, held by golden files, and opened in a real browser.
//!
//! The evidence is built here, with numbers that a lab run would have: what a report says must depend on nothing else.

#[path = "report/browser.rs"]
mod browser;
#[path = "report/devtools.rs"]
mod devtools;
#[path = "report/golden.rs"]
mod golden;
#[path = "report/hostile.rs"]
mod hostile;
#[path = "report/program.rs"]
mod program;
#[path = "report/runs.rs"]
mod runs;
#[path = "report/samples.rs"]
mod samples;
#[path = "report/sealed.rs"]
mod sealed;

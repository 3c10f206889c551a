//! The tests on a real cluster: two labs come up, each takes the next test from one queue, both go away, whatever
//! happened.
//!
//! Most of such a test is waiting (for a cluster to settle, for connections to end), so two at a time take little more
//! than half as long, even on two cores. They are `tests/lab`, and the lab's own in `xtask/tests/lab`, which boot labs
//! of their own and come last, when their worker's lab is gone. Each is marked `#[ignore]`, so that a plain `cargo test`
//! leaves it out and says so, and runs as a process of its own: one that hangs is ended without the others. `TIDEGATE_LAB`
//! tells it which lab is its own.

mod found;
mod order;
mod queue;
mod worker;

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use self::{found::Test, order::Times, queue::Queue};
use super::{Outcome, stages::Done};
use crate::lab;

/// The labs of the checks; one that a person has up has another name.
const PREFIXES: [&str; 2] = ["tgt", "tgu"];
/// Says whether this machine can have a lab.
const POSSIBLE: &str = include_str!("../../../files/lab-possible.sh");

pub(super) fn run(root: &Path, limit: Duration) -> Result<Done> {
    let started = Instant::now();
    let tests = found::all(root, limit)?;
    if let Err(why) = usable() {
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        names.iter().for_each(|name| eprintln!("xtask: did not run: {name}"));
        let why = format!("{why}; {} tests: {}", names.len(), names.join(", "));
        return Ok(Done::of(Outcome::NotRun(why)));
    }
    lab::prepare(true)?;
    let target = lab::target_folder()?;
    let mut times = Times::of_the_last_run(&target);
    let queue = Queue::new(times.longest_first(tests), started + limit);
    thread::scope(|scope| {
        for prefix in PREFIXES {
            let queue = &queue;
            scope.spawn(move || worker::work(prefix, queue));
        }
    });
    queue.passed(|test, took| times.took(test, took));
    times.keep(&target);
    // A closed stdout must not end the checks: the exit code still tells.
    let _ = io::stdout().lock().write_all(queue.times(started.elapsed()).as_bytes());
    Ok(queue.done())
}

/// Whether machines can be booted here; otherwise what is in the way.
fn usable() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("needs root".into());
    }
    let folder = std::env::var_os("TIDEGATE_LAB_STATE").unwrap_or_else(|| "/var/lib/tidegate-lab".into());
    let tried = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--propagation=private", "sh", "-c", POSSIBLE, "lab-possible.sh"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("needs util-linux's unshare: {error}"))?;
    if tried.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&tried.stderr);
    Err(format!("this machine cannot boot others: {}", said.trim().lines().last().unwrap_or("no reason given")))
}

//! The tests on a real cluster: the lab comes up, they run one after the other, the lab goes away, whatever happened.
//!
//! They are `tests/lab`, and the lab's own in `xtask/tests/lab.rs`, each marked `#[ignore]`, so that a plain `cargo
//! test` leaves them out and says so. `TIDEGATE_LAB` tells the former which lab is theirs.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    Outcome, child,
    stages::{ABOVE, Done},
};
use crate::lab::{Lab, Options};

/// The lab of the checks; one that a person has up has another name.
const PREFIX: &str = "tgt";
/// Says whether this machine can have a lab.
const POSSIBLE: &str = include_str!("../../files/lab-possible.sh");
/// Builds and runs them.
const THESE: [&str; 6] = ["test", "--locked", "--workspace", "--no-fail-fast", "--test", "lab"];

pub(super) fn run(root: &Path, limit: Duration) -> Result<Done> {
    if let Err(why) = usable() {
        let names = names(root)?;
        names.iter().for_each(|name| eprintln!("xtask: did not run: {name}"));
        let why = format!("{why}; {} tests: {}", names.len(), names.join(", "));
        return Ok(Done::of(Outcome::NotRun(why)));
    }
    let up = Lab::up(Options { prefix: PREFIX.into(), routes: true, ..Options::default() });
    let tests = up.and_then(|_| {
        let mut command = child::cargo(root, &THESE);
        command.args(["--", "--ignored", "--test-threads=1"]).env("TIDEGATE_LAB", PREFIX);
        child::run(&mut command, limit)
    });
    let down = Lab::down(PREFIX);
    let done = Done::ended(tests?, ABOVE);
    down.context("the lab could not be removed")?;
    Ok(done)
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

/// The names of the tests that need the lab.
fn names(root: &Path) -> Result<Vec<String>> {
    let output = child::cargo(root, &THESE)
        .args(["--", "--ignored", "--list", "--format=terse"])
        .stderr(Stdio::inherit())
        .output()
        .context("could not list the lab's tests")?;
    anyhow::ensure!(output.status.success(), "the lab's tests do not build");
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(listed).collect())
}

fn listed(line: &str) -> Option<String> {
    line.strip_suffix(": test").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_read_from_the_list() {
        assert_eq!(super::listed("drain::loses_nothing: test").as_deref(), Some("drain::loses_nothing"));
        assert_eq!(super::listed("3 tests, 0 benchmarks"), None);
    }
}

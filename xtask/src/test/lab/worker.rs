//! A worker: a lab of its own, and one test after the other on it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{
    super::{
        Tally,
        child::{self, How},
    },
    Test,
    queue::{Queue, Ran},
};
use crate::lab::{Lab, Options};

/// Several times what the longest test takes on a busy machine; what takes longer hangs.
const LIMIT: Duration = Duration::from_secs(6 * 60);
/// The same for a reset, which takes ten seconds and more where machines have to boot.
const RESET: Duration = Duration::from_secs(2 * 60);
/// The name of a worker whose lab is gone.
const NO_LAB: &str = "–";

/// Works until nothing is left in the queue. The lab is gone afterwards, also where a thread of this panics.
pub(super) fn work(prefix: &'static str, queue: &Queue) {
    let mut lab = Removed(Some(prefix));
    if let Err(error) = on_a_lab(prefix, queue) {
        eprintln!("xtask: the lab {prefix} cannot go on: {error:#}");
        queue.trouble(prefix, &error);
    }
    if let Err(error) = lab.remove() {
        queue.trouble(prefix, &error);
    }
    while let Some(test) = queue.next_own() {
        queue.ended(NO_LAB, run(&test, None, LIMIT.min(queue.left())));
    }
}

fn on_a_lab(prefix: &str, queue: &Queue) -> Result<()> {
    up(prefix)?;
    while let Some(test) = queue.next() {
        let ran = run(&test, Some(prefix), LIMIT.min(queue.left()));
        let (how, passed) = (ran.how, ran.passed);
        queue.ended(prefix, ran);
        let hangs = matches!(how, How::Late(_));
        // A test finds a clean lab because it begins with a reset. What a failed one broke may be more than that mends.
        if hangs || !passed && !is_reset(prefix) {
            eprintln!("xtask: the lab {prefix} is brought up anew");
            Lab::down(prefix)?;
            up(prefix)?;
        }
    }
    Ok(())
}

/// Brings it up; a second time where the first failed.
fn up(prefix: &str) -> Result<()> {
    let once = || Lab::up(Options { prefix: prefix.to_owned(), routes: true, ..Options::default() });
    if let Err(error) = once() {
        eprintln!("xtask: the lab {prefix} did not come up: {error:#}; once more");
        Lab::down(prefix)?;
        once()?;
    }
    Ok(())
}

/// Resets it by a process of its own, which is ended where it hangs.
fn is_reset(prefix: &str) -> bool {
    let reset = || -> Result<How> {
        // Cargo may have put another file in the place of this program's meanwhile.
        let mut command = Command::new("/proc/self/exe");
        Ok(child::run(command.args(["lab", "reset", "--prefix", prefix]), RESET)?.how)
    };
    match reset() {
        Ok(How::Well) => true,
        Ok(how) => {
            eprintln!("xtask: the lab {prefix} could not be reset: {how}");
            false
        }
        Err(error) => {
            eprintln!("xtask: the lab {prefix} could not be reset: {error:#}");
            false
        }
    }
}

fn run(test: &Test, lab: Option<&str>, limit: Duration) -> Ran {
    let started = Instant::now();
    let mut said = Vec::new();
    let (how, tests) = match child::run_into(&mut test.command(lab), limit, &mut said) {
        Ok(ended) => (ended.how, ended.tests),
        Err(error) => {
            said.extend(format!("{error:#}\n").bytes());
            (How::Badly, Tally::default())
        }
    };
    // A program that has no such test ends well, too.
    let passed = how == How::Well && tests == Tally { passed: 1, ..Tally::default() };
    Ran { name: test.name.clone(), how, passed, took: started.elapsed(), said }
}

/// Takes the lab down however its worker ends.
struct Removed(Option<&'static str>);

impl Removed {
    fn remove(&mut self) -> Result<()> {
        let Some(prefix) = self.0.take() else { return Ok(()) };
        Lab::down(prefix).with_context(|| format!("the lab {prefix} could not be removed"))
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("xtask: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_has_no_such_test_did_not_pass_it() {
        // This very program: none of its tests is `#[ignore]`d under that name.
        let program = std::env::current_exe().expect("this program");
        let test = Test { name: "no::such_test".into(), program, folder: "/".into(), own: true };
        let ran = run(&test, None, Duration::from_secs(60));
        let said = String::from_utf8_lossy(&ran.said).into_owned();
        assert!(ran.how == How::Well && !ran.passed && said.contains("0 passed"), "{said}");
    }
}

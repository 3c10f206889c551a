//! What each stage runs: always the whole workspace, with the same features, so that everything compiles once for the
//! checks and once for the tests.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Result;

use super::{
    Outcome, Stage, Tally,
    child::{self, Ended, How},
    lab,
};
use crate::{packages, tidy};

/// Everything, with the lock file as it is.
const WHOLE: [&str; 2] = ["--workspace", "--locked"];

/// More than any stage takes on two busy cores and an empty target folder; what takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// What a stage has to tell.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) tests: Tally,
    pub(super) untested: Option<String>,
}

impl Done {
    pub(super) fn of(outcome: Outcome) -> Self {
        Self { outcome, tests: Tally::default(), untested: None }
    }

    /// A program that ended well or not, with what a person can do about it.
    pub(super) fn ended(ended: Ended, hint: &str) -> Self {
        let outcome = match ended.how {
            How::Well => Outcome::Passed,
            How::Badly => Outcome::Failed(hint.to_owned()),
            How::Late(limit) => Outcome::Failed(format!("not over after {} min: it was ended", limit.as_secs() / 60)),
        };
        Self { outcome, tests: ended.tests, untested: None }
    }
}

pub(super) fn run(root: &Path, stage: Stage) -> Done {
    let result = match stage {
        Stage::Fmt => cargo(root, &["fmt", "--all", "--check"], &[], "`cargo fmt --all` mends it"),
        Stage::Clippy => with_whole(root, &["clippy", "--all-targets"], &["--", "-D", "warnings"]),
        Stage::Tidy => tidy(root),
        Stage::Deny => deny(root),
        Stage::Tests => tests(root),
        Stage::DocTests => with_whole(root, &["test", "--no-fail-fast", "--doc"], &[]),
        Stage::Docs => docs(root),
        Stage::Lab => lab::run(root, LIMIT),
    };
    result.unwrap_or_else(|error| Done::of(Outcome::Failed(format!("{error:#}"))))
}

/// Where a person finds what a child said.
pub(super) const ABOVE: &str = "see above";

fn with_whole(root: &Path, task: &[&str], last: &[&str]) -> Result<Done> {
    let arguments: Vec<&str> = task.iter().chain(&WHOLE).copied().collect();
    cargo(root, &arguments, last, ABOVE)
}

fn cargo(root: &Path, arguments: &[&str], last: &[&str], hint: &str) -> Result<Done> {
    Ok(Done::ended(child::run(child::cargo(root, arguments).args(last), LIMIT)?, hint))
}

fn tidy(root: &Path) -> Result<Done> {
    let findings = tidy::check(root)?;
    tidy::show(&findings);
    let errors = findings.iter().filter(|f| f.is_error()).count();
    Ok(Done::of(if errors == 0 { Outcome::Passed } else { Outcome::Failed(format!("{errors} findings, {ABOVE}")) }))
}

fn deny(root: &Path) -> Result<Done> {
    let there = child::cargo(root, &["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        let how = "cargo-deny is not installed (`cargo install cargo-deny --locked`, a few minutes)";
        return Ok(Done::of(Outcome::NotRun(how.into())));
    }
    let check = ["deny", "--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    cargo(root, &check, &[], ABOVE)
}

/// Tests that miss a program pass without having tested anything, so what is missing is said here.
fn tests(root: &Path) -> Result<Done> {
    let missing = packages::ensure(&packages::FOR_TESTS)?;
    let mut done = with_whole(root, &["test", "--no-fail-fast", "--tests"], &[])?;
    if !missing.is_empty() {
        let what: Vec<String> = missing.iter().map(|n| format!("{} ({})", n.program, n.why)).collect();
        let how = format!("apt-get install {}", packages::names(&missing));
        done.untested = Some(format!("without {}; as root: {how}", what.join(", ")));
    }
    Ok(done)
}

fn docs(root: &Path) -> Result<Done> {
    let arguments: Vec<&str> = ["doc", "--no-deps", "--document-private-items"].iter().chain(&WHOLE).copied().collect();
    let mut command = child::cargo(root, &arguments);
    // Private items are documented too, so links to them are no mistake.
    command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    Ok(Done::ended(child::run(&mut command, LIMIT)?, ABOVE))
}

//! What each stage runs: always the whole workspace, with the same features, so that everything compiles once for the
//! checks and once for the tests.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Result;

use super::{Outcome, Stage, Tally, child, lab};
use crate::{packages, tidy};

/// Everything, with the lock file as it is.
const WHOLE: [&str; 2] = ["--workspace", "--locked"];

/// No stage takes longer on two cores and an empty target folder, by far.
const LIMIT: Duration = Duration::from_secs(15 * 60);

pub(super) fn run(root: &Path, stage: Stage) -> (Outcome, Tally) {
    let result = match stage {
        Stage::Fmt => cargo(root, &["fmt", "--all", "--check"], &[], "cargo fmt --all mends it"),
        Stage::Clippy => with_whole(root, &["clippy", "--all-targets"], &["--", "-D", "warnings"]),
        Stage::Tidy => tidy(root),
        Stage::Deny => deny(root),
        Stage::Tests => tests(root),
        Stage::DocTests => with_whole(root, &["test", "--no-fail-fast", "--doc"], &[]),
        Stage::Docs => docs(root),
        Stage::Lab => lab::run(root, LIMIT),
    };
    result.unwrap_or_else(|error| (Outcome::Failed(format!("{error:#}")), Tally::default()))
}

fn with_whole(root: &Path, task: &[&str], last: &[&str]) -> Result<(Outcome, Tally)> {
    let arguments: Vec<&str> = task.iter().chain(&WHOLE).copied().collect();
    cargo(root, &arguments, last, "see above")
}

fn cargo(root: &Path, arguments: &[&str], last: &[&str], hint: &str) -> Result<(Outcome, Tally)> {
    let (ok, tests) = child::run(child::cargo(root, arguments).args(last), LIMIT)?;
    Ok((if ok { Outcome::Passed } else { Outcome::Failed(hint.to_owned()) }, tests))
}

fn tidy(root: &Path) -> Result<(Outcome, Tally)> {
    let findings = tidy::check(root)?;
    tidy::show(&findings);
    let errors = findings.iter().filter(|f| f.is_error()).count();
    let outcome = if errors == 0 { Outcome::Passed } else { Outcome::Failed(format!("{errors} findings, see above")) };
    Ok((outcome, Tally::default()))
}

fn deny(root: &Path) -> Result<(Outcome, Tally)> {
    let there = child::cargo(root, &["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        let how = "cargo-deny is not installed (`cargo install cargo-deny --locked`, a few minutes)";
        return Ok((Outcome::NotRun(how.into()), Tally::default()));
    }
    let check = ["deny", "--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    cargo(root, &check, &[], "see above")
}

fn tests(root: &Path) -> Result<(Outcome, Tally)> {
    let missing = packages::ensure(&packages::FOR_TESTS)?;
    for need in &missing {
        eprintln!("xtask: {} is missing ({}): {}", need.program, need.package, need.why);
    }
    let (outcome, tally) = with_whole(root, &["test", "--no-fail-fast", "--tests"], &[])?;
    let outcome = match outcome {
        Outcome::Failed(why) if !missing.is_empty() => {
            Outcome::Failed(format!("{why}; as root: apt-get install {}", packages::names(&missing)))
        }
        other => other,
    };
    Ok((outcome, tally))
}

fn docs(root: &Path) -> Result<(Outcome, Tally)> {
    let arguments: Vec<&str> = ["doc", "--no-deps", "--document-private-items"].iter().chain(&WHOLE).copied().collect();
    let (ok, tests) = child::run(child::cargo(root, &arguments).env("RUSTDOCFLAGS", "-D warnings"), LIMIT)?;
    Ok((if ok { Outcome::Passed } else { Outcome::Failed("see above".into()) }, tests))
}

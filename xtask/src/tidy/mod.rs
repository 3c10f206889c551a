//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows.
//!
//! A rule is one file here: a function from a file's path and text to findings. Nothing is built and no network is
//! used, so it is the check to run before every commit.

mod decisions;
mod dependencies;
mod layers;
mod links;
mod modules;
mod paths;
mod text;
mod tree;

use std::{fmt, path::Path};

use anyhow::Result;

pub use tree::File;

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the repository's root.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// Whether it must be mended.
    pub severity: Severity,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Whether a finding must be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It must.
    Error,
    /// It may stay.
    Warning,
}

impl Finding {
    fn error(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, severity: Severity::Error, what: what.into() }
    }

    fn warning(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, line, what) }
    }

    /// Whether it must be mended.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.is_error() { "" } else { "warning: " };
        write!(f, "{}:{}: {severity}{}", self.path, self.line, self.what)
    }
}

/// Every finding in the repository at `root`, by file and line.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let files = tree::read(root)?;
    let mut findings = links::check(&files);
    findings.extend(decisions::numbers(&files));
    findings.extend(dependencies::check(&files));
    for file in &files {
        findings.extend(text::check(file));
        findings.extend(decisions::check(file));
        if file.path.ends_with(".rs") {
            findings.extend(modules::check(file));
            findings.extend(layers::check(file));
        }
    }
    findings.sort();
    Ok(findings)
}

/// Tells every finding on stderr.
pub fn show(findings: &[Finding]) {
    findings.iter().for_each(|finding| eprintln!("{finding}"));
}

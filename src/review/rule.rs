//! What a rule is, and what it finds.

use serde::Serialize;

use super::Facts;

/// One point of the checklist.
#[derive(Debug)]
pub struct Rule {
    /// Its stable name, for configurations and scripts.
    pub code: &'static str,
    /// What it asks, in a few words.
    pub title: &'static str,
    /// Why a finding bites.
    pub why: &'static str,
    /// How a finding is mended.
    pub mend: &'static str,
    /// How bad a finding is.
    pub severity: Severity,
    /// What it looks at.
    pub needs: Needs,
    /// The look itself.
    pub(super) look: fn(&Facts<'_>, &mut Verdict),
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The configuration alone.
    Configuration,
    /// What was read from the real systems.
    Systems,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// What is promised, or said to be so, is not so.
    Problem,
    /// It works, and will bite on some day.
    Warn,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub code: &'static str,
    /// The service, entrypoint, route, instance or node, as acceptances name it.
    pub about: String,
    /// What is so.
    pub what: String,
    /// Why it bites.
    pub why: &'static str,
    /// How to mend it.
    pub mend: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it is known; else `what` says why nobody could look.
    pub known: bool,
}

/// What one rule says while it looks.
pub(super) struct Verdict {
    rule: &'static Rule,
    pub findings: Vec<Finding>,
}

impl Verdict {
    pub fn new(rule: &'static Rule) -> Self {
        Self { rule, findings: Vec::new() }
    }

    /// It is so.
    pub fn found(&mut self, about: impl ToString, what: impl Into<String>) {
        self.push(about.to_string(), what.into(), self.rule.severity, true);
    }

    /// Nobody could look.
    pub fn unknown(&mut self, about: impl ToString, why: &str) {
        self.push(about.to_string(), format!("not known: {why}"), Severity::Warn, false);
    }

    fn push(&mut self, about: String, what: String, severity: Severity, known: bool) {
        let Rule { code, why, mend, .. } = self.rule;
        self.findings.push(Finding { code, about, what, why, mend, severity, known });
    }
}

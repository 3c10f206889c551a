//! What a person reads: a line when a stage begins and ends, and a summary that tells everything again.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    time::Duration,
};

use super::{Outcome, Report, Stage, Tally};

/// Every stage with its end.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The stages, in order.
    pub reports: Vec<Report>,
}

impl Summary {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.failed() == 0
    }

    /// Tests that failed, and stages that failed without a failed test (one each): zero only where nothing is wrong.
    fn failed(&self) -> u64 {
        let of = |r: &Report| if matches!(r.outcome, Outcome::Failed(_)) { r.tests.failed.max(1) } else { 0 };
        self.reports.iter().map(of).sum()
    }
}

/// The summary as text; its last line is always `N passed, N failed`.
pub fn show(summary: &Summary) -> String {
    let mut text = String::from("\nsummary\n");
    let mut tests = Tally::default();
    for report in &summary.reports {
        tests.add(report.tests);
        let line = format!("  {:<10} {:>9}  {}", report.stage.name(), time(report.took), words(report));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "{} passed, {} failed", tests.passed, summary.failed());
    text
}

pub(super) fn begin(stage: Stage) {
    say(&format!("── {} ──", stage.name()));
}

pub(super) fn end(report: &Report) {
    say(&format!("── {} {} ({}) ──\n", report.stage.name(), words(report), time(report.took)));
}

fn say(line: &str) {
    // A closed stdout must not end the checks: the exit code still tells.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

fn words(report: &Report) -> String {
    let mut counts = String::new();
    let tests = report.tests;
    if tests != Tally::default() {
        let _ = write!(counts, ": {} passed, {} failed", tests.passed, tests.failed);
        if tests.ignored > 0 {
            let _ = write!(counts, ", {} ignored", tests.ignored);
        }
    }
    if let Some(untested) = &report.untested {
        let _ = write!(counts, "; NOT TESTED: {untested}");
    }
    match &report.outcome {
        Outcome::Passed => format!("passed{counts}"),
        Outcome::Failed(why) => format!("FAILED{counts}: {why}"),
        Outcome::NotRun(why) => format!("not run: {why}"),
    }
}

fn time(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stage: Stage, outcome: Outcome, passed: u64, failed: u64) -> Report {
        Report {
            stage,
            outcome,
            tests: Tally { passed, failed, ignored: 0 },
            took: Duration::from_millis(65_432),
            untested: None,
        }
    }

    fn last_line(summary: &Summary) -> String {
        show(summary).lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_last_line_counts_tests() {
        let passed = |stage, n| report(stage, Outcome::Passed, n, 0);
        let summary = Summary { reports: vec![passed(Stage::Fmt, 0), passed(Stage::Tests, 7), passed(Stage::Lab, 2)] };
        assert!(summary.passed());
        assert_eq!(last_line(&summary), "9 passed, 0 failed");
    }

    #[test]
    fn a_failed_stage_shows_though_no_test_failed() {
        let reports = vec![
            report(Stage::Clippy, Outcome::Failed("exit code".into()), 0, 0),
            report(Stage::Tests, Outcome::Failed("exit code".into()), 5, 2),
        ];
        let summary = Summary { reports };
        assert!(!summary.passed());
        assert_eq!(last_line(&summary), "5 passed, 3 failed");
        let shown = show(&summary);
        assert!(shown.contains("  clippy     1 min 5 s  FAILED: exit code\n"), "{shown}");
        assert!(shown.contains("  tests      1 min 5 s  FAILED: 5 passed, 2 failed: exit code\n"), "{shown}");
    }

    #[test]
    fn what_was_not_tested_is_told_beside_what_passed() {
        let untested = Some("without haproxy".to_owned());
        let report = Report { untested, ..report(Stage::Tests, Outcome::Passed, 5, 0) };
        let shown = show(&Summary { reports: vec![report] });
        assert!(shown.contains("passed: 5 passed, 0 failed; NOT TESTED: without haproxy\n"), "{shown}");
    }

    #[test]
    fn what_did_not_run_is_named_and_is_no_failure() {
        let summary = Summary { reports: vec![report(Stage::Lab, Outcome::NotRun("no root".into()), 0, 0)] };
        assert!(summary.passed());
        assert!(show(&summary).contains("not run: no root"), "{}", show(&summary));
    }
}

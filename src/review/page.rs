//! The rules as `docs/review.md` lists them, made from the rules themselves so that none is missing there.

use std::fmt::Write as _;

use super::{Needs, Rule, Severity, rules};

/// The list: a part for each rule.
pub fn page() -> String {
    let mut page = String::new();
    for Rule { code, title, why, mend, severity, needs, .. } in rules() {
        let severity = match severity {
            Severity::Problem => "problem",
            Severity::Warn => "warning",
        };
        let needs = match needs {
            Needs::Configuration => "from the configuration",
            Needs::Systems => "from the real systems",
        };
        // Writing into a String cannot fail.
        let _ = write!(
            page,
            "### `{code}`\n\n{title} · {severity}, {needs}\n\n* **Why it bites**: {why}\n* **Mend**: {mend}\n\n"
        );
    }
    page.trim_end().to_owned() + "\n"
}

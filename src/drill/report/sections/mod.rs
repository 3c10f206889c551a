//! What the evidence says, section by section. What is not there is said, too: a report that leaves out what nobody
//! measured reads as if all had been well.

mod course;
mod origin;
mod outcome;
mod requests;

use super::{Evidence, section::Section};

/// What stands before the charts: what was expected, what came out, what was broken.
pub(super) fn before_charts(evidence: &Evidence) -> Vec<Section> {
    let mut sections = vec![outcome::objectives(evidence)];
    sections.extend(outcome::fault(evidence));
    sections
}

/// What stands after the charts.
pub(super) fn after_charts(evidence: &Evidence) -> Vec<Section> {
    vec![
        requests::requests(evidence),
        requests::failures(evidence),
        course::phases(evidence),
        course::acknowledgements(evidence),
        course::residual(evidence),
        course::differences(evidence),
        course::remarks(evidence),
        origin::origin(evidence),
        origin::signature(evidence),
    ]
}

/// The facts at the top: what, who, why, when.
pub(super) fn facts(evidence: &Evidence) -> Vec<(&'static str, String)> {
    outcome::facts(evidence)
}

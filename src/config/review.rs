//! `[review]`: how old drills may be, and which findings are meant to be so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{reader::Reader, report::Problems};

/// `[review]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Age from which the last planned drill is too long ago.
    pub planned_drill_max_age: Option<Duration>,
    /// Age from which the last unplanned drill is too long ago.
    pub unplanned_drill_max_age: Option<Duration>,
    /// Findings that are meant to be so.
    pub accept: Vec<Acceptance>,
}

/// `[[review.accept]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The rule.
    pub code: String,
    /// What the finding is about.
    pub about: String,
    /// Why it is meant to be so.
    pub reason: String,
}

pub(super) fn review(r: &Reader<'_>, problems: &mut Problems) -> Option<Review> {
    let mut accept: Vec<Acceptance> = Vec::new();
    for table in r.tables("accept") {
        let one = Acceptance { code: table.text("code")?, about: table.text("about")?, reason: table.text("reason")? };
        if accept.iter().any(|a| a.code == one.code && a.about == one.about) {
            table.here().report(problems, format!("{} of {} is accepted twice", one.code, one.about), "one will do");
        }
        accept.push(one);
    }
    Some(Review {
        planned_drill_max_age: r.duration("planned-drill-max-age"),
        unplanned_drill_max_age: r.duration("unplanned-drill-max-age"),
        accept,
    })
}

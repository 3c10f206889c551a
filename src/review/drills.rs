//! Drills: what was not tried lately does not work.

use std::time::Duration;

use super::{
    Facts,
    rule::{Needs, Rule, Severity, Verdict},
};

pub(super) static RULES: [Rule; 2] = [
    Rule {
        code: "drill-planned-old",
        title: "Every node was drained and restored lately",
        why: "What has changed since the last drain (a route, a time-out, a key that ran out) shows in the maintenance that cannot wait.",
        mend: "Drain and restore the node on a quiet day: `tidegate drain`, `tidegate restore`.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: planned,
    },
    Rule {
        code: "drill-unplanned-old",
        title: "A failure was played lately",
        why: "Nobody knows whether the failover objective is kept when nobody prepares for it.",
        mend: "Play one on a quiet day: `tidegate drill run` with a file of `playbooks/drills`.",
        severity: Severity::Warn,
        needs: Needs::Systems,
        look: unplanned,
    },
];

fn planned(facts: &Facts<'_>, verdict: &mut Verdict) {
    let Some(most) = facts.settings.review.planned_drill_max_age else { return };
    for node in &facts.topology.nodes {
        match facts.found().drilled.get(node) {
            None => verdict.found(node, "this journal has no drain of it that was restored"),
            Some(at) => {
                let age = Duration::try_from(facts.now.duration_since(*at)).unwrap_or_default();
                if age > most {
                    let days = age.as_secs() / 86_400;
                    verdict.found(node, format!("it was last drained and restored {days} days ago"));
                }
            }
        }
    }
}

fn unplanned(facts: &Facts<'_>, verdict: &mut Verdict) {
    let Some(most) = facts.settings.review.unplanned_drill_max_age else { return };
    match facts.found().played {
        None => verdict.found("cluster", "this journal has no failure that was played to its end"),
        Some(at) => {
            let age = Duration::try_from(facts.now.duration_since(at)).unwrap_or_default();
            if age > most {
                verdict.found("cluster", format!("the last failure was played {} days ago", age.as_secs() / 86_400));
            }
        }
    }
}

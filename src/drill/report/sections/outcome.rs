//! What was asked, what came out, and what was broken for it.

use super::super::{
    Evidence, FaultSeen, Objective, Outcome, Relation, Took,
    section::{Cell, Section, Table},
    words::{UNKNOWN, measure, moment, number, took, took_if},
};

/// What, who, why, when.
pub(super) fn facts(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let nodes: Vec<&str> = evidence.nodes.iter().map(crate::model::NodeName::as_str).collect();
    let given = |text: &str| if text.is_empty() { UNKNOWN.to_owned() } else { text.to_owned() };
    vec![
        ("What", evidence.kind.words().into()),
        ("Run", evidence.id.clone()),
        ("Nodes", if nodes.is_empty() { "none".into() } else { nodes.join(", ") }),
        ("Asked for by", given(&evidence.operator)),
        ("Reason", given(&evidence.reason)),
        ("Began", moment(evidence.started)),
        ("Ended", evidence.ended.map_or_else(|| "not yet".into(), moment)),
        ("Took", evidence.took_s().map_or_else(|| "not over".into(), took)),
    ]
}

/// Each objective beside what was measured.
pub(super) fn objectives(evidence: &Evidence) -> Section {
    let section = Section::new("Objectives");
    if evidence.objectives.is_empty() {
        return section.say("No objective was set.");
    }
    let unknown = evidence.objectives.iter().any(|objective| objective.why.is_some());
    let columns = ["objective", "#limit", "#measured", "verdict", "why it is not known"];
    let mut table = Table::new(columns);
    for objective in &evidence.objectives {
        let Objective { name, relation, limit, measured, unit, met, why } = objective;
        let bound = match relation {
            Relation::AtMost => "at most",
            Relation::AtLeast => "at least",
        };
        table.row([
            name.as_str().into(),
            format!("{bound} {}", measure(*limit, unit)).into(),
            Cell::or_unknown(measured.map(|value| measure(value, unit))),
            Cell::met(*met),
            why.clone().unwrap_or_default().into(),
        ]);
    }
    if !unknown {
        table.shorten(4);
    }
    let early = evidence.verdict.outcome == Outcome::Aborted;
    let section =
        if early { section.say("It was ended early: what was measured is what came until then.") } else { section };
    section.table(table)
}

/// What was broken, and how soon that was noticed and mended. Only of what breaks something.
pub(super) fn fault(evidence: &Evidence) -> Option<Section> {
    let FaultSeen { word, place, at, ended_at, ended_by, detection, removal, recovery } = evidence.fault.as_ref()?;
    let end = match (ended_at, ended_by) {
        (Some(ended), by) => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            format!("ended{by} at {}, after {}", moment(*ended), took(super::super::phases::between_s(*at, *ended)))
        }
        (None, _) => "its end was not seen".into(),
    };
    let mut table = Table::new(["stage", "#took", "#objective", "verdict", "seen"]);
    for (stage, seen) in [
        ("detection: from the fault to the first who knew", detection),
        ("removal: from the fault to the last route that sent nobody there", removal),
        ("recovery: from the fault's end to all as it was", recovery),
    ] {
        table.row(row(stage, seen));
    }
    Some(Section::new("The fault").say(format!("{word} on {place} at {}; {end}.", moment(*at))).table(table))
}

fn row(stage: &'static str, took: &Took) -> [Cell; 5] {
    let verdict = if took.limit.is_some() { Cell::met(took.met()) } else { "no objective".into() };
    [
        stage.into(),
        Cell::or_unknown(took.seconds.map(|s| took_if(Some(s)))),
        took.limit.map_or_else(|| "none".into(), |limit| format!("at most {} s", number(limit)).into()),
        verdict,
        took.seen.clone().unwrap_or_default().into(),
    ]
}

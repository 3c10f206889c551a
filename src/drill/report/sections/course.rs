//! What happened in which order, how soon it was acknowledged, and what was not as it should have been.

use super::super::{
    Evidence, Kind, RemarkKind,
    phases::between_s,
    section::{Cell, Section, Table, Tone},
    words::{clock, count, measure, took_if},
};

/// What was done when.
pub(super) fn phases(evidence: &Evidence) -> Section {
    let mut table = Table::new(["#no.", "phase", "node", "#began after", "#took", "#slowest acknowledgement"]);
    for (number, phase) in evidence.phases.iter().enumerate() {
        let slowest = phase.acknowledgements.iter().filter_map(|a| a.seconds).reduce(f64::max);
        let open = phase.acknowledgements.iter().filter(|a| a.seconds.is_none()).count();
        let acknowledged = match (slowest, open) {
            (_, open) if open > 0 => Cell::new(format!("{open} not acknowledged"), Tone::Bad),
            (Some(slowest), _) => took_if(Some(slowest)).into(),
            (None, _) => "".into(),
        };
        table.row([
            (number + 1).to_string().into(),
            phase.name.as_str().into(),
            phase.node.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            measure(between_s(evidence.started, phase.from), "s").into(),
            phase.took_s().map_or_else(|| Cell::new("not over", Tone::Open), |s| took_if(Some(s)).into()),
            acknowledged,
        ]);
    }
    let section = Section::new("Phases");
    if table.rows.is_empty() { section.say("Nothing was begun.") } else { section.table(table) }
}

/// How soon each change was read back, by route and instance.
pub(super) fn acknowledgements(evidence: &Evidence) -> Section {
    let mut table = Table::new(["phase", "route", "instance", "change", "#acknowledged after", "#tries"]);
    for phase in &evidence.phases {
        for seen in &phase.acknowledgements {
            let after = match seen.seconds {
                Some(seconds) => took_if(Some(seconds)).into(),
                None => Cell::new("never", Tone::Bad),
            };
            table.row([
                phase.name.as_str().into(),
                seen.route.as_ref().map(ToString::to_string).unwrap_or_default().into(),
                seen.instance.as_ref().map(ToString::to_string).unwrap_or_default().into(),
                seen.what.as_str().into(),
                after,
                seen.tries.to_string().into(),
            ]);
        }
    }
    let section = Section::new("Acknowledgements");
    if table.rows.is_empty() { section.say("Nothing was changed that is read back.") } else { section.table(table) }
}

/// Who did not leave.
pub(super) fn residual(evidence: &Evidence) -> Section {
    let section = Section::new("Residual traffic");
    if evidence.residual.is_empty() {
        let drained = !matches!(evidence.kind, Kind::Restore | Kind::UnplannedDrill);
        return section.say(if drained { "No connection was noted that stayed." } else { "No node was drained." });
    }
    let mut table = Table::new(["at", "node", "service", "#left", "what became of it", "oldest"]);
    for left in &evidence.residual {
        table.row([
            clock(left.at).into(),
            left.node.as_str().into(),
            left.listener.as_str().into(),
            count(left.remaining).into(),
            Cell::new(left.what.as_str(), if left.deadline { Tone::Bad } else { Tone::Plain }),
            left.oldest.join("; ").into(),
        ]);
    }
    section.table(table)
}

/// What the cluster did otherwise.
pub(super) fn differences(evidence: &Evidence) -> Section {
    let section = Section::new("Against the rehearsal");
    match &evidence.differences {
        None => section.say("Nothing was rehearsed."),
        Some(none) if none.is_empty() => section.say("The cluster did what it had rehearsed."),
        Some(lines) => {
            let mut table = Table::new(["what was otherwise"]);
            for line in lines {
                table.row([Cell::new(line.as_str(), Tone::Bad)]);
            }
            section.table(table)
        }
    }
}

/// What else happened.
pub(super) fn remarks(evidence: &Evidence) -> Section {
    let mut table = Table::new(["at", "what kind", "what happened"]);
    for remark in &evidence.remarks {
        let (kind, tone) = match remark.kind {
            RemarkKind::Held => ("held", Tone::Open),
            RemarkKind::Aborted => ("aborted", Tone::Bad),
            RemarkKind::Trouble => ("trouble", Tone::Bad),
            RemarkKind::Guard => ("guard", Tone::Plain),
            RemarkKind::Note => ("note", Tone::Plain),
        };
        let at = remark.at.map(clock).unwrap_or_default();
        table.row([at.into(), Cell::new(kind, tone), remark.text.as_str().into()]);
    }
    let section = Section::new("What else happened");
    if table.rows.is_empty() { section.say("Nothing was noted.") } else { section.table(table) }
}

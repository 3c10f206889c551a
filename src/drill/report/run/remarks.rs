//! What happened in a run besides its steps, and what the guard did meanwhile.

use jiff::Timestamp;

use super::super::{MAX_LINES, Remark, RemarkKind};
use crate::{
    journal::{Ending, Event, Note, Noted, Record},
    observe::words,
    plan::Plan,
};

/// Everything that changed the course of a run, with the gates that a person answered for.
pub(super) fn of(plan: &Plan, records: &[Record]) -> Vec<Remark> {
    let overrides = plan.request.overrides.iter().map(|answered| Remark {
        at: Some(plan.made_at),
        kind: RemarkKind::Note,
        text: format!("gate {} answered for by {}: {}", answered.gate, plan.request.operator, answered.reason),
    });
    // That it was taken up by whoever opened it is no news.
    let first = records.iter().position(|record| matches!(record.event, Event::Taken { .. }));
    let events = records.iter().enumerate().filter_map(|(number, record)| {
        let kind = kind(&record.event).filter(|_| Some(number) != first)?;
        Some(Remark { at: Some(record.at), kind, text: words::event(plan, &record.event).1 })
    });
    bounded(overrides.chain(events).collect())
}

/// What kind of remark an event is; none where it has a place of its own in the evidence.
fn kind(event: &Event) -> Option<RemarkKind> {
    match event {
        Event::Held { .. } => Some(RemarkKind::Held),
        Event::AbortRequested { .. } | Event::Ended { ending: Ending::Aborted { .. } } => Some(RemarkKind::Aborted),
        Event::NotAccepted { .. }
        | Event::Reasserted { .. }
        | Event::Overruled { .. }
        | Event::Drifted { .. }
        | Event::DrainLost { .. }
        | Event::RampBackedOff { .. }
        | Event::Changed { .. }
        | Event::Ended { ending: Ending::Stuck { .. } | Ending::Acknowledged { .. } } => Some(RemarkKind::Trouble),
        Event::AlreadySo { .. } | Event::Taken { .. } => Some(RemarkKind::Note),
        Event::StepBegun { .. }
        | Event::Intended { .. }
        | Event::Accepted { .. }
        | Event::Acknowledged { .. }
        | Event::Unrehearsed { .. }
        | Event::Drained { .. }
        | Event::DeadlineReached { .. }
        | Event::Stragglers { .. }
        | Event::Cutting { .. }
        | Event::Cut { .. }
        | Event::RampStage { .. }
        | Event::StepDone { .. }
        | Event::Ended { ending: Ending::Done } => None,
    }
}

/// What the guard did by itself between two times; `None` is until now.
pub fn guard_remarks(notes: &[Noted], from: Timestamp, until: Option<Timestamp>) -> Vec<Remark> {
    let meanwhile = |noted: &&Noted| noted.at >= from && until.is_none_or(|until| noted.at <= until);
    let mut remarks: Vec<Remark> = notes
        .iter()
        .filter(meanwhile)
        .filter_map(|noted| Some(Remark { at: Some(noted.at), kind: RemarkKind::Guard, text: guarded(&noted.note)? }))
        .collect();
    remarks.sort_by_key(|remark| remark.at);
    bounded(remarks)
}

/// A note of the guard in words; none where it is not about routing.
fn guarded(note: &Note) -> Option<String> {
    let place =
        |target: &crate::model::RouteTarget| format!("{} at {} ({})", target.server, target.instance, target.route);
    Some(match note {
        Note::Withdrawing { target, why, .. } => format!("withdraws {}: {why}", place(target)),
        Note::Withdrawn { target } => format!("{} is out", place(target)),
        Note::Refused { target, error } => format!("{} was refused: {error}", place(target)),
        Note::Returning { target } => format!("puts {} back", place(target)),
        Note::Returned { target } => format!("{} is back", place(target)),
        Note::Advised { target, why, .. } => format!("told {} that it is down: {why}", place(target)),
        Note::Would { target, why, .. } => format!("would have acted on {}: {why}", place(target)),
        Note::FailOpen { target, why, .. } => format!("kept {}: {why}", place(target)),
        Note::OutOfOrder { node } => format!("{node} went into standby without a drain"),
        Note::Blind { why } => format!("cannot see the cluster: {why}"),
        Note::Sighted => "sees the cluster again".into(),
        Note::Turned { node, service, to, why } => format!("{service} on {node} is {to} {why}").trim_end().to_owned(),
        Note::CloneChanging { .. } | Note::CloneChanged | Note::CloneUnchanged { .. } => return None,
    })
}

/// At most [`MAX_LINES`], the last of them saying how many more there were.
fn bounded(mut remarks: Vec<Remark>) -> Vec<Remark> {
    if remarks.len() > MAX_LINES {
        let more = remarks.len() - MAX_LINES + 1;
        remarks.truncate(MAX_LINES - 1);
        remarks.push(Remark { at: None, kind: RemarkKind::Note, text: format!("and {more} more, in the journal") });
    }
    remarks
}

//! The evidence of one run, from its journal alone: no load, but every step, every acknowledgement, and everything that
//! was not as it should have been.

mod course;
mod remarks;
mod residual;

pub use remarks::guard_remarks;

use super::{Chain, Evidence, Kind, Objective, Outcome, Verdict, objectives::judge};
use crate::{
    journal::{Ending, Event, Record, RunSummary},
    observe::words,
    plan::{Action, Plan, Purpose},
};

/// The evidence of a run, not sealed yet. What the journal does not say is not known.
pub fn of_run(summary: &RunSummary, records: &[Record]) -> Evidence {
    let (plan, request) = (&summary.plan, &summary.plan.request);
    let kind = match request.purpose {
        Purpose::Drain => Kind::Drain,
        Purpose::Restore => Kind::Restore,
        Purpose::Withhold => Kind::Withhold,
        Purpose::StandIn => Kind::StandIn,
        Purpose::Retire => Kind::Retire,
    };
    let name = format!("{} {}", request.purpose, request.node);
    let mut evidence = Evidence::new(kind, summary.run.as_str(), name, summary.opened_at);
    evidence.operator.clone_from(&request.operator);
    evidence.reason.clone_from(&request.reason);
    evidence.nodes = vec![request.node.clone()];
    evidence.ended = summary.ended_at;
    evidence.phases = course::phases(plan, records);
    evidence.residual = residual::of(plan.node(), records);
    evidence.differences = differences(plan, records);
    evidence.remarks = remarks::of(plan, records);
    evidence.objectives = objectives(plan, records, &evidence);
    evidence.verdict = verdict(summary, records, &evidence.objectives);
    evidence.versions.plan = Some(plan.fingerprint.clone());
    evidence.signature.chains = vec![Chain::of(summary.run.as_str(), records)];
    evidence
}

fn objectives(plan: &Plan, records: &[Record], evidence: &Evidence) -> Vec<Objective> {
    let proven = proven(plan, records).iter().filter(|done| **done).count();
    let mut objectives =
        vec![Objective::at_least("steps proven", plan.steps.len() as f64, Some(proven as f64), "steps")];
    if plan.request.purpose == Purpose::Drain {
        let left: u64 = evidence.residual.iter().filter(|left| left.deadline).map(|left| left.remaining).sum();
        objectives.push(Objective::at_most("connections left at the deadline", 0.0, Some(left as f64), "connections"));
    }
    objectives
}

/// Which steps are proven at the end: a step that was begun again counts by its last proof.
fn proven(plan: &Plan, records: &[Record]) -> Vec<bool> {
    let mut done = vec![false; plan.steps.len()];
    for record in records {
        match &record.event {
            Event::StepDone { step } => done.iter_mut().skip(*step).take(1).for_each(|d| *d = true),
            Event::DrainLost { step: Some(step), .. } => done.iter_mut().skip(*step).for_each(|d| *d = false),
            _ => {}
        }
    }
    done
}

fn verdict(summary: &RunSummary, records: &[Record], objectives: &[Objective]) -> Verdict {
    let ending = records.iter().rev().find_map(|record| match &record.event {
        Event::Ended { ending } => Some(ending),
        _ => None,
    });
    match ending.or(summary.ending.as_ref()) {
        Some(Ending::Done) => judge(objectives),
        Some(ending @ Ending::Aborted { .. }) => Verdict::aborted(words::ending(ending)),
        Some(ending @ (Ending::Stuck { .. } | Ending::Acknowledged { .. })) => {
            Verdict { outcome: Outcome::Missed, why: Some(words::ending(ending)) }
        }
        None => Verdict::not_known(held(records).unwrap_or_else(|| "it is not over".into())),
    }
}

/// Why it waits for a person, where it does.
fn held(records: &[Record]) -> Option<String> {
    let last = records.iter().rev().find(|r| matches!(r.event, Event::Held { .. } | Event::Taken { .. }))?;
    match &last.event {
        Event::Held { why } => Some(format!("it is held: {why}")),
        _ => None,
    }
}

/// What the cluster did otherwise. That there is no difference is known only once it was compared.
fn differences(plan: &Plan, records: &[Record]) -> Option<Vec<String>> {
    let found = records.iter().rev().find_map(|record| match &record.event {
        Event::Unrehearsed { differences } => Some(differences.clone()),
        _ => None,
    });
    let rehearsed = plan.rehearsal.as_ref().is_some_and(|rehearsal| !rehearsal.after.is_empty());
    let compared = || {
        let proven = proven(plan, records);
        let stops =
            |(step, done): (&crate::plan::Step, &bool)| *done && matches!(step.action, Action::VerifyStopped { .. });
        rehearsed && plan.steps.iter().zip(&proven).any(stops)
    };
    found.or_else(|| compared().then(Vec::new))
}

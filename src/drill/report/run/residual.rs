//! Connections that did not leave in time: what was known of them, and what became of them.

use super::super::{MAX_LINES, Residual, words::clock};
use crate::{
    journal::{Event, Record},
    model::{NodeName, Straggler},
    plan::steps::policy_words,
};

/// What was written down of them, in order of time; of what was only watched, the last word.
pub(super) fn of(node: &NodeName, records: &[Record]) -> Vec<Residual> {
    let mut all: Vec<Residual> = Vec::new();
    for record in records {
        let new = |listener: &dyn ToString, remaining: u64, deadline, what: String, oldest: &[Straggler]| Residual {
            at: record.at,
            node: node.clone(),
            listener: listener.to_string(),
            remaining,
            deadline,
            what,
            oldest: oldest.iter().take(MAX_LINES).map(ToString::to_string).collect(),
        };
        match &record.event {
            Event::Stragglers { listener, remaining, verdict, oldest } => {
                all.retain(|left| left.deadline || left.listener != listener.to_string());
                all.push(new(listener, *remaining, false, verdict.to_string(), oldest));
            }
            Event::DeadlineReached { listener, remaining, policy, left } => {
                let what = format!("deadline reached: {}", policy_words(*policy));
                all.push(new(listener, *remaining, true, what, left));
            }
            Event::Drained { listener } => {
                let of = listener.to_string();
                for left in all.iter_mut().filter(|left| left.listener == of) {
                    left.what = format!("{}; none was left at {}", left.what, clock(record.at));
                }
            }
            Event::Cut { listener, through, sockets, remaining } => {
                let cut = through.iter().map(|held| held.connections).sum::<u64>() + sockets;
                all.push(new(listener, *remaining, false, format!("{cut} cut, {remaining} left"), &[]));
            }
            _ => {}
        }
        if all.len() > MAX_LINES {
            all.remove(0);
        }
    }
    all
}

//! Which drain holds a node out: the only one whose receipts can bring it back.

use super::steps::Purpose;
use crate::{
    journal::{Ending, RunSummary},
    model::{NodeName, RunId},
};

/// The drain of `node` that nobody has restored yet. `runs` in any order.
pub fn outstanding(runs: &[RunSummary], node: &NodeName) -> Option<RunId> {
    let mut runs: Vec<&RunSummary> = runs.iter().filter(|r| r.plan.node() == node).collect();
    runs.sort_by_key(|r| r.opened_at);
    let mut held: Option<RunId> = None;
    for run in runs {
        match (run.plan.request.purpose, &run.ending) {
            (Purpose::Drain, Some(Ending::Aborted { undo: None, .. })) => {}
            // Done, or with something left to put back.
            (Purpose::Drain, _) => held = Some(run.run.clone()),
            (Purpose::Restore, Some(Ending::Done)) => held = None,
            (Purpose::Restore | Purpose::Withhold | Purpose::StandIn | Purpose::Retire, _) => {}
        }
    }
    held
}

/// The runs by which instances stand in that nobody has let go again. `runs` in any order.
pub fn standing_in(runs: &[RunSummary]) -> Vec<&RunSummary> {
    let mut runs: Vec<&RunSummary> = runs.iter().collect();
    runs.sort_by_key(|r| r.opened_at);
    let mut standing: Vec<&RunSummary> = Vec::new();
    for run in runs {
        let same = |came: &&RunSummary| {
            came.plan.node() == run.plan.node() && came.plan.request.leave == run.plan.request.leave
        };
        match (run.plan.request.purpose, &run.ending) {
            (Purpose::StandIn, Some(Ending::Aborted { undo: None, .. })) => {}
            (Purpose::StandIn, _) => {
                standing.retain(|came| !same(came));
                standing.push(run);
            }
            (Purpose::Retire, Some(Ending::Done)) => standing.retain(|came| !same(came)),
            _ => {}
        }
    }
    standing
}

/// Whether a run decides about `node`: one that is open, or a drain that keeps it out.
pub fn in_hand(runs: &[RunSummary], node: &NodeName) -> bool {
    open(runs).is_some_and(|run| run.plan.node() == node) || outstanding(runs, node).is_some()
}

/// The run that is still open, or stuck until somebody acknowledges it.
pub fn open(runs: &[RunSummary]) -> Option<&RunSummary> {
    runs.iter().find(|r| matches!(r.ending, None | Some(Ending::Stuck { .. })))
}

//! Runs, from what the journal says of them.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    seconds, table,
    words::{DrillEnding, DrillKind, RunEnding, RunStatus, Step, Wait},
};
use crate::plan::{Action, Purpose};

/// The run that is open, or stuck.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What it is for.
    pub purpose: Purpose,
    /// Its node.
    pub node: String,
    /// When it was opened.
    pub since: Timestamp,
    /// Where it stands.
    pub status: RunStatus,
    /// Its present step, with its beginning.
    pub doing: Option<Doing>,
}

/// A step that is not proven yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doing {
    /// Which.
    pub step: Step,
    /// Since when; `None` where it has not begun.
    pub since: Option<Timestamp>,
}

impl From<&Action> for Step {
    fn from(action: &Action) -> Self {
        match action {
            Action::DrainRoutes { .. } => Self::DrainRoutes,
            Action::AwaitConnections { .. } => Self::Connections,
            Action::CloseRoutes { .. } => Self::CloseRoutes,
            Action::Standby { .. } => Self::Standby,
            Action::Resize { .. } => Self::Resize,
            Action::VerifyStopped { .. } => Self::Stopped,
            Action::StopUnits { .. } => Self::StopUnits,
            Action::EnableUnits { .. } => Self::EnableUnits,
            Action::RequireFreshChecks { .. } => Self::FreshChecks,
            Action::StartUnits { .. } => Self::StartUnits,
            Action::Unstandby { .. } => Self::Unstandby,
            Action::VerifyStarted { .. } => Self::Started,
            Action::AwaitReady { .. } => Self::Ready,
            Action::ReadmitRoutes { .. } => Self::Readmit,
        }
    }
}

impl Open {
    /// What it waits for.
    pub fn waits_for(&self) -> Wait {
        match (self.status, self.doing.map(|d| d.step)) {
            (RunStatus::Held | RunStatus::Stuck, _) => Wait::Person,
            (RunStatus::Open, _) | (_, None) => Wait::Executor,
            (_, Some(Step::DrainRoutes | Step::CloseRoutes | Step::Readmit)) => Wait::Routes,
            (_, Some(Step::Connections)) => Wait::Connections,
            (_, Some(Step::Standby | Step::Unstandby | Step::Resize | Step::Stopped | Step::Started)) => Wait::Cluster,
            (_, Some(Step::StopUnits | Step::EnableUnits | Step::StartUnits)) => Wait::Units,
            (_, Some(Step::Ready)) => Wait::Readiness,
            (_, Some(Step::FreshChecks)) => Wait::Checks,
        }
    }
}

/// A run is open, or stuck.
pub fn open(run: &Open) {
    let (purpose, node) = (run.purpose.to_string(), run.node.as_str());
    for status in RunStatus::ALL {
        table::RUN.flag(&[&purpose, node, status.word()], *status == run.status);
    }
    table::RUN_SINCE.set(&[&purpose, node], seconds(run.since));
    for step in Step::ALL {
        let since = run.doing.filter(|d| d.step == *step).and_then(|d| d.since);
        table::STEP_SINCE.set(&[&purpose, node, step.word()], since.map_or(f64::NAN, seconds));
    }
    for wait in Wait::ALL {
        table::WAITING.flag(&[&purpose, node, wait.word()], run.waits_for() == *wait);
    }
}

/// A run that was open is not any more.
pub fn none_open(run: &Open) {
    let (purpose, node) = (run.purpose.to_string(), run.node.as_str());
    RunStatus::ALL.iter().for_each(|status| table::RUN.flag(&[&purpose, node, status.word()], false));
    Wait::ALL.iter().for_each(|wait| table::WAITING.flag(&[&purpose, node, wait.word()], false));
    Step::ALL.iter().for_each(|step| table::STEP_SINCE.set(&[&purpose, node, step.word()], f64::NAN));
    table::RUN_SINCE.set(&[&purpose, node], f64::NAN);
}

/// A run ended.
pub fn ended(purpose: Purpose, ending: RunEnding, took: Duration) {
    let labels = [&purpose.to_string(), ending.word()];
    table::RUNS_ENDED.add(&labels, 1);
    table::RUN_TOOK.observe(&labels, took.as_secs_f64());
}

/// A step of a run was proven.
pub fn stepped(purpose: Purpose, step: Step, took: Duration) {
    table::STEP_TOOK.observe(&[&purpose.to_string(), step.word()], took.as_secs_f64());
}

/// The usual time of a run of this purpose.
pub fn baseline(purpose: Purpose, usual: Option<Duration>) {
    table::BASELINE.set(&[&purpose.to_string()], usual.map_or(f64::NAN, |usual| usual.as_secs_f64()));
}

/// When a drill of this kind last ended so.
pub fn drill(kind: DrillKind, ending: DrillEnding, at: Option<Timestamp>) {
    table::DRILL_ENDED.set(&[kind.word(), ending.word()], at.map_or(f64::NAN, seconds));
}

/// When a run of this purpose was last done on a node.
pub fn done(purpose: Purpose, node: &str, at: Timestamp) {
    table::RUN_DONE.set(&[&purpose.to_string(), node], seconds(at));
}

/// Whether a node is in standby, by a run's mark or by another hand; `None` where the cluster did not answer.
pub fn standby(node: &str, is: Option<(bool, bool)>) {
    for (by, marked) in [("run", true), ("other", false)] {
        let value = is.map_or(f64::NAN, |(standby, ours)| f64::from(u8::from(standby && ours == marked)));
        table::STANDBY.set(&[node, by], value);
    }
}

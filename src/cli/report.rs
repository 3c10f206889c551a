//! One run as its reader needs it: how it ended, how long each step took, what state it left the node in. The same
//! for the command that executed it, for `show`, and for scripts.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    exit::{Code, Failure, Result},
    table::printable,
};
use crate::{
    journal::{Ending, Journal, Record, RunSummary},
    model::{NodeName, RunId, observed::age, topology::Listener},
    observe::words,
    plan::{Plan, Purpose},
    run::{
        outlook,
        state::{Noted, RunState, Status, StepState},
        waiting::Short,
    },
};

/// A run, read from its journal.
pub(super) struct Reading {
    pub(super) summary: RunSummary,
    pub(super) records: Vec<Record>,
    pub(super) state: RunState,
}

impl Reading {
    /// Reads one run. Fails where the journal cannot be read or says something impossible.
    pub(super) async fn of(journal: &dyn Journal, run: &RunId) -> Result<Self> {
        let summary = journal.run(run).await?;
        let records = journal.records(run).await?;
        let state = RunState::fold(&summary.plan, &records)
            .map_err(|misfit| Failure::new(Code::Failed, format!("run {run}: {misfit}")))?;
        Ok(Self { summary, records, state })
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.summary.plan
    }

    /// From its opening to its end, or to its last record where it has not ended.
    pub(super) fn took(&self) -> Duration {
        let last = self.records.last().map_or(self.summary.opened_at, |r| r.at);
        age(self.summary.ended_at.unwrap_or(last), self.summary.opened_at)
    }

    /// The run that undoes this one.
    pub(super) fn undo(&self) -> Option<&RunId> {
        match &self.state.status {
            Status::Ended { ending: Ending::Aborted { undo, .. } } => undo.as_ref(),
            _ => None,
        }
    }

    fn why(&self) -> Option<String> {
        match &self.state.status {
            Status::Held { why } | Status::Aborting { why } => Some(why.clone()),
            Status::Ended { ending: Ending::Aborted { why, .. } | Ending::Stuck { why } } => Some(why.clone()),
            Status::Ended { ending: Ending::Acknowledged { by } } => Some(format!("acknowledged by {by}")),
            Status::Open | Status::Active | Status::Ended { ending: Ending::Done } => None,
        }
    }

    /// Seconds of each step that was begun, by the step's name; a second step of the same kind gets a number.
    fn waited(&self) -> BTreeMap<String, f64> {
        let mut waited = BTreeMap::new();
        for (name, state) in step_names(self.plan()).into_iter().zip(&self.state.steps) {
            let last = self.records.last().map(|r| r.at);
            match state {
                StepState::Pending => {}
                StepState::Active { since } => drop(waited.insert(name, seconds(age(last.unwrap_or(*since), *since)))),
                StepState::Done { since, at } => drop(waited.insert(name, seconds(age(*at, *since)))),
            }
        }
        waited
    }
}

/// A run's result: the JSON object of every command that executes one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunReport {
    pub(super) run: RunId,
    pub(super) purpose: Purpose,
    pub(super) node: NodeName,
    /// done, held, paused, aborted, stuck, acknowledged, running or failed.
    pub(super) result: &'static str,
    pub(super) why: Option<String>,
    pub(super) undo: Option<Box<RunReport>>,
    pub(super) seconds: f64,
    pub(super) waited: BTreeMap<String, f64>,
    pub(super) node_state: String,
    pub(super) next: String,
    pub(super) reassertions: u32,
    /// What the cluster did otherwise than it had rehearsed.
    pub(super) unrehearsed: Vec<String>,
    pub(super) opened_at: Timestamp,
    /// Connections that do not leave, as they were last written down; none once the wait for them is over.
    pub(super) stragglers: Vec<Left>,
    /// The runs by which somebody came to stand in before this one, or went again after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stand_ins: Vec<RunReport>,
}

/// What is left of one listener's connections.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Left {
    #[serde(flatten)]
    pub(super) listener: Listener,
    #[serde(flatten)]
    pub(super) noted: Noted,
}

impl RunReport {
    /// Reads a run and everything that undoes it. `alive` says whether an executor is at work.
    pub(super) async fn of(journal: &dyn Journal, run: &RunId, alive: bool) -> Result<Self> {
        let reading = Reading::of(journal, run).await?;
        let undo = match reading.undo() {
            Some(undo) => Some(Box::new(Box::pin(Self::of(journal, undo, alive)).await?)),
            None => None,
        };
        Ok(Self::new(&reading, undo, alive))
    }

    /// The report of what was read. What undid the run has the last word on the node.
    pub(super) fn new(reading: &Reading, undo: Option<Box<Self>>, alive: bool) -> Self {
        let (plan, state) = (reading.plan(), &reading.state);
        let (node_state, next) = match &undo {
            Some(undo) => (undo.node_state.clone(), undo.next.clone()),
            None => (outlook::node_state(plan, state), outlook::next_command(&reading.summary.run, plan, state)),
        };
        Self {
            run: reading.summary.run.clone(),
            purpose: plan.request.purpose,
            node: plan.node().clone(),
            result: words::status_word(&state.status, alive),
            why: reading.why(),
            undo,
            seconds: seconds(reading.took()),
            waited: reading.waited(),
            node_state,
            next,
            reassertions: state.reassertions,
            unrehearsed: state.unrehearsed.clone(),
            opened_at: reading.summary.opened_at,
            stragglers: left(state),
            stand_ins: Vec::new(),
        }
    }

    /// The exit code of a command that wanted this run done.
    pub(super) fn code(&self) -> Code {
        match (self.result, &self.undo) {
            ("done", _) => self.with_stand_ins(),
            ("aborted", Some(undo)) if undo.code() == Code::Held => Code::Held,
            ("aborted" | "failed" | "acknowledged", _) => Code::Failed,
            _ => Code::Held,
        }
    }

    /// The exit code of a command that wanted this run undone.
    pub(super) fn abort_code(&self) -> Code {
        match (self.result, &self.undo) {
            ("aborted", Some(undo)) => undo.abort_code(),
            ("aborted" | "acknowledged", None) => self.with_stand_ins(),
            _ => self.code(),
        }
    }

    /// The exit code of those that stood in, where all else is as it was wanted.
    fn with_stand_ins(&self) -> Code {
        self.stand_ins.iter().map(Self::code).find(|code| !matches!(code, Code::Done)).unwrap_or(Code::Done)
    }

    /// What a person reads at the end: what became of it, the node's state, the next command.
    pub(super) fn text(&self) -> String {
        let what = format!("{} {}", self.purpose, self.node);
        let took = Short(Duration::from_secs_f64(self.seconds));
        let why = self.why.as_deref().unwrap_or("told to stop");
        let first = match (self.result, &self.undo) {
            ("done", _) => format!("{what}: done in {took} ({})", self.run),
            ("aborted", Some(undo)) => {
                let undone = match undo.result {
                    "done" => "everything is put back".to_owned(),
                    "acknowledged" => "putting things back was stuck, which a person has acknowledged".to_owned(),
                    other => format!("putting things back is {other}"),
                };
                format!("{what}: given up ({why}); {undone} ({}, then {})", self.run, undo.run)
            }
            ("aborted", None) => format!("{what}: given up ({why}); nothing had been changed ({})", self.run),
            (result, _) => format!("{what}: {result}: {why} ({})", self.run),
        };
        let stragglers: String = self.straggler_lines().iter().map(|line| format!("{line}\n")).collect();
        let others: String = self.stand_ins.iter().map(|run| format!("{}\n", run.text())).collect();
        let otherwise: String = self.unrehearsed.iter().map(|line| format!("not as rehearsed: {line}\n")).collect();
        format!("{others}{first}\n{stragglers}{otherwise}{}\n{}.", self.node_state, sentence(&self.next))
    }

    /// Who has not left, a few lines.
    pub(super) fn straggler_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Left { listener, noted } in &self.stragglers {
            let verdict = noted.verdict.map(|v| format!("; {v}")).unwrap_or_default();
            let at = noted.at.strftime("%H:%M:%S UTC");
            lines.push(format!("connections of {listener} left at {at}: {}{verdict}", noted.remaining));
            let names: Vec<String> = noted.oldest.iter().map(|s| printable(&s.to_string())).collect();
            lines.extend(words::few(&names, FEW));
        }
        lines
    }
}

/// Connections that a report names; `--json` has all that were written down.
const FEW: usize = 5;

/// What is left while the run is not over: afterwards it is history.
fn left(state: &RunState) -> Vec<Left> {
    if matches!(state.status, Status::Ended { .. }) {
        return Vec::new();
    }
    state.noted.iter().map(|(l, noted)| Left { listener: l.clone(), noted: noted.clone() }).collect()
}

/// Step names for machines: the plan's own, numbered from the second of a kind on.
pub(super) fn step_names(plan: &Plan) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let name = |step: &crate::plan::Step| {
        let value = serde_json::to_value(&step.action).unwrap_or_default();
        value.get("step").and_then(|s| s.as_str()).unwrap_or("step").to_owned()
    };
    plan.steps
        .iter()
        .map(|step| {
            let name = name(step);
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            if *count == 1 { name } else { format!("{name}-{count}") }
        })
        .collect()
}

/// Seconds to the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Begins with a capital letter, unless with a command.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(result: &'static str, undo: Option<RunReport>) -> RunReport {
        RunReport {
            run: RunId::new("drain-node-2"),
            purpose: Purpose::Drain,
            node: NodeName::new("node-2"),
            result,
            why: None,
            undo: undo.map(Box::new),
            seconds: 1.0,
            waited: BTreeMap::new(),
            node_state: String::new(),
            next: String::new(),
            reassertions: 0,
            unrehearsed: Vec::new(),
            opened_at: Timestamp::UNIX_EPOCH,
            stragglers: Vec::new(),
            stand_ins: Vec::new(),
        }
    }

    #[test]
    fn an_exit_code_says_what_became_of_what_was_wanted() {
        let undone = |result| Some(report(result, None));
        let cases = [
            (report("done", None), Code::Done, Code::Done),
            (report("held", None), Code::Held, Code::Held),
            (report("paused", None), Code::Held, Code::Held),
            (report("stuck", None), Code::Held, Code::Held),
            (report("aborted", None), Code::Failed, Code::Done),
            (report("aborted", undone("done")), Code::Failed, Code::Done),
            (report("aborted", undone("stuck")), Code::Held, Code::Held),
            (report("aborted", undone("paused")), Code::Held, Code::Held),
            (report("acknowledged", None), Code::Failed, Code::Done),
            (report("aborted", undone("acknowledged")), Code::Failed, Code::Done),
        ];
        for (report, wanted, unwanted) in cases {
            let undo = report.undo.as_ref().map(|u| u.result);
            assert_eq!(report.code(), wanted, "{} then {undo:?}", report.result);
            assert_eq!(report.abort_code(), unwanted, "abort: {} then {undo:?}", report.result);
        }
    }
}

//! Runs kept in memory, for simulations and the demo: gone with the process, and otherwise what the SQLite store
//! is. It reads no clock, no file and no process table, so the same calls give the same answers every time; a
//! holder that died is therefore known only by its lease running out.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Ending, Event, Journal, JournalError, Lease, Note, Notebook, Noted, Record, Result, RunSummary, Withdrawal,
    chain::{self, Head},
    rules, withdrawals,
};
use crate::{
    model::{RouteTarget, RunId},
    plan::Plan,
};

/// A journal in memory. Share it with `Arc`, as several executors would share a file.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest fencing token, 0 before the first acquisition; it outlives the lease.
    token: u64,
    lease: Option<Lease>,
    /// In the order in which they were opened.
    runs: Vec<Run>,
    notes: Vec<Noted>,
}

#[derive(Debug)]
struct Run {
    id: RunId,
    opened_at: Timestamp,
    plan: Plan,
    records: Vec<Record>,
    ending: Option<Ending>,
    abort_by: Option<String>,
}

impl MemoryJournal {
    /// The lock is never held across an await, and nothing in it panics between two changes that belong together.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Only a lease that still stands under the newest token may write or be prolonged.
    fn check(&self, lease: &Lease) -> Result<()> {
        match &self.lease {
            Some(held) if held.token == lease.token && held.holder == lease.holder => Ok(()),
            _ => Err(JournalError::Fenced { ours: lease.token, current: self.token }),
        }
    }

    fn index(&self, run: &RunId) -> Result<usize> {
        self.runs.iter().position(|r| &r.id == run).ok_or_else(|| JournalError::NoSuchRun(run.clone()))
    }

    fn run(&self, run: &RunId) -> Result<&Run> {
        Ok(&self.runs[self.index(run)?])
    }
}

impl Run {
    /// What `events` would add, and the ending afterwards; nothing is changed yet.
    fn prepare(&self, token: u64, now: Timestamp, events: &[Event]) -> Result<(Vec<Record>, Option<Ending>)> {
        let ending = rules::admit(&self.id, self.ending.clone(), events)?;
        let head = self.records.last().map(Head::from).unwrap_or_default();
        let records = chain::extend(&head, token, now, events)
            .map_err(|e| JournalError::Storage { path: "in memory".into(), reason: e.to_string() })?;
        Ok((records, ending))
    }

    fn commit(&mut self, records: Vec<Record>, ending: Option<Ending>) {
        self.records.extend(records);
        self.ending = ending;
    }

    fn ended_at(&self) -> Option<Timestamp> {
        self.records.iter().rev().find(|r| matches!(r.event, Event::Ended { .. })).map(|r| r.at)
    }

    fn summary(&self) -> RunSummary {
        RunSummary {
            run: self.id.clone(),
            opened_at: self.opened_at,
            plan: self.plan.clone(),
            ending: self.ending.clone(),
            ended_at: self.ending.as_ref().and_then(|_| self.ended_at()),
        }
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn acquire(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Lease> {
        let mut state = self.state();
        if let Some(held) = state.lease.as_ref().filter(|l| l.until > now) {
            return Err(JournalError::Held { holder: held.holder.clone(), until: held.until });
        }
        state.token += 1;
        let lease = Lease { holder: holder.to_owned(), token: state.token, until: rules::until(now, ttl) };
        state.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease> {
        let mut state = self.state();
        state.check(lease)?;
        let lease = Lease { until: rules::until(now, ttl), ..lease.clone() };
        state.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut state = self.state();
        if state.check(lease).is_ok() {
            state.lease = None;
        }
        Ok(())
    }

    async fn holder(&self, now: Timestamp) -> Result<Option<Lease>> {
        Ok(self.state().lease.clone().filter(|l| l.until > now))
    }

    async fn open(
        &self,
        lease: &Lease,
        run: &RunId,
        plan: &Plan,
        closing: Option<(&RunId, Ending)>,
        now: Timestamp,
    ) -> Result<()> {
        let mut state = self.state();
        state.check(lease)?;
        if state.index(run).is_ok() {
            return Err(rules::exists(run));
        }
        let closed = match closing {
            Some((id, ending)) => {
                let index = state.index(id)?;
                let (records, ending) = state.runs[index].prepare(lease.token, now, &[Event::Ended { ending }])?;
                Some((index, records, ending))
            }
            None => None,
        };
        let ending_after = |index: usize| match &closed {
            Some((i, _, ending)) if *i == index => ending.as_ref(),
            _ => state.runs[index].ending.as_ref(),
        };
        if let Some(open) = (0..state.runs.len()).rev().find(|i| rules::blocks(ending_after(*i))) {
            return Err(JournalError::RunOpen(state.runs[open].id.clone()));
        }
        // Everything that can fail has been tried: from here on both halves happen.
        if let Some((index, records, ending)) = closed {
            state.runs[index].commit(records, ending);
        }
        state.runs.push(Run {
            id: run.clone(),
            opened_at: now,
            plan: plan.clone(),
            records: Vec::new(),
            ending: None,
            abort_by: None,
        });
        Ok(())
    }

    async fn append(&self, lease: &Lease, run: &RunId, events: &[Event], now: Timestamp) -> Result<Vec<Record>> {
        let mut state = self.state();
        state.check(lease)?;
        let index = state.index(run)?;
        let (records, ending) = state.runs[index].prepare(lease.token, now, events)?;
        state.runs[index].commit(records.clone(), ending);
        Ok(records)
    }

    async fn records(&self, run: &RunId) -> Result<Vec<Record>> {
        Ok(self.state().run(run)?.records.clone())
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunSummary>> {
        Ok(self.state().runs.iter().rev().take(limit).map(Run::summary).collect())
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary> {
        Ok(self.state().run(run)?.summary())
    }

    async fn request_abort(&self, run: &RunId, by: &str, _now: Timestamp) -> Result<()> {
        let mut state = self.state();
        let index = state.index(run)?;
        let run = &mut state.runs[index];
        if let Some(ending) = &run.ending {
            return Err(rules::ended(&run.id, ending));
        }
        run.abort_by.get_or_insert_with(|| by.to_owned());
        Ok(())
    }

    async fn abort_requested(&self, run: &RunId) -> Result<Option<String>> {
        Ok(self.state().run(run)?.abort_by.clone())
    }
}

#[async_trait]
impl Notebook for MemoryJournal {
    async fn note(&self, notes: &[Note], now: Timestamp) -> Result<()> {
        let mut state = self.state();
        for note in notes {
            let seq = state.notes.last().map_or(1, |noted| noted.seq + 1);
            state.notes.push(Noted { seq, at: now, note: note.clone() });
        }
        Ok(())
    }

    async fn notes(&self, limit: usize) -> Result<Vec<Noted>> {
        Ok(self.state().notes.iter().rev().take(limit).cloned().collect())
    }

    async fn clone_notes(&self) -> Result<Vec<Noted>> {
        Ok(self.state().notes.iter().filter(|noted| noted.note.is_of_clones()).cloned().collect())
    }

    async fn withdrawn(&self) -> Result<BTreeMap<RouteTarget, Withdrawal>> {
        Ok(withdrawals(&self.state().notes))
    }
}

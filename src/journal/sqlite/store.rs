//! The journal's operations, each one transaction. Runs on the store's own thread only.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    fault::Fault,
    file::{self, Identity},
    rows, sql,
};
use crate::{
    journal::{Ending, Event, JournalError, Lease, Record, Result, RunSummary, chain, holder, rules},
    model::RunId,
    plan::Plan,
};

/// The open journal.
pub(super) struct Store {
    path: PathBuf,
    access: Access,
}

enum Access {
    Writer {
        db: Connection,
        /// The file that `db` has open: writing on after it was moved away or replaced would be lost.
        file: Identity,
    },
    Reader {
        /// Why it cannot be written.
        why: String,
    },
}

impl Store {
    /// Opens the journal; where it can be read but not written, for reading.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let opened = file::open_writer(&path).and_then(|db| Ok((db, Identity::of(&path)?)));
        let fault = match opened {
            Ok((db, file)) => return Ok(Self { path, access: Access::Writer { db, file } }),
            Err(fault) => fault,
        };
        // Busy is no reason to give up writing for good, only to say so.
        if fault.is_busy() || file::open_reader(&path).is_err() {
            return Err(fault.told(&path));
        }
        let why = match fault.told(&path) {
            JournalError::Storage { reason, .. } => reason,
            other => other.to_string(),
        };
        Ok(Self { path, access: Access::Reader { why } })
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Connection {
        match &self.access {
            Access::Writer { db, .. } => db,
            Access::Reader { why } => panic!("not open for writing: {why}"),
        }
    }

    /// All of `work` becomes durable, or none of it. The write lock is taken at the start (IMMEDIATE): what `work`
    /// reads (the token above all) stays true until it is committed.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, Fault>,
    ) -> Result<T> {
        let Self { path, access } = self;
        let result = match access {
            Access::Writer { db, file } => write(db, || unmoved(path, *file), work),
            Access::Reader { why } => Err(Fault::Bad(format!("it can only be read here: {why}"))),
        };
        result.map_err(|fault| fault.told(path))
    }

    /// What `work` reads is all from the same moment.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, Fault>) -> Result<T> {
        let result = match &self.access {
            Access::Writer { db, .. } => read(db, work),
            Access::Reader { .. } => file::open_reader(&self.path).and_then(|db| read(&db, work)),
        };
        result.map_err(|fault| fault.told(&self.path))
    }

    pub(super) fn acquire(&mut self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Lease> {
        self.write(|tx| {
            let (token, held) = rows::lease(tx)?;
            if let Some(held) = held.filter(|l| stands(l, now)) {
                return Err(JournalError::Held { holder: held.holder, until: held.until }.into());
            }
            set_lease(tx, Lease { holder: holder.to_owned(), token: token + 1, until: rules::until(now, ttl) })
        })
    }

    pub(super) fn renew(&mut self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease> {
        self.write(|tx| {
            check(tx, lease)?;
            set_lease(tx, Lease { until: rules::until(now, ttl), ..lease.clone() })
        })
    }

    pub(super) fn release(&mut self, lease: &Lease) -> Result<()> {
        self.write(|tx| match check(tx, lease) {
            Err(Fault::Told(JournalError::Fenced { .. })) => Ok(()),
            Err(fault) => Err(fault),
            Ok(()) => Ok(tx.execute(sql::END_LEASE, []).map(drop)?),
        })
    }

    pub(super) fn holder(&self, now: Timestamp) -> Result<Option<Lease>> {
        self.read(|tx| Ok(rows::lease(tx)?.1.filter(|l| stands(l, now))))
    }

    pub(super) fn open_run(
        &mut self,
        lease: &Lease,
        run: &RunId,
        plan: &Plan,
        closing: Option<(RunId, Ending)>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(|tx| {
            check(tx, lease)?;
            if rows::find(tx, run)?.is_some() {
                return Err(rules::exists(run).into());
            }
            if let Some((closed, ending)) = closing {
                let closed = rows::get(tx, &closed)?;
                rows::extend(tx, closed, lease.token, &[Event::Ended { ending }], now)?;
            }
            if let Some(open) = tx.query_row(sql::BLOCKING, [], |row| row.get::<_, String>(0)).optional()? {
                return Err(JournalError::RunOpen(RunId::new(open)).into());
            }
            let plan = serde_json::to_string(plan)?;
            tx.execute(sql::ADD_RUN, params![run.as_str(), now.to_string(), plan, chain::digest(&plan)])?;
            Ok(())
        })
    }

    pub(super) fn append(
        &mut self,
        lease: &Lease,
        run: &RunId,
        events: &[Event],
        now: Timestamp,
    ) -> Result<Vec<Record>> {
        self.write(|tx| {
            check(tx, lease)?;
            rows::extend(tx, rows::get(tx, run)?, lease.token, events, now)
        })
    }

    pub(super) fn records(&self, run: &RunId) -> Result<Vec<Record>> {
        self.read(|tx| rows::records(tx, &rows::get(tx, run)?))
    }

    pub(super) fn runs(&self, limit: usize) -> Result<Vec<RunSummary>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|tx| tx.prepare_cached(sql::SUMMARIES)?.query_and_then([limit], rows::summary)?.collect())
    }

    pub(super) fn run(&self, run: &RunId) -> Result<RunSummary> {
        self.read(|tx| {
            let mut query = tx.prepare_cached(sql::SUMMARY)?;
            let mut found = query.query_and_then([run.as_str()], rows::summary)?;
            found.next().unwrap_or_else(|| Err(JournalError::NoSuchRun(run.clone()).into()))
        })
    }

    pub(super) fn request_abort(&mut self, run: &RunId, by: &str, now: Timestamp) -> Result<()> {
        self.write(|tx| {
            let row = rows::get(tx, run)?;
            if let Some(ending) = &row.ending {
                return Err(rules::ended(run, ending).into());
            }
            tx.execute(sql::ASK_ABORT, params![row.number, by, now.to_string()])?;
            Ok(())
        })
    }

    pub(super) fn abort_requested(&self, run: &RunId) -> Result<Option<String>> {
        self.read(|tx| {
            let number = rows::get(tx, run)?.number;
            Ok(tx.prepare_cached(sql::ABORT_BY)?.query_row([number], |row| row.get(0))?)
        })
    }
}

fn write<T>(
    db: &mut Connection,
    ready: impl FnOnce() -> std::result::Result<(), Fault>,
    work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, Fault>,
) -> std::result::Result<T, Fault> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    ready()?;
    let done = work(&tx)?;
    tx.commit()?;
    Ok(done)
}

fn read<T>(
    db: &Connection,
    work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, Fault>,
) -> std::result::Result<T, Fault> {
    work(&db.unchecked_transaction()?)
}

fn unmoved(path: &std::path::Path, file: Identity) -> std::result::Result<(), Fault> {
    match Identity::of(path) {
        Ok(now) if now == file => Ok(()),
        Ok(_) => Err(Fault::Bad("it was replaced by another file while it was open".to_owned())),
        Err(error) => Err(Fault::Bad(format!("it was moved away while it was open: {error}"))),
    }
}

/// Whether a lease still keeps others out. A holder known to be dead keeps out nobody: what it began is in the
/// journal, and it cannot come back under its token.
fn stands(lease: &Lease, now: Timestamp) -> bool {
    lease.until > now && !holder::is_dead(&lease.holder)
}

/// Only a lease that still stands under the newest token may write or be prolonged.
fn check(tx: &Transaction<'_>, lease: &Lease) -> std::result::Result<(), Fault> {
    let (current, held) = rows::lease(tx)?;
    match held {
        Some(held) if held.token == lease.token && held.holder == lease.holder => Ok(()),
        _ => Err(JournalError::Fenced { ours: lease.token, current }.into()),
    }
}

fn set_lease(tx: &Transaction<'_>, lease: Lease) -> std::result::Result<Lease, Fault> {
    tx.execute(sql::SET_LEASE, params![lease.token, lease.holder, lease.until.to_string()])?;
    Ok(lease)
}

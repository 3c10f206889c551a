//! The notes' table: what it takes in and gives back. What is withdrawn is never forgotten; other notes are, the oldest
//! first, so that a service that flaps for a year does not fill a disk.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{fault::Fault, rows, sql, store::Store};
use crate::{
    journal::{Note, Noted, Result, Withdrawal, withdrawals},
    model::RouteTarget,
};

/// Notes that are kept besides those of withdrawals.
const KEPT: u64 = 100_000;

impl Store {
    pub(super) fn note(&mut self, notes: &[Note], now: Timestamp) -> Result<()> {
        self.write(|tx| {
            for note in notes {
                add(tx, note, now)?;
            }
            Ok(())
        })
    }

    pub(super) fn notes(&self, limit: usize) -> Result<Vec<Noted>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|tx| match has_notes(tx)? {
            true => tx.prepare_cached(sql::NOTES)?.query_and_then([limit], rows::noted)?.collect(),
            false => Ok(Vec::new()),
        })
    }

    pub(super) fn clone_notes(&self) -> Result<Vec<Noted>> {
        self.read(|tx| match has_notes(tx)? {
            true => tx.prepare_cached(sql::CLONE_NOTES)?.query_and_then([], rows::noted)?.collect(),
            false => Ok(Vec::new()),
        })
    }

    pub(super) fn withdrawn(&self) -> Result<BTreeMap<RouteTarget, Withdrawal>> {
        self.read(|tx| {
            if !has_notes(tx)? {
                return Ok(BTreeMap::new());
            }
            let notes: std::result::Result<Vec<Noted>, Fault> =
                tx.prepare_cached(sql::WITHDRAWALS)?.query_and_then([], rows::noted)?.collect();
            Ok(withdrawals(&notes?))
        })
    }
}

fn add(tx: &Transaction<'_>, note: &Note, now: Timestamp) -> std::result::Result<(), Fault> {
    let text = serde_json::to_string(note)?;
    tx.execute(sql::ADD_NOTE, params![now.to_string(), note.word(), note.is_kept(), text])?;
    let seq = u64::try_from(tx.last_insert_rowid()).unwrap_or_default();
    if seq % 1000 == 0 {
        tx.execute(sql::FORGET_NOTES, [seq.saturating_sub(KEPT)])?;
    }
    Ok(())
}

/// A journal that an older tidegate made, and that this one could not write, has none.
fn has_notes(db: &Connection) -> std::result::Result<bool, Fault> {
    Ok(db.query_row(sql::HAS_NOTES, [], |row| row.get(0))?)
}

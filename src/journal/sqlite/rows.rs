//! Rows and what they mean, both ways.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::{fault::Fault, sql};
use crate::{
    journal::{
        Ending, Event, JournalError, Lease, Noted, Record, RunSummary,
        chain::{self, Head},
        rules,
    },
    model::RunId,
};

/// The newest token, and the lease where one stands.
pub(super) fn lease(db: &Connection) -> Result<(u64, Option<Lease>), Fault> {
    let row = db.prepare_cached(sql::LEASE)?.query_row([], |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let (token, holder, until) = row;
    let lease = match (holder, until) {
        (Some(holder), Some(until)) => Some(Lease { holder, token, until: time(&until)? }),
        _ => None,
    };
    Ok((token, lease))
}

/// A run, as appending needs it.
pub(super) struct RunRow {
    pub(super) run: RunId,
    pub(super) number: i64,
    pub(super) head: Head,
    pub(super) ending: Option<Ending>,
}

pub(super) fn find(db: &Connection, run: &RunId) -> Result<Option<RunRow>, Fault> {
    let row = db
        .prepare_cached(sql::RUN)?
        .query_row([run.as_str()], |row| {
            let head = Head { seq: row.get(1)?, hash: row.get(2)? };
            Ok((row.get(0)?, head, row.get::<_, Option<String>>(3)?))
        })
        .optional()?;
    row.map(|(number, head, ending)| Ok(RunRow { run: run.clone(), number, head, ending: json_or_none(ending)? }))
        .transpose()
}

pub(super) fn get(db: &Connection, run: &RunId) -> Result<RunRow, Fault> {
    find(db, run)?.ok_or_else(|| JournalError::NoSuchRun(run.clone()).into())
}

/// Adds events to a run, within the caller's transaction.
pub(super) fn extend(
    db: &Connection,
    run: RunRow,
    token: u64,
    events: &[Event],
    now: Timestamp,
) -> Result<Vec<Record>, Fault> {
    let ending = rules::admit(&run.run, run.ending.clone(), events)?;
    let records = chain::extend(&run.head, token, now, events)?;
    let Some(last) = records.last() else { return Ok(records) };
    let mut add = db.prepare_cached(sql::ADD_RECORD)?;
    for record in &records {
        let event = serde_json::to_string(&record.event)?;
        add.execute(params![run.number, record.seq, record.at.to_string(), token, event, record.hash])?;
    }
    db.prepare_cached(sql::SET_HEAD)?.execute(params![run.number, last.seq, last.hash])?;
    if ending != run.ending {
        let (text, blocks) = (ending.as_ref().map(serde_json::to_string).transpose()?, rules::blocks(ending.as_ref()));
        db.prepare_cached(sql::SET_ENDING)?.execute(params![run.number, text, now.to_string(), blocks])?;
    }
    Ok(records)
}

/// A run's records, each checked against the chain as it is stored, and the last against the run's head.
pub(super) fn records(db: &Connection, run: &RunRow) -> Result<Vec<Record>, Fault> {
    let damaged = |seq: u64, why: &str| Fault::Bad(format!("it is damaged: record {seq} of run {} {why}", run.run));
    let mut query = db.prepare_cached(sql::RECORDS)?;
    let mut rows = query.query([run.number])?;
    let (mut head, mut records) = (Head::default(), Vec::new());
    while let Some(row) = rows.next()? {
        let (seq, token, hash): (u64, u64, String) = (row.get(0)?, row.get(2)?, row.get(4)?);
        let (at, event) = (time(&row.get::<_, String>(1)?)?, row.get::<_, String>(3)?);
        head = head.follow(seq, at, token, &event, &hash).map_err(|s| damaged(s, "is missing or was changed"))?;
        let event = serde_json::from_str(&event).map_err(|e| damaged(seq, &format!("cannot be read: {e}")))?;
        records.push(Record { seq, at, token, event, hash });
    }
    if head != run.head {
        return Err(damaged(head.seq + 1, "is missing or was not announced"));
    }
    Ok(records)
}

pub(super) fn summary(row: &Row<'_>) -> Result<RunSummary, Fault> {
    let (run, plan): (String, String) = (row.get(0)?, row.get(2)?);
    if chain::digest(&plan) != row.get::<_, String>(3)? {
        return Err(Fault::Bad(format!("it is damaged: the plan of run {run} was changed")));
    }
    Ok(RunSummary {
        opened_at: time(&row.get::<_, String>(1)?)?,
        plan: serde_json::from_str(&plan)
            .map_err(|e| Fault::Bad(format!("the plan of run {run} cannot be read: {e}")))?,
        ending: json_or_none(row.get(4)?)?,
        ended_at: row.get::<_, Option<String>>(5)?.as_deref().map(time).transpose()?,
        run: RunId::new(run),
    })
}

pub(super) fn noted(row: &Row<'_>) -> Result<Noted, Fault> {
    let (seq, text): (u64, String) = (row.get(0)?, row.get(2)?);
    let note = serde_json::from_str(&text).map_err(|e| Fault::Bad(format!("note {seq} cannot be read: {e}")))?;
    Ok(Noted { seq, at: time(&row.get::<_, String>(1)?)?, note })
}

pub(super) fn json_or_none<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, Fault> {
    Ok(text.as_deref().map(serde_json::from_str).transpose()?)
}

pub(super) fn time(text: &str) -> Result<Timestamp, Fault> {
    text.parse().map_err(|e| Fault::Bad(format!("it is damaged: {text:?} is no time: {e}")))
}

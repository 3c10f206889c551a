//! The plays' tables: what they take in and give back.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    SqliteJournal,
    fault::Fault,
    rows::{json_or_none, time},
    sql,
    store::Store,
};
use crate::{
    journal::{
        JournalError, PlayRecord, PlaySummary, Plays, Result,
        chain::{self, Head},
        holder,
    },
    model::PlayId,
    playbook::{Opening, PlayEnding, PlayEvent},
};

/// A play, as appending needs it.
struct PlayRow {
    play: PlayId,
    number: i64,
    head: Head,
    ending: Option<PlayEnding>,
    holder: Option<String>,
}

impl PlayRow {
    fn refused(&self, why: impl Into<String>) -> Fault {
        JournalError::PlayRefused { play: self.play.clone(), why: why.into() }.into()
    }

    fn open(self) -> std::result::Result<Self, Fault> {
        match &self.ending {
            Some(ending) => Err(self.refused(format!("it has ended: {}", ending.word()))),
            None => Ok(self),
        }
    }
}

impl Store {
    fn open_play(&mut self, play: &PlayId, opening: &Opening, holder: &str, now: Timestamp) -> Result<()> {
        self.write(|tx| {
            if let Some(open) = tx.query_row(sql::OPEN_PLAY, [], |row| row.get::<_, String>(0)).optional()? {
                return Err(JournalError::PlayOpen(PlayId::new(open)).into());
            }
            let text = serde_json::to_string(opening)?;
            let hash = chain::digest(&text);
            tx.execute(sql::ADD_PLAY, params![play.as_str(), now.to_string(), text, hash, holder])?;
            Ok(())
        })
    }

    fn take_play(&mut self, play: &PlayId, by: &str, now: Timestamp) -> Result<()> {
        self.write(|tx| {
            let row = get(tx, play)?.open()?;
            if let Some(holder) = row.holder.clone().filter(|held| held != by && !holder::is_dead(held)) {
                return Err(row.refused(format!("{holder} is at work on it")));
            }
            tx.execute(sql::SET_PLAY_HOLDER, params![row.number, by])?;
            extend(tx, row, &[PlayEvent::Taken { by: by.to_owned() }], now)
        })
    }

    fn leave_play(&mut self, play: &PlayId, by: &str) -> Result<()> {
        self.write(|tx| {
            let row = get(tx, play)?;
            if row.holder.as_deref() == Some(by) {
                tx.execute(sql::SET_PLAY_HOLDER, params![row.number, None::<String>])?;
            }
            Ok(())
        })
    }

    fn append_play(&mut self, play: &PlayId, by: Option<&str>, events: &[PlayEvent], now: Timestamp) -> Result<()> {
        self.write(|tx| {
            let row = get(tx, play)?.open()?;
            if by.is_some() && row.holder.as_deref() != by {
                return Err(row.refused("another program has taken it up"));
            }
            extend(tx, row, events, now)
        })
    }

    fn play(&self, play: &PlayId) -> Result<PlaySummary> {
        self.read(|tx| {
            let missing = || Err(JournalError::NoSuchPlay(play.clone()).into());
            if !has_plays(tx)? {
                return missing();
            }
            let mut query = tx.prepare_cached(sql::PLAY_SUMMARY)?;
            let mut found = query.query_and_then([play.as_str()], summary)?;
            found.next().unwrap_or_else(missing)
        })
    }

    fn play_records(&self, play: &PlayId) -> Result<Vec<PlayRecord>> {
        self.read(|tx| records(tx, &get(tx, play)?))
    }

    fn plays(&self, limit: usize) -> Result<Vec<PlaySummary>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|tx| match has_plays(tx)? {
            true => tx.prepare_cached(sql::PLAY_SUMMARIES)?.query_and_then([limit], summary)?.collect(),
            false => Ok(Vec::new()),
        })
    }
}

/// A journal that an older tidegate made, and that this one could not write, has none.
fn has_plays(db: &Connection) -> std::result::Result<bool, Fault> {
    Ok(db.query_row(sql::HAS_PLAYS, [], |row| row.get(0))?)
}

fn get(db: &Connection, play: &PlayId) -> std::result::Result<PlayRow, Fault> {
    let missing = || Fault::from(JournalError::NoSuchPlay(play.clone()));
    if !has_plays(db)? {
        return Err(missing());
    }
    let row = db.prepare_cached(sql::PLAY)?.query_row([play.as_str()], |row| {
        let head = Head { seq: row.get(1)?, hash: row.get(2)? };
        Ok((row.get(0)?, head, row.get::<_, Option<String>>(3)?, row.get(4)?))
    });
    let (number, head, ending, holder) = row.optional()?.ok_or_else(missing)?;
    Ok(PlayRow { play: play.clone(), number, head, ending: json_or_none(ending)?, holder })
}

fn extend(tx: &Transaction<'_>, row: PlayRow, events: &[PlayEvent], now: Timestamp) -> std::result::Result<(), Fault> {
    let mut head = row.head;
    let mut ending = None;
    let mut add = tx.prepare_cached(sql::ADD_PLAY_RECORD)?;
    for event in events {
        let (seq, text) = (head.seq + 1, serde_json::to_string(event)?);
        let hash = chain::link(&head.hash, seq, now, 0, &text);
        add.execute(params![row.number, seq, now.to_string(), text, hash])?;
        head = Head { seq, hash };
        if let PlayEvent::Ended { ending: how } = event {
            ending = Some(how.clone());
        }
    }
    tx.execute(sql::SET_PLAY_HEAD, params![row.number, head.seq, head.hash])?;
    if let Some(ending) = ending {
        let text = serde_json::to_string(&ending)?;
        tx.execute(sql::SET_PLAY_ENDING, params![row.number, text, now.to_string()])?;
    }
    Ok(())
}

/// Each checked against the chain as it is stored, and the last against the play's head.
fn records(db: &Connection, row: &PlayRow) -> std::result::Result<Vec<PlayRecord>, Fault> {
    let damaged = |seq: u64, why: &str| Fault::Bad(format!("it is damaged: record {seq} of play {} {why}", row.play));
    let mut query = db.prepare_cached(sql::PLAY_RECORDS)?;
    let mut rows = query.query([row.number])?;
    let (mut head, mut records) = (Head::default(), Vec::new());
    while let Some(found) = rows.next()? {
        let (seq, text, hash): (u64, String, String) = (found.get(0)?, found.get(2)?, found.get(3)?);
        let at = time(&found.get::<_, String>(1)?)?;
        head = head.follow(seq, at, 0, &text, &hash).map_err(|s| damaged(s, "is missing or was changed"))?;
        let event = serde_json::from_str(&text).map_err(|e| damaged(seq, &format!("cannot be read: {e}")))?;
        records.push(PlayRecord { seq, at, event, hash });
    }
    if head != row.head {
        return Err(damaged(head.seq + 1, "is missing or was not announced"));
    }
    Ok(records)
}

fn summary(row: &Row<'_>) -> std::result::Result<PlaySummary, Fault> {
    let (play, opening): (String, String) = (row.get(0)?, row.get(2)?);
    if chain::digest(&opening) != row.get::<_, String>(3)? {
        return Err(Fault::Bad(format!("it is damaged: the opening of play {play} was changed")));
    }
    Ok(PlaySummary {
        opened_at: time(&row.get::<_, String>(1)?)?,
        opening: serde_json::from_str(&opening)
            .map_err(|e| Fault::Bad(format!("the opening of play {play} cannot be read: {e}")))?,
        holder: row.get(4)?,
        ending: json_or_none(row.get(5)?)?,
        ended_at: row.get::<_, Option<String>>(6)?.as_deref().map(time).transpose()?,
        head: (row.get(7)?, row.get(8)?),
        play: PlayId::new(play),
    })
}

#[async_trait]
impl Plays for SqliteJournal {
    async fn open_play(&self, play: &PlayId, opening: &Opening, holder: &str, now: Timestamp) -> Result<()> {
        let (play, opening, holder) = (play.clone(), opening.clone(), holder.to_owned());
        self.call(move |store| store.open_play(&play, &opening, &holder, now)).await
    }

    async fn take_play(&self, play: &PlayId, holder: &str, now: Timestamp) -> Result<()> {
        let (play, holder) = (play.clone(), holder.to_owned());
        self.call(move |store| store.take_play(&play, &holder, now)).await
    }

    async fn leave_play(&self, play: &PlayId, holder: &str) -> Result<()> {
        let (play, holder) = (play.clone(), holder.to_owned());
        self.call(move |store| store.leave_play(&play, &holder)).await
    }

    async fn append_play(&self, play: &PlayId, holder: &str, events: &[PlayEvent], now: Timestamp) -> Result<()> {
        let (play, holder, events) = (play.clone(), holder.to_owned(), events.to_vec());
        self.call(move |store| store.append_play(&play, Some(&holder), &events, now)).await
    }

    async fn tell_play(&self, play: &PlayId, event: &PlayEvent, now: Timestamp) -> Result<()> {
        let (play, event) = (play.clone(), event.clone());
        self.call(move |store| store.append_play(&play, None, &[event], now)).await
    }

    async fn play(&self, play: &PlayId) -> Result<PlaySummary> {
        let play = play.clone();
        self.call(move |store| store.play(&play)).await
    }

    async fn play_records(&self, play: &PlayId) -> Result<Vec<PlayRecord>> {
        let play = play.clone();
        self.call(move |store| store.play_records(&play)).await
    }

    async fn plays(&self, limit: usize) -> Result<Vec<PlaySummary>> {
        self.call(move |store| store.plays(limit)).await
    }
}

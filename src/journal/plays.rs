//! The journal of plays: what a playbook was opened with, and everything that happened. It has a hash chain of its own, as
//! each run has.
//!
//! Whatever stores it promises what a journal of runs does: `append_play` returns once the records are durable, or has stored
//! none of them; one play is open at a time; only the program that took it up last appends to it, and another takes it up
//! only where that one is known to be dead or gave it back. A person's word (an approval, giving it up) needs no such right.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Result, chain::Head};
use crate::{
    model::PlayId,
    playbook::{Opening, PlayEnding, PlayEvent, PlayState},
};

/// One line of a play's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlayRecord {
    /// Position in the play, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: PlayEvent,
    /// SHA-256 (hex) over the former record's hash and this record.
    pub hash: String,
}

/// A play as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaySummary {
    /// The play.
    pub play: PlayId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What it was opened with.
    pub opening: Opening,
    /// Who is at work on it, or was last; none after it was given back.
    pub holder: Option<String>,
    /// How it ended, at last.
    pub ending: Option<PlayEnding>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The end of its chain: (records, hash).
    pub head: (u64, String),
}

/// A play with all that happened.
#[derive(Clone, Debug)]
pub struct PlayReading {
    /// What it was opened with.
    pub summary: PlaySummary,
    /// Its records.
    pub records: Vec<PlayRecord>,
    /// Where it is.
    pub state: PlayState,
}

impl PlayReading {
    /// Reads one.
    pub async fn of(plays: &dyn Plays, play: &PlayId) -> Result<Self> {
        // In this order: what ended between the two is told as ended.
        let records = plays.play_records(play).await?;
        let summary = plays.play(play).await?;
        let state = PlayState::fold(records.iter().map(|record| (record.at, &record.event)));
        Ok(Self { summary, records, state })
    }
}

/// Somewhere to keep plays.
#[async_trait]
pub trait Plays: Send + Sync {
    /// Opens a play, held by `holder`. Fails with [`super::JournalError::PlayOpen`] while another is open.
    async fn open_play(&self, play: &PlayId, opening: &Opening, holder: &str, now: Timestamp) -> Result<()>;

    /// Takes an open play up. Fails with [`super::JournalError::Held`] while a program is at work on it that is not known
    /// to be dead.
    async fn take_play(&self, play: &PlayId, holder: &str, now: Timestamp) -> Result<()>;

    /// Gives it back: anybody may take it up. One that was taken over is no error.
    async fn leave_play(&self, play: &PlayId, holder: &str) -> Result<()>;

    /// Appends, all or none. Fails with [`super::JournalError::PlayRefused`] where it has ended or another program has it.
    async fn append_play(&self, play: &PlayId, holder: &str, events: &[PlayEvent], now: Timestamp) -> Result<()>;

    /// Appends what a person says, whoever is at work on it.
    async fn tell_play(&self, play: &PlayId, event: &PlayEvent, now: Timestamp) -> Result<()>;

    /// One play.
    async fn play(&self, play: &PlayId) -> Result<PlaySummary>;

    /// Its records from the first on, checked to be as they were written.
    async fn play_records(&self, play: &PlayId) -> Result<Vec<PlayRecord>>;

    /// All plays, newest first, at most `limit`.
    async fn plays(&self, limit: usize) -> Result<Vec<PlaySummary>>;
}

impl PlaySummary {
    /// The head of its chain.
    pub fn chain_head(&self) -> Head {
        Head { seq: self.head.0, hash: self.head.1.clone() }
    }
}

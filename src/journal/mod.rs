//! The journal: what was intended, what happened, and what is known because of it. A run *is* its journal; its
//! state is a fold over these records, and nothing else remembers anything.
//!
//! Whatever stores it promises:
//! * `append` returns once the records are durable, or fails and has stored none of them;
//! * only the holder of the newest fencing token appends: a stale executor is told [`JournalError::Fenced`];
//! * an abort can be asked for by anybody, at any time, without the token;
//! * a run is open until its first `Ended` record and takes nothing after it, but for `Acknowledged` after `Stuck`,
//!   and `Drifted` after `Done`;
//!   a run that is open or stuck keeps others from being opened.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    model::{PlayId, RouteTarget, RunId},
    plan::Plan,
};

pub mod chain;
pub mod event;
pub mod holder;
pub mod memory;
pub mod note;
pub mod plays;
mod rules;
pub mod sqlite;

pub use event::{Counted, Drift, Ending, Event, Held, MAX_NOTED};
pub use holder::holder_id;
pub use note::{Note, Noted, Withdrawal, withdrawals};
pub use plays::{PlayReading, PlayRecord, PlaySummary, Plays};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the run, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The fencing token under which it was written.
    pub token: u64,
    /// What happened.
    pub event: Event,
    /// SHA-256 (hex) over the former record's hash and this record: a changed or missing line shows.
    pub hash: String,
}

/// The right to move the cluster, held by one executor at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it: `user@host:pid/start`, as [`holder_id`] makes it.
    pub holder: String,
    /// Rises with every acquisition.
    pub token: u64,
    /// Until when it is valid without being renewed.
    pub until: Timestamp,
}

/// A run as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its plan.
    pub plan: Plan,
    /// How it ended, at last; `None` while it is open (running, held, or its program died).
    pub ending: Option<Ending>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Why the journal did not take or give something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another executor has taken over; this one must not act any more.
    #[error("the cluster's lease was taken over by another executor (token {current}, ours is {ours})")]
    Fenced {
        /// Our token.
        ours: u64,
        /// The newest.
        current: u64,
    },
    /// Somebody else holds the lease.
    #[error("{holder} holds the cluster's lease until {until}")]
    Held {
        /// Who.
        holder: String,
        /// Until when.
        until: Timestamp,
    },
    /// Another run is open.
    #[error("run {0} is still open")]
    RunOpen(RunId),
    /// There is no such run.
    #[error("there is no run {0} in the journal")]
    NoSuchRun(RunId),
    /// The run is not in a state that takes this: it has ended, or it exists already.
    #[error("run {run}: {why}")]
    Refused {
        /// The run.
        run: RunId,
        /// What stands against it.
        why: String,
    },
    /// Another play is open.
    #[error("play {0} is still open")]
    PlayOpen(PlayId),
    /// There is no such play.
    #[error("there is no play {0} in the journal")]
    NoSuchPlay(PlayId),
    /// The play is not in a state that takes this.
    #[error("play {play}: {why}")]
    PlayRefused {
        /// The play.
        play: PlayId,
        /// What stands against it.
        why: String,
    },
    /// It cannot be written or read: disk full, permission, a damaged file.
    #[error("the journal {path} failed: {reason}")]
    Storage {
        /// Where it is.
        path: String,
        /// What the storage said.
        reason: String,
    },
}

/// The result of a journal call.
pub type Result<T> = std::result::Result<T, JournalError>;

/// Somewhere to keep runs.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Takes the cluster's lease. Fails with [`JournalError::Held`] while another holder's lease is valid;
    /// `now` decides, and the token rises. The same holder asking again is refused like any other. A store of real
    /// runs takes over at once from a process that it can show to be dead ([`holder::is_dead`]).
    async fn acquire(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Lease>;

    /// Prolongs the lease. Fails with [`JournalError::Fenced`] where it was taken over or given back; one that ran
    /// out and that nobody took is prolonged.
    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease>;

    /// Gives the lease back; a lease already lost is no error.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// Who holds the lease at `now`, if anybody.
    async fn holder(&self, now: Timestamp) -> Result<Option<Lease>>;

    /// Opens a run with its plan. Fails with [`JournalError::RunOpen`] while another run is open or stuck, with
    /// [`JournalError::Refused`] where this one exists already. Where
    /// `closing` names a run and its ending, that run is ended in the same transaction: an abort and the run
    /// that undoes it are one durable fact.
    async fn open(
        &self,
        lease: &Lease,
        run: &RunId,
        plan: &Plan,
        closing: Option<(&RunId, Ending)>,
        now: Timestamp,
    ) -> Result<()>;

    /// Appends events to a run, all or none. Fails with [`JournalError::Refused`] where the run has ended.
    async fn append(&self, lease: &Lease, run: &RunId, events: &[Event], now: Timestamp) -> Result<Vec<Record>>;

    /// A run's records from the first on, checked to be as they were written.
    async fn records(&self, run: &RunId) -> Result<Vec<Record>>;

    /// All runs, newest first, at most `limit`.
    async fn runs(&self, limit: usize) -> Result<Vec<RunSummary>>;

    /// One run.
    async fn run(&self, run: &RunId) -> Result<RunSummary>;

    /// Asks for a run to be aborted; whoever executes it (now or later) sees it. Asking twice is asking once,
    /// and the first who asked is kept. Fails with [`JournalError::Refused`] where the run has ended.
    async fn request_abort(&self, run: &RunId, by: &str, now: Timestamp) -> Result<()>;

    /// Who asked for the run to be aborted, if anybody did.
    async fn abort_requested(&self, run: &RunId) -> Result<Option<String>>;
}

/// Somewhere to keep notes: what happens outside every run. It needs no lease; one guard writes at a time.
#[async_trait]
pub trait Notebook: Send + Sync {
    /// Writes notes down, all or none; durable when it returns.
    async fn note(&self, notes: &[Note], now: Timestamp) -> Result<()>;

    /// The newest notes, at most `limit`, the newest first.
    async fn notes(&self, limit: usize) -> Result<Vec<Noted>>;

    /// Every note of the clone manager ever written, the oldest first.
    async fn clone_notes(&self) -> Result<Vec<Noted>>;

    /// What is withdrawn, of all notes ever written.
    async fn withdrawn(&self) -> Result<BTreeMap<RouteTarget, Withdrawal>>;
}

//! A journal whose executor dies with it: after a given number of appends, durable or just not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tidegate::{
    journal::{Ending, Event, Journal, JournalError, Lease, Record, Result, RunSummary, memory::MemoryJournal},
    model::RunId,
    plan::Plan,
};
use tokio_util::sync::CancellationToken;

/// What happens at an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The program dies before the record is durable.
    Before(u64),
    /// The program dies right after it is.
    After(u64),
    /// The disk is full from here on.
    Full(u64),
    /// Nothing.
    Never,
}

pub struct Mortal {
    pub store: Arc<MemoryJournal>,
    pub at: At,
    pub died: CancellationToken,
    appends: AtomicU64,
}

impl Mortal {
    pub fn new(store: Arc<MemoryJournal>, at: At) -> Self {
        Self { store, at, died: CancellationToken::new(), appends: AtomicU64::new(0) }
    }

    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    /// Counts one append, and dies where it is time.
    async fn count(&self) -> Result<()> {
        let n = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        match self.at {
            At::Before(at) if n >= at => self.die().await,
            At::Full(at) if n >= at => {
                return Err(JournalError::Storage { path: "journal.db".into(), reason: "disk full".into() });
            }
            _ => {}
        }
        Ok(())
    }

    async fn after(&self) {
        if matches!(self.at, At::After(at) if self.appends() >= at) {
            self.die().await;
        }
    }

    async fn die(&self) {
        self.died.cancel();
        std::future::pending().await
    }
}

#[async_trait]
impl Journal for Mortal {
    async fn acquire(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Lease> {
        self.store.acquire(holder, now, ttl).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease> {
        self.store.renew(lease, now, ttl).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.store.release(lease).await
    }

    async fn holder(&self, now: Timestamp) -> Result<Option<Lease>> {
        self.store.holder(now).await
    }

    async fn open(
        &self,
        lease: &Lease,
        run: &RunId,
        plan: &Plan,
        closing: Option<(&RunId, Ending)>,
        now: Timestamp,
    ) -> Result<()> {
        self.count().await?;
        self.store.open(lease, run, plan, closing, now).await?;
        self.after().await;
        Ok(())
    }

    async fn append(&self, lease: &Lease, run: &RunId, events: &[Event], now: Timestamp) -> Result<Vec<Record>> {
        self.count().await?;
        let records = self.store.append(lease, run, events, now).await?;
        self.after().await;
        Ok(records)
    }

    async fn records(&self, run: &RunId) -> Result<Vec<Record>> {
        self.store.records(run).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunSummary>> {
        self.store.runs(limit).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary> {
        self.store.run(run).await
    }

    async fn request_abort(&self, run: &RunId, by: &str, now: Timestamp) -> Result<()> {
        self.store.request_abort(run, by, now).await
    }

    async fn abort_requested(&self, run: &RunId) -> Result<Option<String>> {
        self.store.abort_requested(run).await
    }
}

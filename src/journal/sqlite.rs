//! Runs kept in one SQLite file, for real work.
//!
//! The file is in WAL mode with `synchronous=FULL`: when a commit returns, its records have been synced to the disk.
//! One thread owns the connection; callers send it work over a bounded channel and await the answer, so that no
//! async task ever waits for a disk. Several processes may have the file open at once (an executor, and somebody
//! asking for `status` or `abort`): readers never wait, a writer waits at most two seconds for another.
//!
//! WAL needs shared memory, so all those processes are on one host, and the file is on a local disk.
//! Why SQLite: `docs/decisions/0003-journal-on-sqlite.md`.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::mpsc as blocking,
    thread,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::store::Store;
use super::{
    Ending, Event, Journal, JournalError, Lease, Note, Notebook, Noted, Record, Result, RunSummary, Withdrawal,
};
use crate::{
    model::{RouteTarget, RunId},
    plan::Plan,
};

mod fault;
mod file;
mod notes;
mod plays;
mod rows;
mod sql;
mod store;
#[cfg(test)]
mod tests;

/// Calls that wait for the thread; whoever comes after them waits for a place.
const QUEUE: usize = 64;

/// Longest time that dropping waits for the thread to finish what it was given.
const FAREWELL: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// A journal in a SQLite file.
///
/// A call whose future is dropped has been carried out or not, as with a crash; a call that has not begun by then
/// is not carried out any more. Dropping the journal finishes what was begun and closes the file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    /// Closed by the thread when it has closed the file.
    ended: std::sync::Mutex<blocking::Receiver<()>>,
}

impl SqliteJournal {
    /// Opens the journal; makes it (mode 0640) and its directories (mode 0750) where they are missing.
    ///
    /// Where it can be read but not written, reading works and every write fails with the reason. Fails with
    /// [`JournalError::Storage`] where it can be neither, where it is damaged, where it is another program's file,
    /// and where a newer tidegate wrote it.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (jobs, work) = mpsc::channel(QUEUE);
        let (opened, answer) = oneshot::channel();
        let (alive, ended) = blocking::channel();
        let at = path.clone();
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || serve(at, opened, work, alive))
            .map_err(|e: io::Error| failed(&path, e.to_string()))?;
        answer.await.map_err(|_| failed(&path, ENDED))??;
        Ok(Self { path, jobs: Some(jobs), ended: ended.into() })
    }

    /// Has the thread do something, and awaits the result.
    async fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut Store) -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            if !reply.is_closed() {
                // Nobody left to hear the answer: the same as a caller that died right after the call.
                let _ = reply.send(work(store));
            }
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| failed(&self.path, ENDED))?;
        jobs.send(job).await.map_err(|_| failed(&self.path, ENDED))?;
        answer.await.map_err(|_| failed(&self.path, ENDED))?
    }
}

const ENDED: &str = "its thread has ended";

fn failed(path: &Path, reason: impl Into<String>) -> JournalError {
    JournalError::Storage { path: path.display().to_string(), reason: reason.into() }
}

/// The thread: opens the file, says so, works until nobody can send any more. `_alive` goes last.
fn serve(
    path: PathBuf,
    opened: oneshot::Sender<Result<()>>,
    mut work: mpsc::Receiver<Job>,
    _alive: blocking::Sender<()>,
) {
    let mut store = match Store::open(path) {
        Ok(store) => store,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    if opened.send(Ok(())).is_err() {
        return;
    }
    while let Some(job) = work.blocking_recv() {
        job(&mut store);
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.jobs = None;
        if let Ok(ended) = self.ended.get_mut() {
            // Nothing is ever sent: this returns when the thread is gone. What it has in hand is at most the calls
            // that were given up; a caller that still waited would keep the journal alive.
            let _ = ended.recv_timeout(FAREWELL);
        }
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn acquire(&self, holder: &str, now: Timestamp, ttl: Duration) -> Result<Lease> {
        let holder = holder.to_owned();
        self.call(move |store| store.acquire(&holder, now, ttl)).await
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<Lease> {
        let lease = lease.clone();
        self.call(move |store| store.renew(&lease, now, ttl)).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.call(move |store| store.release(&lease)).await
    }

    async fn holder(&self, now: Timestamp) -> Result<Option<Lease>> {
        self.call(move |store| store.holder(now)).await
    }

    async fn open(
        &self,
        lease: &Lease,
        run: &RunId,
        plan: &Plan,
        closing: Option<(&RunId, Ending)>,
        now: Timestamp,
    ) -> Result<()> {
        let (lease, run, plan) = (lease.clone(), run.clone(), plan.clone());
        let closing = closing.map(|(run, ending)| (run.clone(), ending));
        self.call(move |store| store.open_run(&lease, &run, &plan, closing, now)).await
    }

    async fn append(&self, lease: &Lease, run: &RunId, events: &[Event], now: Timestamp) -> Result<Vec<Record>> {
        let (lease, run, events) = (lease.clone(), run.clone(), events.to_vec());
        self.call(move |store| store.append(&lease, &run, &events, now)).await
    }

    async fn records(&self, run: &RunId) -> Result<Vec<Record>> {
        let run = run.clone();
        self.call(move |store| store.records(&run)).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunSummary>> {
        self.call(move |store| store.runs(limit)).await
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary> {
        let run = run.clone();
        self.call(move |store| store.run(&run)).await
    }

    async fn request_abort(&self, run: &RunId, by: &str, now: Timestamp) -> Result<()> {
        let (run, by) = (run.clone(), by.to_owned());
        self.call(move |store| store.request_abort(&run, &by, now)).await
    }

    async fn abort_requested(&self, run: &RunId) -> Result<Option<String>> {
        let run = run.clone();
        self.call(move |store| store.abort_requested(&run)).await
    }
}

#[async_trait]
impl Notebook for SqliteJournal {
    async fn note(&self, notes: &[Note], now: Timestamp) -> Result<()> {
        let notes = notes.to_vec();
        self.call(move |store| store.note(&notes, now)).await
    }

    async fn notes(&self, limit: usize) -> Result<Vec<Noted>> {
        self.call(move |store| store.notes(limit)).await
    }

    async fn clone_notes(&self) -> Result<Vec<Noted>> {
        self.call(|store| store.clone_notes()).await
    }

    async fn withdrawn(&self) -> Result<BTreeMap<RouteTarget, Withdrawal>> {
        self.call(|store| store.withdrawn()).await
    }
}

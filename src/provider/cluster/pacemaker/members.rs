//! Asking the cluster through whichever member answers.
//!
//! The member that answered last is asked first. Where it takes long, the next one is asked as well, without
//! giving up on the first: the loss of the member in use costs one short wait and not a whole time limit. An
//! answer from a partition without quorum counts only when nobody offers a better one soon.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::cib::{Cib, unexpected};
use crate::{
    model::NodeName,
    provider::{
        ProviderError, Result,
        access::{Access, Output},
    },
};

/// Longest wait for one member before the next one is asked as well.
const PATIENCE: Duration = Duration::from_millis(400);

/// The line between the two documents of a reading. No line of an XML document that Pacemaker prints looks so.
const SEPARATOR: &str = "==tidegate==";

/// Prints the CIB, then what the scheduler makes of that same CIB, so that both are of one moment. Where the CIB
/// begins as `$2` does (versions, quorum, controller, time of the last change) it is the one that is known
/// already, and the separator alone says so: the scheduler costs three times as much as the query.
const READ: &str = r#"PATH="$PATH:/usr/sbin:/sbin"
cib=$(cibadmin --query) || exit
if [ "${cib%%>*}" = "$2" ]; then printf '%s\n' "$1"; exit; fi
printf '%s\n%s\n' "$cib" "$1"
printf '%s\n' "$cib" | crm_simulate --run --xml-pipe --output-as=xml"#;

/// Applies the patch in `$1` and prints the CIB after it, whether it was applied or came too late. An exit code of
/// 0 is not enough: Pacemaker 2.1.5 also reports success where a member that is *behind* the patch's version dropped
/// it and asked for a new copy.
const PATCH: &str = r#"PATH="$PATH:/usr/sbin:/sbin"
cibadmin --sync-call --patch --xml-text "$1"
code=$?
case $code in 0 | 103) cibadmin --query || exit 102 ;; esac
exit $code"#;

/// Exit code of Pacemaker's tools: no connection to the local cluster.
const DISCONNECT: i32 = 102;
/// Exit code of Pacemaker's tools: a patch was made for an older CIB.
const OLD: i32 = 103;

/// The members and the way to them.
pub(super) struct Members {
    access: Arc<dyn Access>,
    list: Vec<(NodeName, String)>,
    limit: Duration,
    /// Index of the member that answered last.
    last: AtomicUsize,
}

/// A CIB that was read, and how its text begins.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) head: String,
    pub(super) cib: Arc<Cib>,
}

/// What one member said.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Index of the member that said it.
    pub(super) member: usize,
    /// The CIB.
    pub(super) known: Known,
    /// The scheduler's output, unread; `None` where the CIB is the one that was known before.
    pub(super) simulation: Option<String>,
}

impl Reading {
    /// The CIB.
    pub(super) fn cib(&self) -> &Cib {
        &self.known.cib
    }
}

/// What an attempt to apply a patch leaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attempt {
    /// This CIB. Whether it has the change, or the patch came too late for it, is to be read in it.
    Leaves(Cib),
    /// Nothing: this member is not part of the cluster any more.
    Nothing,
}

impl Members {
    pub(super) fn new(access: Arc<dyn Access>, list: Vec<(NodeName, String)>, limit: Duration) -> Self {
        Self { access, list, limit, last: AtomicUsize::new(0) }
    }

    pub(super) fn access(&self) -> &dyn Access {
        &*self.access
    }

    /// Has this member asked first.
    pub(super) fn prefer(&self, member: usize) {
        self.last.store(member, Ordering::Relaxed);
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(_, host)| host.as_str())
    }

    /// The best answer that can be had within the limit.
    pub(super) async fn read(&self, known: Option<&Known>) -> Result<Reading> {
        let count = self.list.len();
        let first = self.last.load(Ordering::Relaxed);
        let mut next = (0..count).map(|i| (first + i) % count);
        let mut asked: FuturesUnordered<BoxFuture<'_, (usize, Result<Reading>)>> = FuturesUnordered::new();
        let mut failures: Vec<(usize, ProviderError)> = Vec::new();
        let mut minority: Option<Reading> = None;
        let stagger = PATIENCE.min(self.limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX));
        // Before the caller's own limit, so that it hears who said what.
        let mut deadline = Instant::now() + self.limit.mul_f64(0.9);
        let mut ask_next = Instant::now();
        let mut more = true;
        while more || !asked.is_empty() {
            tokio::select! {
                biased;
                Some((member, answer)) = asked.next(), if !asked.is_empty() => match answer {
                    Ok(reading) if reading.cib().quorate => {
                        self.last.store(member, Ordering::Relaxed);
                        return Ok(reading);
                    }
                    Ok(reading) => {
                        minority.get_or_insert(reading);
                        for member in next.by_ref() {
                            asked.push(Box::pin(self.ask(member, known)));
                        }
                        more = false;
                        deadline = deadline.min(Instant::now() + stagger);
                    }
                    Err(error) => {
                        failures.push((member, error));
                        ask_next = Instant::now();
                    }
                },
                () = sleep_until(ask_next), if more => {
                    match next.next() {
                        Some(member) => asked.push(Box::pin(self.ask(member, known))),
                        None => more = false,
                    }
                    ask_next = Instant::now() + stagger;
                }
                () = sleep_until(deadline) => break,
            }
        }
        if let Some(reading) = minority {
            self.last.store(reading.member, Ordering::Relaxed);
            return Ok(reading);
        }
        Err(self.no_answer(&failures, !asked.is_empty()))
    }

    /// Runs something that changes nothing on the member that answered last, or else on the next one that is part of a
    /// cluster.
    pub(super) async fn run(&self, argv: &[&str]) -> Result<Output> {
        let (count, first) = (self.list.len(), self.last.load(Ordering::Relaxed));
        let mut failures = Vec::new();
        for member in (0..count).map(|i| (first + i) % count) {
            match self.access.run(&self.list[member].1, argv, self.limit).await {
                Ok(Output { code: Some(DISCONNECT), .. }) => {
                    failures.push((member, ProviderError::Unreachable("the cluster is not running there".into())));
                }
                Ok(output) => return Ok(output),
                Err(error) => failures.push((member, error)),
            }
        }
        Err(self.no_answer(&failures, false))
    }

    /// Applies a patch through one member. An error means that the outcome is unknown, unless it is a refusal.
    pub(super) async fn apply(&self, member: usize, patch: &str, limit: Duration) -> Result<Attempt> {
        let Some((name, host)) = self.list.get(member) else {
            return Err(ProviderError::Unreachable("no such member".into()));
        };
        let output = match self.access.run(host, &["sh", "-c", PATCH, "tidegate", patch], limit).await {
            Ok(output) => output,
            Err(ProviderError::Unreachable(_)) => return Ok(Attempt::Nothing),
            Err(error) => return Err(error),
        };
        let said = || format!("{name}: {}", last_line(&output.stderr));
        // Exit codes of Pacemaker's tools (crm_exit_t), the same since 2.0.
        match output.code {
            Some(0 | OLD) => Cib::parse(&output.stdout).map(Attempt::Leaves),
            Some(DISCONNECT) => Ok(Attempt::Nothing),
            // INSUFFICIENT_PRIV and NOPERM, CONFIG (the schema forbids it), QUORUM.
            Some(4 | 77 | 78 | 106) => Err(ProviderError::Refused(said())),
            Some(124) => Err(ProviderError::TimedOut(limit)),
            _ => Err(unexpected(said())),
        }
    }

    async fn ask(&self, member: usize, known: Option<&Known>) -> (usize, Result<Reading>) {
        (member, self.reading(member, known).await)
    }

    async fn reading(&self, member: usize, known: Option<&Known>) -> Result<Reading> {
        let (name, host) = &self.list[member];
        let head = known.map_or("", |k| k.head.as_str());
        let output = self.access.run(host, &["sh", "-c", READ, "tidegate", SEPARATOR, head], self.limit).await?;
        match output.code {
            Some(0) => {}
            Some(DISCONNECT) => {
                return Err(ProviderError::Unreachable(format!("the cluster is not running on {name}")));
            }
            code => {
                let code = code.map_or("a signal".to_owned(), |c| format!("exit code {c}"));
                return Err(unexpected(format!("{}: {}", code, last_line(&output.stderr))));
            }
        }
        if let Some(known) = known
            && output.stdout.trim_end() == SEPARATOR
        {
            return Ok(Reading { member, known: known.clone(), simulation: None });
        }
        let (cib, simulation) = output
            .stdout
            .rsplit_once(&format!("\n{SEPARATOR}\n"))
            .ok_or_else(|| unexpected("the output ends before the scheduler's part".into()))?;
        let head = cib.split('>').next().unwrap_or_default().to_owned();
        let known = Known { head, cib: Arc::new(Cib::parse(cib)?) };
        Ok(Reading { member, known, simulation: Some(simulation.to_owned()) })
    }

    /// The error that names every member and what it said.
    fn no_answer(&self, failures: &[(usize, ProviderError)], silent: bool) -> ProviderError {
        if self.list.is_empty() {
            return ProviderError::Unreachable("the cluster has no members to ask".into());
        }
        if failures.is_empty() {
            return ProviderError::TimedOut(self.limit);
        }
        let mut said: Vec<_> = failures.iter().map(|(m, error)| format!("{}: {error}", self.list[*m].0)).collect();
        if silent {
            said.push(format!("the others: {}", ProviderError::TimedOut(self.limit)));
        }
        let said = format!("no member speaks for the cluster ({})", said.join("; "));
        match failures.iter().any(|(_, e)| matches!(e, ProviderError::Unexpected(_))) {
            true => unexpected(said),
            false => ProviderError::Unreachable(said),
        }
    }
}

/// What a tool said last: that is where its reason is.
pub(super) fn last_line(stderr: &str) -> &str {
    stderr.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it gave no reason").trim()
}

//! Changes of one NGINX, gathered: however many members of however many routes change in a step, it reloads once.
//!
//! A change waits a moment for others, and for its turn: one commit at a time, which takes along everything that waits
//! when it begins. It reads the includes, edits them, and hands all to one script, which replaces the files, lets
//! NGINX test them, and reloads (see `commit.sh`). A commit goes on when the caller that began it goes away: half of it
//! would be a file that nobody has tested.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{
    Site,
    include::{self, Edit, Line},
};
use crate::{
    model::Desired,
    provider::{ProviderError, Result, access::Output, route::machine::failed},
};

/// How long a change waits for others.
const GATHER: Duration = Duration::from_millis(20);
/// How often it is tried again where another hand changes an include at the same moment.
const TRIES: usize = 3;
/// NGINX said no, and every file is as it was.
const REFUSED: i32 = 10;
/// An include is not what was read; nothing was changed.
const CHANGED: i32 = 4;
/// Reloaded, and no new worker seen in time.
const UNSEEN: i32 = 5;

/// One line to change.
pub(super) struct Change {
    pub include: String,
    pub server: String,
    pub desired: Desired,
    answer: oneshot::Sender<Outcome>,
}

type Outcome = Result<()>;

/// What waits for the next commit of one NGINX.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Change>>,
    turn: tokio::sync::Mutex<()>,
}

/// One queue for each NGINX, by its host and pid file, whichever routes lead through it.
/// By host and the master's file of its process id.
type Queues = HashMap<(String, String), Arc<Queue>>;

static QUEUES: LazyLock<Mutex<Queues>> = LazyLock::new(Mutex::default);

/// Changes one line, together with whatever else changes on that NGINX now.
pub(super) async fn apply(site: &Site, include: &str, server: &str, desired: &Desired) -> Result<()> {
    let key = (site.machine.host().to_owned(), site.pid.clone());
    let queue = Arc::clone(QUEUES.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
    let (answer, answered) = oneshot::channel();
    let change = Change { include: include.into(), server: server.into(), desired: desired.clone(), answer };
    queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    let site = site.clone();
    tokio::spawn(async move {
        tokio::time::sleep(GATHER).await;
        let _turn = queue.turn.lock().await;
        let mut waiting = std::mem::take(&mut *queue.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        // Whoever gave up has no intent any more.
        waiting.retain(|change| !change.answer.is_closed());
        site.commit(waiting).await;
    });
    answered.await.unwrap_or_else(|_| Err(ProviderError::Unexpected("the commit ended without an answer".into())))
}

/// One include and what becomes of it.
struct Rewrite {
    path: String,
    before: String,
    after: String,
    in_effect: bool,
    /// A tick after which every worker began, where what they run is what was written.
    tick: Option<u64>,
    changes: Vec<Change>,
}

impl Site {
    /// Commits changes, and answers each.
    async fn commit(&self, changes: Vec<Change>) {
        let mut by_include: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in changes {
            by_include.entry(change.include.clone()).or_default().push(change);
        }
        let mut rewrites = Vec::new();
        for (path, changes) in by_include {
            rewrites.push(Rewrite {
                path,
                before: String::new(),
                after: String::new(),
                in_effect: true,
                tick: None,
                changes,
            });
        }
        let outcome = self.write(&mut rewrites).await;
        if matches!(outcome, Err(ProviderError::Refused(_))) && rewrites.len() > 1 {
            // One of them is to blame, and the others are not.
            for rewrite in rewrites {
                let mut alone = [rewrite];
                let outcome = self.write(&mut alone).await;
                alone.into_iter().for_each(|rewrite| rewrite.answer(&outcome));
            }
            return;
        }
        rewrites.into_iter().for_each(|rewrite| rewrite.answer(&outcome));
    }

    async fn write(&self, rewrites: &mut [Rewrite]) -> Result<()> {
        let mut last = None;
        for _ in 0..TRIES {
            for rewrite in rewrites.iter_mut() {
                let look = self.look(&rewrite.path, "").await?;
                rewrite.in_effect = look.is_in_effect();
                rewrite.tick = look.oldest().filter(|_| rewrite.in_effect).map(|began| began.saturating_sub(1));
                rewrite.before = look.content;
                rewrite.edit()?;
            }
            let open: Vec<&Rewrite> = rewrites.iter().filter(|r| !r.changes.is_empty()).collect();
            if open.iter().all(|r| r.after == r.before && r.in_effect) {
                return Ok(());
            }
            let output = self.run_commit(&open).await?;
            match output.code {
                Some(0 | UNSEEN) => return Ok(()),
                Some(REFUSED) => return Err(ProviderError::Refused(refusal(&output))),
                Some(CHANGED) => last = Some(failed("NGINX's include", &output)),
                _ => return Err(failed("the change of NGINX", &output)),
            }
        }
        Err(last.unwrap_or_else(|| ProviderError::Unexpected("nothing was tried".into())))
    }

    async fn run_commit(&self, rewrites: &[&Rewrite]) -> Result<Output> {
        // The reload is waited for as long as the answer can still arrive in time.
        let patience = self.machine.limit.as_millis() * 3 / 4;
        let mut arguments = vec![self.pid.clone(), patience.to_string(), rewrites.len().to_string()];
        let mut input = String::new();
        for rewrite in rewrites {
            let digest: String = Sha256::digest(&rewrite.before).iter().map(|byte| format!("{byte:02x}")).collect();
            let length = if rewrite.after == rewrite.before { "-".into() } else { rewrite.after.len().to_string() };
            let tick = rewrite.tick.map_or_else(|| "-".into(), |tick| tick.to_string());
            arguments.extend([rewrite.path.clone(), digest, length, tick]);
            if rewrite.after != rewrite.before {
                input.push_str(&rewrite.after);
            }
        }
        arguments.extend(self.command.iter().cloned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.machine.script(include_str!("commit.sh"), &arguments, input.as_bytes()).await
    }
}

impl Rewrite {
    /// The include with every change in it. A change that cannot be made is answered now, and the others go on.
    fn edit(&mut self) -> Result<()> {
        self.after = self.before.clone();
        let mut open = Vec::new();
        for change in std::mem::take(&mut self.changes) {
            let refused = |why: String| ProviderError::Refused(format!("{}: {why}", self.path));
            let lines = include::lines(&self.after).map_err(refused)?;
            match edited(&lines, &change) {
                Ok((_, Edit::None)) => open.push(change),
                Ok((line, Edit::To(text))) => {
                    self.after.replace_range(line.span.clone(), &text);
                    open.push(change);
                }
                Err(why) => change.give(Err(refused(why))),
            }
        }
        self.changes = open;
        Ok(())
    }

    fn answer(self, outcome: &Result<()>) {
        self.changes.into_iter().for_each(|change| change.give(outcome.clone()));
    }
}

impl Change {
    fn give(self, outcome: Result<()>) {
        // Nobody may be left to hear it.
        let _ = self.answer.send(outcome);
    }
}

/// The line of a change, and what must become of it.
fn edited<'l>(lines: &'l BTreeMap<String, Line>, change: &Change) -> std::result::Result<(&'l Line, Edit), String> {
    let line = lines.get(&change.server).ok_or_else(|| format!("there is no line for {}", change.server))?;
    let edit = line.edit(&change.desired)?;
    let takes_clients = |other: &Line| other.address != line.address && !other.down;
    let leaves = matches!(change.desired, Desired::Drained | Desired::Closed) && edit != Edit::None;
    if leaves && !lines.values().any(takes_clients) {
        return Err(format!("{} is the last server that is not down", change.server));
    }
    Ok((line, edit))
}

/// NGINX's own words, without those that only repeat them.
fn refusal(output: &Output) -> String {
    let said = |line: &&str| line.contains("[emerg]") || line.contains("[alert]");
    let mut words: Vec<&str> = output.stderr.lines().map(str::trim).filter(said).collect();
    words.dedup();
    let words = if words.is_empty() { output.stderr.trim().to_owned() } else { words.join("; ") };
    format!("NGINX does not take this configuration, and everything is as it was: {words}")
}

//! One announcer, whatever the daemon: looked at, moved by stages, and never moved on an old look.
//!
//! A look and the change that follows it are one exchange: nothing else of this program comes in between. What another
//! hand changed since the last look is not overwritten; the change is refused, and made on the next look.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    Instance,
    stage::{Move, Stage, towards},
};
use crate::{
    model::{Admission, Desired, Exact, Health, InstanceView, MemberView},
    provider::{ProviderError, Result},
};

/// What an announcer does with the prefix.
#[derive(Clone, Debug)]
pub(super) struct Look<S> {
    /// All that is switched: equal where nothing differs, and enough to put it back.
    pub(super) state: S,
    /// How far it is on its way out.
    pub(super) stage: Stage,
    /// What else announces the prefix from this daemon.
    pub(super) foreign: Option<String>,
    /// Who is told of it without the community 65535:0.
    pub(super) unmarked: Option<String>,
    /// Why it cannot be marked, though that is wanted.
    pub(super) unmarkable: Option<String>,
    /// Whether anybody hears of it, as far as the daemon can tell.
    pub(super) health: Health,
    /// Changes when the daemon forgot what it was told at run time.
    pub(super) generation: String,
    /// Since when it is as it is, for people.
    pub(super) version: String,
    /// Things to know.
    pub(super) warnings: Vec<String>,
}

/// A daemon that originates the prefix.
#[async_trait]
pub(super) trait Speaker: Send + Sync {
    /// All that is switched.
    type State: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    /// What it does now.
    async fn look(&self) -> Result<Look<Self::State>>;

    /// The commands of a move; none where it is so already.
    fn commands(&self, now: &Self::State, to: &Move<'_, Self::State>) -> Result<Vec<String>>;

    /// Gives these commands, in order. Refused only where nothing was changed.
    async fn carry_out(&self, now: &Self::State, commands: &[String]) -> Result<()>;
}

/// One announcer.
pub(super) struct Announcer<S: Speaker> {
    server: String,
    speaker: S,
    /// How long the mark is left to work before the prefix is withdrawn, where it is marked at all.
    grace: Option<Duration>,
    limit: Duration,
    memory: Mutex<Memory<S::State>>,
}

/// What this process remembers. Nothing is lost without it but time: a mark is then waited for anew.
struct Memory<S> {
    seen: Option<S>,
    announced: Option<S>,
    marked: Option<Instant>,
}

impl<S: Speaker> Announcer<S> {
    /// Announces for the member `server`. `limit` bounds each exchange.
    pub(super) fn new(server: String, speaker: S, grace: Option<Duration>, limit: Duration) -> Self {
        let memory = Mutex::new(Memory { seen: None, announced: None, marked: None });
        Self { server, speaker, grace, limit, memory }
    }

    async fn look(&self, memory: &mut Memory<S::State>) -> Result<Look<S::State>> {
        let look = self.speaker.look().await?;
        match look.stage {
            Stage::Marked if look.unmarked.is_none() => _ = memory.marked.get_or_insert_with(Instant::now),
            Stage::Announced => {
                memory.marked = None;
                memory.announced = Some(look.state.clone());
            }
            Stage::Marked | Stage::Withdrawn => memory.marked = None,
        }
        Ok(look)
    }

    async fn see(&self) -> Result<InstanceView> {
        let mut memory = self.memory.lock().await;
        let look = self.look(&mut memory).await?;
        let exact = exact(&look.state)?;
        memory.seen = Some(look.state);
        let mut warnings = look.warnings;
        warnings.extend(look.unmarkable);
        if let (Some(marked), Some(grace)) = (memory.marked, self.grace) {
            let (since, grace) = (marked.elapsed().as_secs_f64(), grace.as_secs_f64());
            warnings.push(format!("marked with 65535:0 for {since:.0} s; withdrawn after {grace:.0} s"));
        }
        // Marked is still announced: it is the last choice of its peers, and where there is no other, the only one.
        let out = look.stage == Stage::Withdrawn && look.foreign.is_none();
        let member = MemberView {
            admission: if out { Admission::Draining } else { Admission::Serving },
            health: look.health,
            weight: 1,
            refuses_drain: look.foreign.as_deref().map(kept),
            exact,
            ..MemberView::default()
        };
        Ok(InstanceView {
            generation: look.generation,
            version: Some(look.version),
            members: [(self.server.clone(), member)].into(),
            warnings,
        })
    }

    async fn change(&self, desired: &Desired) -> Result<()> {
        let receipt = receipt::<S::State>(desired)?;
        let mut memory = self.memory.lock().await;
        let look = self.look(&mut memory).await?;
        let marked = memory.marked.map(|since| since.elapsed());
        let mut to = towards(look.stage, desired, receipt.as_ref(), self.grace, marked);
        // How it was announced before is put back whole, where this process saw it.
        let announced = memory.announced.clone();
        if let (Move::Announce, Some(before)) = (&to, &announced) {
            to = Move::PutBack(before);
        }
        self.may(&look, &to, desired)?;
        let commands = self.speaker.commands(&look.state, &to)?;
        if commands.is_empty() {
            return Ok(());
        }
        if memory.seen.take().is_some_and(|seen| seen != look.state) {
            let why = "another hand changed it since it was looked at; it is looked at again";
            return Err(ProviderError::Refused(why.into()));
        }
        self.speaker.carry_out(&look.state, &commands).await
    }

    /// What stands against a move.
    fn may(&self, look: &Look<S::State>, to: &Move<'_, S::State>, desired: &Desired) -> Result<()> {
        if let Some(why) = look.unmarkable.as_ref().filter(|_| *to == Move::Mark) {
            return Err(ProviderError::Refused(why.clone()));
        }
        let leaves = matches!(desired, Desired::Drained | Desired::Closed);
        if let Some(who) = look.foreign.as_ref().filter(|_| leaves && look.stage == Stage::Withdrawn) {
            return Err(ProviderError::Refused(kept(who)));
        }
        if let Some(who) = look.unmarked.as_ref().filter(|_| leaves && look.stage == Stage::Marked && *to == Move::Stay)
        {
            let why = format!("it is marked, and still without the community 65535:0 for {who}");
            return Err(ProviderError::Unexpected(why));
        }
        Ok(())
    }
}

#[async_trait]
impl<S: Speaker> Instance for Announcer<S> {
    fn has(&self, server: &str) -> bool {
        self.server == server
    }

    async fn observe(&self) -> Result<InstanceView> {
        timeout(self.limit, self.see()).await.map_err(|_| ProviderError::TimedOut(self.limit))?
    }

    async fn apply(&self, desired: &Desired) -> Result<()> {
        timeout(self.limit, self.change(desired)).await.map_err(|_| ProviderError::TimedOut(self.limit))?
    }
}

fn kept(who: &str) -> String {
    format!("{who} announces the prefix as well, and this route does not drive it")
}

fn exact<S: Serialize>(state: &S) -> Result<Exact> {
    let value = serde_json::to_value(state);
    value.map(Exact).map_err(|e| ProviderError::Unexpected(format!("a state that cannot be kept: {e}")))
}

fn receipt<S: DeserializeOwned>(desired: &Desired) -> Result<Option<S>> {
    let Desired::Exactly { exact } = desired else { return Ok(None) };
    let state = serde_json::from_value(exact.0.clone());
    state.map(Some).map_err(|_| ProviderError::Refused(format!("{} is no state of this announcer", exact.0)))
}

//! One change of one member, from the note before it to the note after it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    daemon::metrics::Guarded,
    guard::Act,
    journal::{Journal, Note, Notebook},
    model::{Desired, Exact, InstanceName, MemberView, NodeName, RouteTarget},
    plan::ledger,
    provider::{ProviderError, Result, RouteProvider, World},
};

/// Time between two looks while a change is awaited.
const POLL: Duration = Duration::from_millis(50);

/// Runs that are read to find out what they have in hand.
pub(super) const RUNS_READ: usize = 200;

/// What became of a change.
pub(super) struct Done {
    /// The node that the member is.
    pub(super) node: NodeName,
    /// What was done.
    pub(super) kind: Guarded,
    /// What went wrong.
    pub(super) error: Option<String>,
}

/// Everything that a change needs.
pub(super) struct Hand {
    pub(super) world: World,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) notebook: Arc<dyn Notebook>,
    /// Every instance of the route that only follows: what is withdrawn is gone when all show it.
    pub(super) followers: Vec<InstanceName>,
    /// Time limit of each question and each change.
    pub(super) limit: Duration,
}

pub(super) type Changed = std::result::Result<Guarded, String>;

impl Hand {
    /// Carries one change out. Whatever does not change a route is nothing here.
    pub(super) async fn carry_out(&self, act: Act) -> Done {
        let (node, changed) = match act {
            Act::Advise { target, node, why } => (node.clone(), self.advise(target, node, why).await),
            Act::Withdraw { target, node, why, .. } if !target.role.is_driven() => {
                (node.clone(), self.close_session(target, node, why).await)
            }
            Act::Return { target, node, before, .. } if !target.role.is_driven() => {
                (node, self.open_session(target, before).await)
            }
            Act::Withdraw { target, node, why, .. } => (node.clone(), self.withdraw(target, node, why).await),
            Act::Return { target, node, before, acknowledged } => {
                (node.clone(), self.put_back(target, &node, before, acknowledged).await)
            }
            _ => return Done { node: NodeName::new(""), kind: Guarded::Needless, error: None },
        };
        match changed {
            Ok(kind) => Done { node, kind, error: None },
            Err(error) => Done { node, kind: Guarded::Failed, error: Some(error) },
        }
    }

    /// Its checks end this by themselves, so the note comes after.
    async fn advise(&self, target: RouteTarget, node: NodeName, why: String) -> Changed {
        if self.is_in_hand(&node).await? {
            return Ok(Guarded::Yielded);
        }
        self.apply(&target, &Desired::FreshCheck).await.map_err(|e| e.to_string())?;
        self.note(Note::Advised { target, node, why }).await?;
        Ok(Guarded::Advised)
    }

    async fn withdraw(&self, target: RouteTarget, node: NodeName, why: String) -> Changed {
        // What is put back later is what is there now, and not what was seen a while ago.
        let member = self.look(&target).await.map_err(|e| e.to_string())?;
        if !member.takes_clients() {
            return Ok(Guarded::Needless);
        }
        if self.is_in_hand(&node).await? {
            return Ok(Guarded::Yielded);
        }
        self.note(Note::Withdrawing { target: target.clone(), node, before: member.exact, why }).await?;
        let deadline = Instant::now() + self.limit;
        // A prefix is marked, and later withdrawn: each call takes the step that is due.
        loop {
            match self.apply(&target, &Desired::Drained).await {
                Err(error @ ProviderError::Refused(_)) => {
                    self.note(Note::Refused { target, error: error.to_string() }).await?;
                    return Err(error.to_string());
                }
                // The outcome is unknown: what is seen tells.
                Err(error) => tracing::warn!("{} ({}): {error}", target.instance, target.route),
                Ok(()) => {}
            }
            let said = match self.look(&target).await {
                Ok(member) if !member.takes_clients() => break,
                Ok(_) => "it is not seen to be out".to_owned(),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(said);
            }
            sleep(POLL).await;
        }
        self.note(Note::Withdrawn { target }).await?;
        Ok(Guarded::TookOut)
    }

    async fn put_back(&self, target: RouteTarget, node: &NodeName, before: Exact, acknowledged: bool) -> Changed {
        let member = self.look(&target).await.map_err(|e| e.to_string())?;
        // Once it was out, whoever put it back did so as they wanted it. Before that it may be half-way out: a prefix that
        // is marked takes clients, and is not as it was.
        if member.exact == before || acknowledged && member.takes_clients() {
            self.note(Note::Returned { target }).await?;
            return Ok(Guarded::PutBack);
        }
        if self.is_in_hand(node).await? {
            return Ok(Guarded::Yielded);
        }
        self.note(Note::Returning { target: target.clone() }).await?;
        let desired = Desired::Exactly { exact: before.clone() };
        if let Err(error) = self.apply(&target, &desired).await {
            tracing::warn!("{} ({}): {error}", target.instance, target.route);
        }
        self.until(&target, |member| member.exact == before).await?;
        self.note(Note::Returned { target }).await?;
        Ok(Guarded::PutBack)
    }

    /// Whether a run has taken the node in hand since this was decided. A journal that cannot be read says nothing, and
    /// nothing is changed then.
    pub(super) async fn is_in_hand(&self, node: &NodeName) -> std::result::Result<bool, String> {
        let runs = self.journal.runs(RUNS_READ).await.map_err(|e| e.to_string())?;
        Ok(ledger::in_hand(&runs, node))
    }

    /// Until the real system shows it, within the limit.
    async fn until(
        &self,
        target: &RouteTarget,
        is_so: impl Fn(&MemberView) -> bool,
    ) -> std::result::Result<(), String> {
        self.within(|| async {
            match self.look(target).await {
                Ok(member) if is_so(&member) => Ok(()),
                Ok(_) => Err("it does not show".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    /// Until a look finds it so, within the limit; else what the last look found.
    pub(super) async fn within<F>(&self, look: impl Fn() -> F) -> std::result::Result<(), String>
    where
        F: Future<Output = std::result::Result<(), String>>,
    {
        let deadline = Instant::now() + self.limit;
        while let Err(said) = look().await {
            if Instant::now() >= deadline {
                return Err(said);
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    pub(super) async fn look(&self, target: &RouteTarget) -> Result<MemberView> {
        self.look_at(target, &target.instance).await
    }

    /// The same member as another instance of its route has it.
    pub(super) async fn look_at(&self, target: &RouteTarget, instance: &InstanceName) -> Result<MemberView> {
        let view = self.in_time(self.route(target)?.observe(instance)).await?;
        let member = view.members.get(&target.server).cloned();
        member.ok_or_else(|| ProviderError::Unexpected(format!("there is no member {}", target.server)))
    }

    async fn apply(&self, target: &RouteTarget, desired: &Desired) -> Result<()> {
        self.in_time(self.route(target)?.apply(&target.instance, &target.server, desired)).await
    }

    pub(super) fn route(&self, target: &RouteTarget) -> Result<&Arc<dyn RouteProvider>> {
        self.world.route(&target.route)
    }

    pub(super) async fn in_time<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.limit, call).await.unwrap_or(Err(ProviderError::TimedOut(self.limit)))
    }

    pub(super) async fn note(&self, note: Note) -> std::result::Result<(), String> {
        self.notebook.note(&[note], self.world.clock.now()).await.map_err(|e| e.to_string())
    }
}

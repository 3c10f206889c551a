//! Pacemaker, through its own tools on its own members.
//!
//! **Reading.** One remote process prints the CIB (`cibadmin --query`) and what the scheduler makes of that very
//! CIB (`crm_simulate --run`, which prints the node and resource states of `crm_mon`): membership, attributes, marks
//! and states are all of one moment. A transition counts as under way while an operation is in flight, a node is
//! joining or unclean, or the scheduler would act; that last sign is there from the very moment of a change.
//! What it cannot show: a transition of which nothing but bookkeeping is left counts as over.
//!
//! **Writing.** Each change is one patch of the CIB that was read, refused by Pacemaker if anything changed in
//! between; then the CIB is read and judged again. The CIB of the last observation is tried first, since its
//! version guards it as well: the usual standby is a single round trip. `Ok` means that Pacemaker took the
//! change, or that there was nothing to change; waiting for its effects is the run's business.
//!
//! **Where.** Any member will do (see [`members`]); a partition without quorum is shown as such, and is never
//! written to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use self::{
    cib::Cib,
    members::{Attempt, Known, Members},
};
use crate::{
    model::{ClusterView, Leave, NodeName, Rehearsal, RunId, action::Ownership},
    provider::{ClusterControl, ProviderError, Result, StopTimeouts, access::Access},
    run::proof::StandbyPermit,
};

mod cib;
mod clones;
mod element;
mod hints;
mod leave;
mod members;
mod patch;
mod rehearse;
pub mod saved;
mod status;
#[cfg(test)]
mod tests;
mod timeouts;

/// Races that are lost before giving up. Each costs a round trip.
const ATTEMPTS: u32 = 40;

/// Age at which a view is made anew although the CIB is the same: rules and expiring failures follow the clock.
const VIEW_AGE: Duration = Duration::from_secs(5);

/// The last observation.
#[derive(Clone)]
struct Seen {
    /// Index of the member that gave it.
    member: usize,
    known: Known,
    view: ClusterView,
    /// When the view was made of the CIB.
    at: Instant,
}

/// A Pacemaker cluster.
pub struct Pacemaker {
    members: Members,
    limit: Duration,
    seen: Mutex<Option<Seen>>,
}

impl Pacemaker {
    /// Drives the cluster of these members, each with the host that `access` knows it by. Every call ends
    /// within `limit`.
    pub fn new(access: Arc<dyn Access>, members: Vec<(NodeName, String)>, limit: Duration) -> Self {
        Self { members: Members::new(access, members, limit), limit, seen: Mutex::new(None) }
    }

    /// Applies the patch that `decide` makes of the CIB, until the CIB needs none. That nothing is to be done, or
    /// that it is refused, is only believed of a fresh reading.
    async fn change(&self, decide: &(dyn Fn(&Cib) -> Result<Option<String>> + Sync)) -> Result<()> {
        let deadline = Instant::now() + self.limit;
        let (mut member, mut cib) = match self.seen().map(|seen| (seen.member, seen.known.cib)) {
            Some((member, cib)) if cib.quorate && matches!(decide(&cib), Ok(Some(_))) => (member, cib),
            _ => self.read().await?,
        };
        for _ in 0..ATTEMPTS {
            if !cib.quorate {
                return Err(ProviderError::Refused("no member that answers has quorum".into()));
            }
            let Some(patch) = decide(&cib)? else { return Ok(()) };
            let left = deadline.saturating_duration_since(Instant::now());
            match self.members.apply(member, &patch, left).await? {
                Attempt::Leaves(after) => cib = Arc::new(after),
                Attempt::Nothing => (member, cib) = self.read().await?,
            }
        }
        match decide(&cib)? {
            None => Ok(()),
            Some(_) => Err(ProviderError::Refused(format!("the CIB changed under each of {ATTEMPTS} attempts"))),
        }
    }

    async fn read(&self) -> Result<(usize, Arc<Cib>)> {
        let reading = self.members.read(None).await?;
        Ok((reading.member, reading.known.cib))
    }

    /// As [`Self::change`], within the limit.
    async fn change_in_time(&self, decide: &(dyn Fn(&Cib) -> Result<Option<String>> + Sync)) -> Result<()> {
        timeout(self.limit, self.change(decide)).await.map_err(|_| ProviderError::TimedOut(self.limit))?
    }

    /// The standby that Pacemaker forgets when the node restarts: no part of the configuration, so no patch of it.
    async fn transient_standby(&self, node: &NodeName, change: &[&str]) -> Result<()> {
        let named = ["crm_attribute", "--node", node.as_str(), "--name", "standby", "--lifetime", "reboot"];
        let output = self.members.run(&[&named, change].concat()).await?;
        match output.code {
            Some(0) => Ok(()),
            _ => Err(ProviderError::Unexpected(format!("crm_attribute: {}", members::last_line(&output.stderr)))),
        }
    }

    fn seen(&self) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.filter(|s| s.at.elapsed() < VIEW_AGE)
    }
}

#[async_trait]
impl ClusterControl for Pacemaker {
    async fn observe(&self) -> Result<ClusterView> {
        let before = self.seen();
        let reading = self.members.read(before.as_ref().map(|s| &s.known)).await?;
        let (view, at) = match (&reading.simulation, before) {
            (Some(simulation), _) => (status::view(reading.cib(), simulation)?, Instant::now()),
            (None, Some(before)) => (before.view, before.at),
            (None, None) => return Err(ProviderError::Unexpected("nothing was known, and nothing was told".into())),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Seen { member: reading.member, known: reading.known, view: view.clone(), at });
        Ok(view)
    }

    async fn hints(&self, told: &Notify) {
        self.members.hints(told).await;
    }

    async fn rehearse(&self, node: &NodeName, leave: &Leave) -> Result<Rehearsal> {
        let arguments = rehearse::live(node, leave);
        let output = self.members.run(&arguments.each_ref().map(String::as_str)).await?;
        match output.code {
            Some(0) => rehearse::read(&output.stdout),
            _ => Err(rehearse::failure(&output.stderr)),
        }
    }

    async fn stop_timeouts(&self, resources: &[&str]) -> Result<StopTimeouts> {
        let output = self.members.run(&timeouts::QUERY).await?;
        match output.code {
            Some(0) => timeouts::read(&output.stdout, resources),
            _ => Err(timeouts::failure(&output.stderr)),
        }
    }

    async fn standby(&self, permit: StandbyPermit, owner: &Ownership, leave: &Leave) -> Result<()> {
        let node = permit.node();
        self.change_in_time(&|cib| leave::leave(cib, node, owner, leave)).await?;
        // The mark comes first: what is never seen without an owner is never taken for another hand's.
        if *leave == Leave::StandbyUntilRestart {
            self.transient_standby(node, &["--update", "on"]).await?;
        }
        Ok(())
    }

    async fn resize(&self, resource: &str, from: &str, to: &str) -> Result<()> {
        self.change_in_time(&|cib| clones::resize(cib, resource, from, to)).await
    }

    async fn unstandby(&self, node: &NodeName, owner: &RunId, leave: &Leave, attribute: Option<&str>) -> Result<()> {
        if *leave == Leave::StandbyUntilRestart {
            let (_, cib) = self.read().await?;
            let marked = cib.nodes.get(node).and_then(cib::Entry::owner);
            if marked.as_ref().is_some_and(|mark| mark.run == *owner) {
                self.transient_standby(node, &["--delete"]).await?;
            }
        }
        self.change_in_time(&|cib| leave::rejoin(cib, node, owner, leave, attribute)).await
    }
}

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
use tokio::time::{Instant, sleep, timeout};

use self::{
    cib::Cib,
    members::{Applied, Members},
};
use crate::{
    model::{ClusterView, NodeName, RunId, action::Ownership},
    provider::{ClusterControl, ProviderError, Result, access::Access},
    run::proof::StandbyPermit,
};

mod cib;
mod members;
mod patch;
mod status;
#[cfg(test)]
mod tests;

/// Races that are lost before giving up. Each costs two round trips.
const ATTEMPTS: u32 = 10;

/// Age at which a reading is no longer worth a try.
const WORTH_A_TRY: Duration = Duration::from_secs(10);

/// A Pacemaker cluster.
pub struct Pacemaker {
    members: Members,
    limit: Duration,
    /// The last CIB read, by which member, and when.
    seen: Mutex<Option<(usize, Cib, Instant)>>,
}

impl Pacemaker {
    /// Drives the cluster of these members, each with the host that `access` knows it by. Every call ends
    /// within `limit`.
    pub fn new(access: Arc<dyn Access>, members: Vec<(NodeName, String)>, limit: Duration) -> Self {
        Self { members: Members::new(access, members, limit), limit, seen: Mutex::new(None) }
    }

    /// Applies the patch that `decide` makes of a reading, until a reading needs none. `None` and refusals are
    /// only believed of a fresh reading.
    async fn change(&self, decide: &(dyn Fn(&Cib) -> Result<Option<String>> + Sync)) -> Result<()> {
        let deadline = Instant::now() + self.limit;
        let done = async |member, patch: &str| {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.members.apply(member, patch, left).await? {
                Applied::Accepted(cib) => decide(&cib).map(|rest| rest.is_none()),
                Applied::ReadAgain => Ok(false),
            }
        };
        if let Some((member, cib, at)) = self.take_seen()
            && at.elapsed() < WORTH_A_TRY
            && cib.quorate
            && let Ok(Some(patch)) = decide(&cib)
            && done(member, &patch).await?
        {
            return Ok(());
        }
        for attempt in 0..ATTEMPTS {
            let reading = self.members.read().await?;
            if !reading.cib.quorate {
                return Err(ProviderError::Refused("no member that answers has quorum".into()));
            }
            let Some(patch) = decide(&reading.cib)? else { return Ok(()) };
            if done(reading.member, &patch).await? {
                return Ok(());
            }
            sleep(Duration::from_millis(u64::from(attempt) * fastrand::u64(5..20))).await;
        }
        Err(ProviderError::Refused(format!("the configuration changed under each of {ATTEMPTS} attempts")))
    }

    /// As [`Self::change`], within the limit.
    async fn change_in_time(&self, decide: &(dyn Fn(&Cib) -> Result<Option<String>> + Sync)) -> Result<()> {
        timeout(self.limit, self.change(decide)).await.map_err(|_| ProviderError::TimedOut(self.limit))?
    }

    fn take_seen(&self) -> Option<(usize, Cib, Instant)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl ClusterControl for Pacemaker {
    async fn observe(&self) -> Result<ClusterView> {
        let reading = self.members.read().await?;
        let view = status::view(&reading.cib, &reading.simulation)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((reading.member, reading.cib, Instant::now()));
        Ok(view)
    }

    async fn standby(&self, permit: StandbyPermit, owner: &Ownership) -> Result<()> {
        self.change_in_time(&|cib| patch::standby(cib, permit.node(), owner)).await
    }

    async fn unstandby(&self, node: &NodeName, owner: &RunId, attribute: Option<&str>) -> Result<()> {
        self.change_in_time(&|cib| patch::unstandby(cib, node, owner, attribute)).await
    }
}

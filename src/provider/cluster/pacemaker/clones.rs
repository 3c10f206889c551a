//! The clones of the CIB: read as the clone manager wants them, and changed by one patch of exactly the CIB that was
//! read.
//!
//! However many values change, of however many services, the patch is one: nobody ever sees a clone without its limits,
//! or one that is withheld from a node after it was created. Before it is made, each change is held against the CIB: a
//! value that is neither what the change leads away from nor what it leads to was changed by somebody else, and then
//! nothing is written.
//!
//! A rehearsal is the same patch on a copy of the CIB (`CIB_file`), and the scheduler on that.

use super::{Pacemaker, cib::Cib, members::last_line, rehearse};
use crate::{
    clone::{Change, Found},
    model::Rehearsal,
    provider::{CloneControl, ProviderError, Result, cluster::pacemaker::cib::unexpected},
};

mod constraints;
mod read;
mod write;

/// Times that a rehearsal is begun anew because the cluster's configuration changed in between.
const ATTEMPTS: u32 = 5;

#[async_trait::async_trait]
impl CloneControl for Pacemaker {
    async fn found(&self, resources: &[String]) -> Result<Vec<Found>> {
        let (_, cib) = self.read_in_time().await?;
        Ok(resources.iter().map(|resource| read::found(&cib, resource)).collect())
    }

    async fn rehearse_changes(&self, changes: &[Change]) -> Result<Rehearsal> {
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let (member, cib) = self.read_in_time().await?;
            let patch = write::patch(&cib, changes)?.unwrap_or_default();
            self.members.prefer(member);
            let arguments = rehearse::patched(&patch);
            let output = self.members.run(&arguments.each_ref().map(String::as_str)).await?;
            match output.code {
                Some(0) => return rehearse::read(&output.stdout),
                _ => last_line(&output.stderr).clone_into(&mut said),
            }
            if !self.changed_since(&cib).await? {
                break;
            }
        }
        Err(unexpected(format!("the changes could not be rehearsed: {said}")))
    }

    async fn make(&self, changes: &[Change]) -> Result<()> {
        self.change_in_time(&|cib| write::patch(cib, changes)).await
    }
}

impl Pacemaker {
    async fn changed_since(&self, cib: &Cib) -> Result<bool> {
        Ok(self.read_in_time().await?.1.version != cib.version)
    }

    async fn read_in_time(&self) -> Result<(usize, std::sync::Arc<Cib>)> {
        let late = |_| ProviderError::TimedOut(self.limit);
        tokio::time::timeout(self.limit, self.read()).await.map_err(late)?
    }
}

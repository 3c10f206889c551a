//! The clones of the CIB: read as the clone manager wants them, and changed by one patch of exactly the CIB that was
//! read.
//!
//! However many values change, of however many services, the patch is one: nobody ever sees a clone without its limits,
//! or one that is withheld from a node after it was created. Before it is made, each change is held against the CIB: a
//! value that is neither what the change leads away from nor what it leads to was changed by somebody else, and then
//! nothing is written.
//!
//! A rehearsal is the same patch on a copy of the CIB (`CIB_file`), and the scheduler on that.

use std::collections::BTreeSet;

use super::{Pacemaker, cib::Cib, members::last_line, rehearse};
use crate::{
    clone::{Change, Found, Held, Place},
    model::{NodeName, Rehearsal},
    provider::{CloneControl, ProviderError, Result, cluster::pacemaker::cib::unexpected},
};

mod constraints;
mod read;
mod write;

/// Nodes on which the cluster may not touch a clone's unit.
pub(super) fn withheld(cib: &Cib, resource: &str) -> BTreeSet<NodeName> {
    constraints::withheld(&cib.sections.constraints, resource)
}

/// `clone-max` of a cloned primitive, where its clone sets it, and nothing else decides.
pub(super) fn clone_max(cib: &Cib, resource: &str) -> Option<String> {
    let found = read::found(cib, resource).clone?;
    let setting = found.setting(&Place::meta("clone-max"))?;
    setting.held.value().filter(|_| setting.entangled.is_none()).map(str::to_owned)
}

/// The patch after which a clone may have `to` instances and not `from`; `None` where it may already.
pub(super) fn resize(cib: &Cib, resource: &str, from: &str, to: &str) -> Result<Option<String>> {
    let refused = |why: String| ProviderError::Refused(format!("clone-max of {resource} cannot be changed: {why}"));
    let found = read::found(cib, resource).clone.ok_or_else(|| refused("it is not cloned".into()))?;
    let place = Place::meta("clone-max");
    if let Some(why) = found.setting(&place).and_then(|setting| setting.entangled.clone()) {
        return Err(refused(why));
    }
    let [from, to] = [from, to].map(|value| Held::Value(value.to_owned()));
    write::patch(cib, &[Change::Set { clone: found.id, resource: resource.to_owned(), place, from, to }])
}

/// The patch that makes all these changes; `None` where everything is so already.
pub(super) fn patch(cib: &Cib, changes: &[Change]) -> Result<Option<String>> {
    write::patch(cib, changes)
}

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

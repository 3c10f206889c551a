//! A CIB in a file: the cluster as it was when somebody saved it, judged by the Pacemaker tools of this machine. For
//! reviews and support: it can be looked at and rehearsed on, and never changed.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{cib::Cib, members::last_line, rehearse, status};
use crate::{
    model::{ClusterView, Leave, NodeName, Rehearsal, RunId, action::Ownership},
    provider::{
        ClusterControl, ProviderError, Result,
        access::{Access, Output},
    },
    run::proof::StandbyPermit,
};

/// What the scheduler makes of the CIB on standard input.
const JUDGE: &str = r#"PATH="$PATH:/usr/sbin:/sbin"; exec crm_simulate --run --xml-pipe --output-as=xml"#;

/// The cluster of a saved CIB.
pub struct SavedCib {
    text: String,
    access: Arc<dyn Access>,
    limit: Duration,
}

impl SavedCib {
    /// The CIB in this file; `access` leads to this machine. Every call ends within `limit`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no CIB.
    pub fn read(path: &Path, access: Arc<dyn Access>, limit: Duration) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ProviderError::Unreachable(format!("{} cannot be read: {error}", path.display())))?;
        Cib::parse(&text)?;
        Ok(Self { text, access, limit })
    }

    async fn feed(&self, argv: &[&str]) -> Result<Output> {
        self.access.feed("", argv, self.text.as_bytes(), self.limit).await
    }
}

fn unchanged() -> ProviderError {
    ProviderError::Refused("a saved CIB is looked at, and not changed".into())
}

#[async_trait]
impl ClusterControl for SavedCib {
    async fn observe(&self) -> Result<ClusterView> {
        let output = self.feed(&["sh", "-c", JUDGE]).await?;
        if output.code != Some(0) {
            return Err(ProviderError::Unexpected(format!("crm_simulate: {}", last_line(&output.stderr))));
        }
        status::view(&Cib::parse(&self.text)?, &output.stdout)
    }

    async fn rehearse(&self, node: &NodeName, leave: &Leave) -> Result<Rehearsal> {
        let arguments = rehearse::saved(node, leave);
        let output = self.feed(&arguments.each_ref().map(String::as_str)).await?;
        match output.code {
            Some(0) => rehearse::read(&output.stdout),
            _ => Err(rehearse::failure(&output.stderr)),
        }
    }

    async fn standby(&self, _permit: StandbyPermit, _owner: &Ownership, _leave: &Leave) -> Result<()> {
        Err(unchanged())
    }

    async fn unstandby(&self, _: &NodeName, _: &RunId, _: &Leave, _: Option<&str>) -> Result<()> {
        Err(unchanged())
    }
}

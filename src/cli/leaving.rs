//! How a node leaves the cluster's work, as the command line says it.

use clap::{Args, ValueEnum};

use super::exit::{Failure, Result};
use crate::{config::Settings, model::Leave};

/// What leaves, and for how long.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Leaving {
    /// Take only this service off the node, by a ban; everything else there stays
    #[arg(long, value_name = "NAME", conflicts_with_all = ["lifetime", "maintenance"])]
    service: Option<String>,
    /// How long the standby lasts: until a restore, or until the node restarts
    #[arg(long, value_enum, value_name = "TIME", default_value_t)]
    lifetime: Lifetime,
    /// Have the cluster stop managing what runs on the node, and stop nothing
    #[arg(long, conflicts_with = "lifetime")]
    maintenance: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Lifetime {
    /// Until it is taken back
    #[default]
    Forever,
    /// Until it is taken back, or the node restarts
    Reboot,
}

impl Leaving {
    /// The same for the core. Fails where no such service is configured.
    pub(super) fn leave(&self, settings: &Settings) -> Result<Leave> {
        let Some(name) = &self.service else {
            return Ok(match (self.maintenance, self.lifetime) {
                (true, _) => Leave::Maintenance,
                (false, Lifetime::Forever) => Leave::Standby,
                (false, Lifetime::Reboot) => Leave::StandbyUntilRestart,
            });
        };
        let known = || settings.services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = settings.services.iter().find(|s| s.name.as_str() == name);
        let service =
            found.ok_or_else(|| Failure::usage(format!("there is no service {name}; there are {}", known())))?;
        Ok(Leave::Ban { service: service.name.clone(), resource: service.clone.resource.clone() })
    }
}

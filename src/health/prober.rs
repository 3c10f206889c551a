//! Single probes, for runs: [`provider::Prober`](crate::provider::Prober) over the same probes as the engine's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::time::timeout;

use super::{failure::Failure, target::Target};
use crate::{
    config::settings,
    model::{NodeName, Readiness, ServiceName},
    provider::{Prober, ProviderError, Result},
};

/// Probes the configured services, from this machine.
pub struct HttpProber {
    services: BTreeMap<ServiceName, settings::Service>,
    nodes: BTreeMap<NodeName, settings::Node>,
}

impl HttpProber {
    /// Probes these services; a node without an address in `nodes` is looked up by its name, at every probe.
    pub fn new(services: &[settings::Service], nodes: &BTreeMap<NodeName, settings::Node>) -> Self {
        Self { services: services.iter().map(|s| (s.name.clone(), s.clone())).collect(), nodes: nodes.clone() }
    }
}

#[async_trait]
impl Prober for HttpProber {
    async fn probe(&self, node: &NodeName, service: &ServiceName) -> Result<Readiness> {
        let known = self.services.get(service);
        let known = known.ok_or_else(|| ProviderError::Refused(format!("there is no service {service} to probe")))?;
        let target = Target::new(known, node, &self.nodes);
        let address = timeout(target.timeout, target.check.place.address()).await;
        let address = address.map_err(|_| ProviderError::Unreachable(format!("no address of {node} in time")))?;
        let address = address.map_err(|failure| ProviderError::Unreachable(failure.detail))?;
        Ok(match timeout(target.timeout, target.check.ask_at(address)).await {
            Ok(Ok(())) => Readiness::Ready,
            Ok(Err(failure)) => Readiness::NotReady { reason: failure.detail },
            Err(_) => Readiness::NotReady { reason: Failure::late(target.timeout).detail },
        })
    }
}

#[cfg(test)]
mod tests;

//! Single probes, for runs: [`provider::Prober`](crate::provider::Prober) over the same probes as the engine's.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio::time::timeout;

use super::{failure::Failure, probe::Programs, target::Target};
use crate::{
    config::settings,
    model::{NodeName, Readiness, ServiceName},
    provider::{Prober, ProviderError, Result},
};

/// Probes the configured services, from this machine.
pub struct HttpProber {
    services: BTreeMap<ServiceName, settings::Service>,
    nodes: BTreeMap<NodeName, settings::Node>,
    programs: Programs,
    /// What was made for a probe and serves the next ones: a request, certificates that were read.
    known: Mutex<HashMap<(NodeName, ServiceName), Arc<Target>>>,
}

impl HttpProber {
    /// Probes these services; a node without an address in `nodes` is looked up by its name, at every probe.
    pub fn new(services: &[settings::Service], nodes: &BTreeMap<NodeName, settings::Node>, programs: Programs) -> Self {
        let services = services.iter().map(|s| (s.name.clone(), s.clone())).collect();
        Self { services, nodes: nodes.clone(), programs, known: Mutex::default() }
    }

    fn target(&self, node: &NodeName, service: &ServiceName) -> Result<Arc<Target>> {
        let settings = self.services.get(service);
        let settings =
            settings.ok_or_else(|| ProviderError::Refused(format!("there is no service {service} to probe")))?;
        let key = (node.clone(), service.clone());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = known.get(&key) {
            return Ok(target.clone());
        }
        let target = Target::new(settings, node, &self.nodes, &self.programs);
        let target = Arc::new(target.map_err(|failure| ProviderError::Unreachable(failure.detail))?);
        known.insert(key, target.clone());
        Ok(target)
    }
}

#[async_trait]
impl Prober for HttpProber {
    async fn probe(&self, node: &NodeName, service: &ServiceName) -> Result<Readiness> {
        let target = self.target(node, service)?;
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

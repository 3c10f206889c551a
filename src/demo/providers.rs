//! The embedded world behind the same traits as the real one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    backend::Unit,
    edge::{Admin, Edge, NoSuchServer, Setting},
    http_get,
};
use crate::{
    model::{
        Desired, InstanceName, InstanceView, NodeName, Readiness, RouteId, ServiceName, SocketsView, UnitName, UnitView,
    },
    provider::{NodeTraffic, Prober, ProviderError, Result, RouteProvider, UnitControl},
};

/// The route through all edges.
pub(super) struct EdgeRoute {
    pub(super) id: RouteId,
    pub(super) edges: Vec<Edge>,
}

impl EdgeRoute {
    fn edge(&self, instance: &InstanceName) -> Result<&Edge> {
        let unknown = || ProviderError::Unreachable(format!("there is no edge '{instance}'"));
        self.edges.iter().find(|e| e.name() == instance).ok_or_else(unknown)
    }
}

impl From<NoSuchServer> for ProviderError {
    fn from(no: NoSuchServer) -> Self {
        Self::Refused(no.to_string())
    }
}

#[async_trait]
impl RouteProvider for EdgeRoute {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        Ok(self.edge(instance)?.view())
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let edge = self.edge(instance)?;
        let now = edge.setting(server)?;
        match desired {
            Desired::Drained => edge.set(server, Setting { admin: Admin::Drain, ..now })?,
            Desired::Closed => edge.set(server, Setting { admin: Admin::Maint, ..now })?,
            Desired::FreshCheck => edge.check_afresh(server)?,
            Desired::Serving { weight } => edge.set(server, Setting { admin: Admin::Ready, weight: *weight })?,
            Desired::Exactly { exact } => {
                let before = serde_json::from_value(exact.0.clone())
                    .map_err(|e| ProviderError::Refused(format!("this is no state of an edge: {e}")))?;
                edge.set(server, before)?;
            }
        }
        Ok(())
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        Ok(self.edge(instance)?.close_sessions(server)?)
    }
}

/// The units and sockets of all nodes, and the way to probe them.
#[derive(Clone)]
pub(super) struct Nodes {
    pub(super) service: ServiceName,
    pub(super) unit: UnitName,
    pub(super) units: BTreeMap<NodeName, Unit>,
    pub(super) probe_limit: Duration,
}

impl Nodes {
    fn on(&self, node: &NodeName) -> Result<&Unit> {
        self.units.get(node).ok_or_else(|| ProviderError::Unreachable(format!("there is no node '{node}'")))
    }

    fn unit(&self, node: &NodeName, unit: &UnitName) -> Result<&Unit> {
        if unit != &self.unit {
            return Err(ProviderError::Refused(format!("Unit {unit} could not be found.")));
        }
        self.on(node)
    }
}

#[async_trait]
impl UnitControl for Nodes {
    async fn observe(&self, node: &NodeName, unit: &UnitName) -> Result<UnitView> {
        Ok(self.unit(node, unit)?.view())
    }

    async fn stop(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.unit(node, unit)?.stop().await;
        Ok(())
    }

    async fn start(&self, node: &NodeName, unit: &UnitName) -> Result<()> {
        self.unit(node, unit)?.start().await.map_err(|e| ProviderError::Refused(format!("Job for {unit} failed: {e}")))
    }
}

#[async_trait]
impl NodeTraffic for Nodes {
    async fn sockets(&self, node: &NodeName, port: u16) -> Result<SocketsView> {
        let unit = self.on(node)?;
        let peers = if unit.address().port() == port { unit.peers() } else { Vec::new() };
        Ok(SocketsView { peers })
    }

    async fn close(&self, node: &NodeName, _port: u16, _peers: &[SocketAddr]) -> Result<()> {
        Err(ProviderError::Refused(format!("{node} is a part of this program: nobody cuts its connections")))
    }
}

#[async_trait]
impl Prober for Nodes {
    async fn probe(&self, node: &NodeName, service: &ServiceName) -> Result<Readiness> {
        if service != &self.service {
            return Err(ProviderError::Unreachable(format!("there is no service '{service}'")));
        }
        let address: SocketAddr = self.on(node)?.address();
        Ok(match http_get(None::<IpAddr>, address, "/ready", self.probe_limit).await {
            Ok(200) => Readiness::Ready,
            Ok(status) => Readiness::NotReady { reason: format!("status {status}") },
            Err(reason) => Readiness::NotReady { reason },
        })
    }
}

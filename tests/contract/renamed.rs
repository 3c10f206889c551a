//! A route whose members have names of their own, under the names that the suite asks for.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use tidegate::{
    model::{Desired, InstanceName, InstanceView, RouteId, topology::InstanceShape},
    provider::{Result, RouteProvider},
};

/// The route, and for each of the suite's names the route's own.
pub struct Renamed {
    pub route: Arc<dyn RouteProvider>,
    pub names: BTreeMap<String, String>,
}

impl Renamed {
    /// `node-01` and so on are these members.
    pub fn route(route: Arc<dyn RouteProvider>, own: &[String]) -> Arc<dyn RouteProvider> {
        let names = own.iter().enumerate().map(|(i, own)| (format!("node-{:02}", i + 1), own.clone())).collect();
        Arc::new(Self { route, names })
    }

    fn own<'a>(&'a self, name: &'a str) -> &'a str {
        self.names.get(name).map_or(name, String::as_str)
    }
}

#[async_trait]
impl RouteProvider for Renamed {
    fn id(&self) -> &RouteId {
        self.route.id()
    }

    async fn discover(&self) -> Result<BTreeMap<InstanceName, InstanceShape>> {
        self.route.discover().await
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let mut view = self.route.observe(instance).await?;
        for (name, own) in &self.names {
            let member = view.members.remove(own);
            view.members.extend(member.map(|member| (name.clone(), member)));
        }
        Ok(view)
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        self.route.apply(instance, self.own(server), desired).await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        self.route.close_connections(instance, self.own(server)).await
    }
}

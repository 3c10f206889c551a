//! What public resolvers answer now: for people, who want to know when the world has followed. No decision hangs on it.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    Dns, exchange, message,
    servers::Server,
    set::{Entry, RrSet, listed},
};
use crate::{
    model::NodeName,
    provider::{ProviderError, Result},
};

/// A resolver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Nodes whose records it gives out.
    pub nodes: Vec<NodeName>,
    /// Records of no known node, as text.
    pub others: Vec<String>,
    /// How long it will go on answering so; `None` where it knows no record.
    pub left: Option<Duration>,
}

impl Served {
    /// Nodes and strange records, with how long they will be answered.
    pub fn words(&self) -> Vec<String> {
        let left = self.left.map_or(String::new(), |left| format!(" for {} s", left.as_secs()));
        let nodes = self.nodes.iter().map(ToString::to_string);
        nodes.chain(self.others.iter().cloned()).map(|name| format!("{name}{left}")).collect()
    }
}

impl Dns {
    /// Asks each configured resolver, all at once, each within the route's time limit.
    pub async fn resolvers(&self) -> Vec<(Server, Result<Served>)> {
        let asked =
            self.settings.resolvers.iter().map(|server| async move { (server.clone(), self.resolved(server).await) });
        join_all(asked).await
    }

    async fn resolved(&self, server: &Server) -> Result<Served> {
        let address = server.addresses(self.limit).await?[0];
        let kind = self.settings.kind;
        let question = message::question(&self.name, kind.wire(), true);
        let answer = exchange::resolver(address, &question, self.limit).await?;
        let unexpected = |why: String| ProviderError::Unexpected(format!("{address}: {why}"));
        let set = message::set(&answer, &self.name, kind).map_err(unexpected)?;
        Ok(served(&set, &self.entries))
    }
}

fn served(set: &RrSet, entries: &[Entry]) -> Served {
    let nodes = entries.iter().filter(|entry| !set.of(entry).is_empty()).map(|entry| entry.node.clone()).collect();
    let strange = set.records.iter().filter(|data| !entries.iter().any(|entry| entry.goal == data.goal()));
    Served {
        nodes,
        others: strange.map(|data| listed([data])).collect(),
        left: set.ttl.map(|ttl| Duration::from_secs(ttl.into())),
    }
}

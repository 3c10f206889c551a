//! Envoy's admin interface: a few questions on one connection, each within a time limit and with a bounded answer.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::timeout};

use super::answers::{Bootstrap, Cluster, ClusterConfig, Clusters, Dump, DumpedCluster, Runtime, ServerInfo, Stats};
use crate::provider::{ProviderError, Result, access::Stream};

/// Longest answer: some 30,000 hosts.
const MAX_ANSWER: usize = 16 << 20;

/// One connection to an admin interface.
pub(super) struct Admin {
    sender: http1::SendRequest<Empty<Bytes>>,
    limit: Duration,
    _connection: JoinSet<()>,
}

impl Admin {
    /// Speaks HTTP on this connection; each exchange has this time limit.
    pub async fn open(stream: Box<dyn Stream>, limit: Duration) -> Result<Self> {
        let opened = timeout(limit, http1::handshake(TokioIo::new(stream))).await;
        let opened = opened.map_err(|_| ProviderError::TimedOut(limit))?;
        let (sender, connection) =
            opened.map_err(|e| ProviderError::Unreachable(format!("Envoy's admin interface: {e}")))?;
        let mut driver = JoinSet::new();
        // What goes wrong with the connection is told by the exchange that it ends.
        driver.spawn(async move { connection.await.unwrap_or_default() });
        Ok(Self { sender, limit, _connection: driver })
    }

    pub async fn server_info(&mut self) -> Result<ServerInfo> {
        self.ask("/server_info").await
    }

    /// When this process began, in its own words.
    pub async fn began(&mut self) -> Result<String> {
        let dump: Dump<Bootstrap> = self.ask("/config_dump?mask=last_updated").await?;
        let first = dump.configs.into_iter().next();
        first
            .map(|b| b.last_updated)
            .ok_or_else(|| ProviderError::Unexpected("Envoy does not say when it began".into()))
    }

    /// A cluster as it runs.
    pub async fn cluster(&mut self, name: &str) -> Result<Cluster> {
        let clusters: Clusters = self.ask(&format!("/clusters?format=json&filter={}", exactly(name))).await?;
        let found = clusters.cluster_statuses.into_iter().find(|c| c.name == name);
        found.ok_or_else(|| ProviderError::Unexpected(format!("Envoy has no cluster {name}")))
    }

    /// A cluster as it is configured.
    pub async fn config(&mut self, name: &str) -> Result<ClusterConfig> {
        for kind in ["static_clusters", "dynamic_active_clusters"] {
            let mask = "cluster.common_lb_config,cluster.health_checks,cluster.eds_cluster_config";
            let path = format!("/config_dump?resource={kind}&name_regex={}&mask={mask}", exactly(name));
            let dump: Dump<DumpedCluster> = self.ask(&path).await?;
            if let Some(found) = dump.configs.into_iter().next() {
                return Ok(found.cluster);
            }
        }
        Err(ProviderError::Unexpected(format!("Envoy tells no configuration of the cluster {name}")))
    }

    /// Values that were set at run time.
    pub async fn runtime(&mut self) -> Result<BTreeMap<String, String>> {
        let runtime: Runtime = self.ask("/runtime").await?;
        Ok(runtime.entries.into_iter().map(|(key, entry)| (key, entry.final_value)).collect())
    }

    /// Statistics of a cluster; each one that is asked for must be there.
    pub async fn stats<const N: usize>(&mut self, cluster: &Cluster, names: [&str; N]) -> Result<[u64; N]> {
        let prefix =
            format!("cluster.{}.", cluster.observability_name.as_deref().unwrap_or(&cluster.name).replace(':', "_"));
        let filter = escaped(&format!("^{}({})$", regex::escape(&prefix), names.join("|")));
        let stats: Stats = self.ask(&format!("/stats?format=json&filter={filter}")).await?;
        let mut values = [0; N];
        for (value, name) in values.iter_mut().zip(names) {
            let full = format!("{prefix}{name}");
            let found =
                stats.stats.iter().find(|s| s.name.as_deref() == Some(&full)).and_then(|s| s.value.as_ref()?.as_u64());
            *value = found.ok_or_else(|| ProviderError::Unexpected(format!("Envoy has no statistic {full}")))?;
        }
        Ok(values)
    }

    async fn ask<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        let body = timeout(self.limit, self.get(path)).await.map_err(|_| ProviderError::TimedOut(self.limit))??;
        let place = path.split('?').next().unwrap_or_default();
        serde_json::from_slice(&body).map_err(|e| ProviderError::Unexpected(format!("Envoy's {place}: {e}")))
    }

    async fn get(&mut self, path: &str) -> Result<Bytes> {
        let odd = |e: String| ProviderError::Unexpected(format!("Envoy's admin interface: {e}"));
        let request = Request::get(path).header(hyper::header::HOST, "localhost").body(Empty::new());
        let request = request.map_err(|e| ProviderError::Refused(e.to_string()))?;
        self.sender.ready().await.map_err(|e| odd(e.to_string()))?;
        let answer = self.sender.send_request(request).await.map_err(|e| odd(e.to_string()))?;
        let status = answer.status();
        let body =
            Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|e| odd(e.to_string()))?.to_bytes();
        if status != StatusCode::OK {
            let words = String::from_utf8_lossy(&body).lines().next().unwrap_or_default().trim().to_owned();
            return Err(odd(format!("{status}: {words}")));
        }
        Ok(body)
    }
}

/// A regular expression for this name alone, as a part of a query.
fn exactly(name: &str) -> String {
    escaped(&format!("^{}$", regex::escape(name)))
}

/// Percent-encoded, but for what a query may hold as it is.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

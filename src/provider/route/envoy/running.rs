//! What a running Envoy says of one cluster: its members, their connections, and when it would fail open.
//!
//! Protobuf's JSON leaves out what is zero, false or empty, and writes 64-bit numbers as text.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::eds::Address;

/// What endpoints can be told to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    /// Nothing is said, which serves.
    #[default]
    Unknown,
    Healthy,
    Degraded,
    Draining,
    Unhealthy,
    Timeout,
}

impl Status {
    /// From JSON: the word, or its number.
    pub(super) fn read(json: &str) -> Result<Self, String> {
        Ok(match json.trim_matches('"') {
            "UNKNOWN" | "0" | "null" => Self::Unknown,
            "HEALTHY" | "1" => Self::Healthy,
            "UNHEALTHY" | "2" => Self::Unhealthy,
            "DRAINING" | "3" => Self::Draining,
            "TIMEOUT" | "4" => Self::Timeout,
            "DEGRADED" | "5" => Self::Degraded,
            other => return Err(format!("{other:?} is no health status")),
        })
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Draining => "DRAINING",
            Self::Unhealthy => "UNHEALTHY",
            Self::Timeout => "TIMEOUT",
        }
    }

    /// Whether new clients are sent there.
    pub(super) fn serves(self) -> bool {
        matches!(self, Self::Unknown | Self::Healthy | Self::Degraded)
    }
}

/// The questions for one look at a cluster.
pub(super) fn questions(cluster: &str) -> [String; 7] {
    // Of what a name may hold, a pattern takes only the dot for something else.
    let exactly = cluster.replace('.', "%5C.");
    let configured = |kind: &str| format!("/config_dump?resource={kind}&name_regex=%5E{exactly}%24");
    [
        "/clusters?format=json".into(),
        "/server_info".into(),
        // When it began: the only part of the dump that has a time of its own, and the same at every look.
        "/config_dump?mask=last_updated".into(),
        configured("static_clusters"),
        configured("dynamic_active_clusters"),
        "/runtime?format=json".into(),
        "/stats?format=json&filter=%5Eserver%5C.parent_connections%24".into(),
    ]
}

/// One Envoy and one of its clusters.
#[derive(Debug)]
pub(super) struct Running {
    pub generation: String,
    pub version: String,
    /// Members by their address.
    pub hosts: BTreeMap<String, HostStatus>,
    pub checks: Vec<Check>,
    /// Percent of the panic threshold.
    pub threshold: u32,
    pub fails_on_panic: bool,
    /// Whether draining members are in neither number of that.
    pub excludes_draining: bool,
    /// What a client that is bound to a member may find it in.
    pub bound: Vec<Status>,
    /// Connections of the process before a hot restart, to whichever member.
    pub parents: u64,
}

/// One configured health check, as far as its time goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    interval: Option<String>,
    interval_jitter: Option<String>,
    no_traffic_interval: Option<String>,
    timeout: Option<String>,
    unhealthy_threshold: Option<u32>,
}

#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    #[serde(default)]
    host_statuses: Vec<HostStatus>,
}

/// One member.
#[derive(Debug, Deserialize)]
pub(super) struct HostStatus {
    address: Address,
    #[serde(default)]
    stats: Vec<Stat>,
    #[serde(default)]
    pub health_status: Flags,
    #[serde(default)]
    pub weight: u32,
    #[serde(default)]
    pub priority: u32,
}

#[derive(Debug, Deserialize)]
struct Stat {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

/// Why a member is not sent clients.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Flags {
    eds_health_status: Option<String>,
    pub failed_active_health_check: bool,
    pub failed_outlier_check: bool,
    pub pending_active_hc: bool,
    pub excluded_via_immediate_hc_fail: bool,
}

impl HostStatus {
    /// One of its numbers; an unknown one is an error.
    pub(super) fn stat(&self, name: &str) -> Result<u64, String> {
        let stat = self.stats.iter().find(|s| s.name == name).ok_or_else(|| format!("a member has no {name}"))?;
        stat.value.as_deref().unwrap_or("0").parse().map_err(|_| format!("{name} is no number"))
    }

    pub(super) fn status(&self) -> Result<Status, String> {
        self.health_status.eds_health_status.as_deref().map_or(Ok(Status::Unknown), Status::read)
    }
}

impl Running {
    /// Reads the answers to [`questions`].
    pub(super) fn read(cluster: &str, answers: [Value; 7]) -> Result<Self, String> {
        let [clusters, info, began, fixed, dynamic, runtime, stats] = answers;
        let clusters: Clusters = serde_json::from_value(clusters).map_err(|e| format!("/clusters: {e}"))?;
        let found = clusters.cluster_statuses.into_iter().find(|c| c.name == cluster);
        let found = found.ok_or_else(|| format!("Envoy has no cluster {cluster}"))?;
        let mut hosts = BTreeMap::new();
        for host in found.host_statuses {
            hosts.insert(host.address.key()?, host);
        }
        let config = [&fixed, &dynamic].into_iter().flat_map(|dump| items(&dump["configs"]));
        let config = config.map(|c| &c["cluster"]).find(|c| c["name"] == cluster);
        let config = config.ok_or_else(|| format!("Envoy shows no configuration of the cluster {cluster}"))?;
        let common = &config["common_lb_config"];
        let overridden = number(&runtime["entries"]["upstream.healthy_panic_threshold"]["final_value"])?;
        let threshold = match (overridden, &common["healthy_panic_threshold"]) {
            (Some(percent), _) => percent,
            (None, Value::Null) => 50.0,
            // An empty percentage is one of zero.
            (None, percent) => percent["value"].as_f64().unwrap_or(0.0).round(),
        };
        let version = info["version"].as_str().and_then(|v| v.split('/').nth(1)).unwrap_or_default().to_owned();
        let flag = &runtime["entries"]["envoy.reloadable_features.exclude_host_in_eds_status_draining"]["final_value"];
        let bound = match &common["override_host_status"]["statuses"] {
            Value::Null => Vec::new(),
            said => items(said).map(|s| Status::read(&s.to_string())).collect::<Result<_, _>>()?,
        };
        let parents = items(&stats["stats"]).find(|s| s["name"] == "server.parent_connections");
        let checks = items(&config["health_checks"]).map(|c| serde_json::from_value(c.clone()));
        Ok(Self {
            generation: generation(&info, &began)?,
            excludes_draining: excludes_draining(&version) && flag.as_str() != Some("false"),
            version,
            hosts,
            checks: checks.collect::<Result<_, _>>().map_err(|e| format!("a health check: {e}"))?,
            threshold: percent(threshold),
            fails_on_panic: common["zone_aware_lb_config"]["fail_traffic_on_panic"] == true,
            bound,
            parents: parents.and_then(|s| s["value"].as_u64()).ok_or("no count of a parent's connections")?,
        })
    }

    /// How long it can take until a check that began now, and fails, has shown.
    pub(super) fn fresh_after(&self) -> Duration {
        // Before the first connection to any member, Envoy checks less often.
        let idle = self.hosts.values().all(|host| host.stat("cx_total").unwrap_or(0) == 0);
        let of = |check: &Check| {
            let read = |text: &Option<String>, usual| text.as_deref().and_then(seconds).unwrap_or(usual);
            let interval = read(&check.interval, Duration::ZERO);
            let interval = if idle { interval.max(read(&check.no_traffic_interval, NO_TRAFFIC)) } else { interval };
            let each = interval + read(&check.interval_jitter, Duration::ZERO) + read(&check.timeout, Duration::ZERO);
            each.saturating_mul(check.unhealthy_threshold.unwrap_or(1).clamp(1, 100))
        };
        self.checks.iter().map(of).max().unwrap_or_default()
    }
}

/// Envoy's own interval of checks where no client ever came.
const NO_TRAFFIC: Duration = Duration::from_secs(60);

/// Since when draining members are in neither number, without a switch that could be off unseen.
fn excludes_draining(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|n| n.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= (1, 36))
}

fn generation(info: &Value, began: &Value) -> Result<String, String> {
    let bootstrap = |c: &&Value| c["@type"].as_str().is_some_and(|t| t.ends_with("BootstrapConfigDump"));
    let began = items(&began["configs"]).find(bootstrap).and_then(|c| c["last_updated"].as_str());
    let began = began.ok_or("Envoy does not say when it began")?;
    let epoch = info["command_line_options"]["restart_epoch"].as_u64().unwrap_or(0);
    Ok(format!("{epoch}-{began}"))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn number(value: &Value) -> Result<Option<f64>, String> {
    let read = |text: &str| text.parse().map(Some).map_err(|_| "the runtime's panic threshold is no number".into());
    value.as_str().map_or(Ok(None), read)
}

fn percent(share: f64) -> u32 {
    (0..=100).rev().find(|whole| f64::from(*whole) <= share).unwrap_or(0)
}

/// `1.500s`
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_s_name_is_no_pattern() {
        assert!(questions("a.b_c")[3].ends_with("name_regex=%5Ea%5C.b_c%24"), "{}", questions("a.b_c")[3]);
    }

    #[test]
    fn versions_and_times() {
        assert!(excludes_draining("1.40.0") && excludes_draining("1.36.1") && excludes_draining("2.0.0"));
        assert!(!excludes_draining("1.35.9") && !excludes_draining("") && !excludes_draining("x"));
        assert_eq!(seconds("0.100s"), Some(Duration::from_millis(100)));
        assert_eq!(seconds("-1s"), None);
        assert_eq!((percent(50.0), percent(0.0), percent(250.0)), (50, 0, 100));
    }
}

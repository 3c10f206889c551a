//! What Envoy's admin interface answers, as far as it matters here. Fields that Envoy leaves out are those with their
//! type's own zero; what must be there and is not is an error.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::eds::SocketAddress;
use crate::provider::{ProviderError, Result};

/// Between two checks of a cluster that never had any traffic, unless it is configured.
const NO_TRAFFIC: Duration = Duration::from_secs(60);
/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(86_400);

/// `GET /server_info`
#[derive(Debug, Deserialize)]
pub(super) struct ServerInfo {
    pub version: String,
    pub state: String,
    uptime_current_epoch: String,
    command_line_options: Options,
}

#[derive(Debug, Deserialize)]
struct Options {
    #[serde(default)]
    restart_epoch: u32,
    parent_shutdown_time: String,
}

impl ServerInfo {
    /// Its release, where the version says it: `revision/1.40.0/…`.
    pub fn release(&self) -> Option<(u32, u32)> {
        let mut numbers = self.version.split('/').nth(1)?.split('.').map(|n| n.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }

    /// Which of the processes that took over from each other it is.
    pub fn epoch(&self) -> u32 {
        self.command_line_options.restart_epoch
    }

    /// Whether the process before this one may still have connections: for as long as this one leaves it.
    pub fn may_have_a_parent(&self) -> bool {
        let seconds = |text: &str| text.strip_suffix('s').and_then(|n| n.parse::<f64>().ok());
        let (age, leave) =
            (seconds(&self.uptime_current_epoch), seconds(&self.command_line_options.parent_shutdown_time));
        self.epoch() > 0 && age.zip(leave).is_none_or(|(age, leave)| age <= leave + 1.0)
    }
}

/// `GET /clusters?format=json`
#[derive(Debug, Deserialize)]
pub(super) struct Clusters {
    #[serde(default)]
    pub cluster_statuses: Vec<Cluster>,
}

/// One cluster as it runs.
#[derive(Debug, Deserialize)]
pub(super) struct Cluster {
    pub name: String,
    /// Its name among the statistics.
    pub observability_name: Option<String>,
    #[serde(default)]
    pub host_statuses: Vec<HostStatus>,
}

/// One host as it runs.
#[derive(Debug, Deserialize)]
pub(super) struct HostStatus {
    address: HostAddress,
    stats: Vec<Stat>,
    health_status: BTreeMap<String, serde_json::Value>,
    weight: Option<u32>,
    #[serde(default)]
    pub priority: u32,
}

#[derive(Debug, Deserialize)]
struct HostAddress {
    socket_address: Option<SocketAddress>,
}

#[derive(Debug, Deserialize)]
struct Stat {
    name: String,
    /// Absent where it is 0.
    value: Option<String>,
}

impl HostStatus {
    /// `address:port`; `None` for a host that is no TCP address.
    pub fn name(&self) -> Option<String> {
        self.address.socket_address.as_ref().map(SocketAddress::name)
    }

    /// One of its counters.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let odd = || ProviderError::Unexpected(format!("Envoy tells no {name} of {:?}", self.name()));
        let stat = self.stats.iter().find(|s| s.name == name).ok_or_else(odd)?;
        stat.value.as_deref().map_or(Ok(0), |value| value.parse().map_err(|_| odd()))
    }

    /// What its discovery says of its health.
    pub fn eds_health(&self) -> &str {
        self.health_status.get("eds_health_status").and_then(|v| v.as_str()).unwrap_or("UNKNOWN")
    }

    /// Whether Envoy itself says this of its health.
    pub fn is(&self, flag: &str) -> bool {
        self.health_status.get(flag).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    /// Everything that Envoy itself holds against it.
    pub fn failures(&self) -> Vec<&str> {
        let failed = |flag: &str| flag.starts_with("failed_") && flag != "failed_active_degraded_check";
        self.health_status
            .keys()
            .map(String::as_str)
            .filter(|f| (failed(f) || *f == "pending_active_hc") && self.is(f))
            .collect()
    }

    pub fn weight(&self) -> u32 {
        self.weight.unwrap_or(1)
    }
}

/// A cluster's configuration, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ClusterConfig {
    #[serde(default)]
    common_lb_config: CommonLb,
    #[serde(default)]
    pub health_checks: Vec<HealthCheck>,
    #[serde(default)]
    eds_cluster_config: EdsCluster,
}

/// An active health check, as far as its times go.
#[derive(Debug, Deserialize)]
pub(super) struct HealthCheck {
    timeout: String,
    interval: String,
    interval_jitter: Option<String>,
    #[serde(default)]
    interval_jitter_percent: u32,
    no_traffic_interval: Option<String>,
    unhealthy_threshold: Option<u32>,
}

impl HealthCheck {
    fn period(&self, unused: bool) -> Duration {
        let interval = duration(&self.interval);
        let usual =
            if unused { self.no_traffic_interval.as_deref().map_or(NO_TRAFFIC, duration) } else { Duration::ZERO };
        let jitter = self.interval_jitter.as_deref().map_or(Duration::ZERO, duration)
            + interval * self.interval_jitter_percent.min(100) / 100;
        (interval.max(usual) + jitter + duration(&self.timeout)) * self.unhealthy_threshold.unwrap_or(1).clamp(1, 100)
    }
}

/// `0.250s`; what cannot be read is longer than anybody waits.
fn duration(text: &str) -> Duration {
    let seconds = text.strip_suffix('s').and_then(|n| n.parse::<f64>().ok());
    seconds.and_then(|n| Duration::try_from_secs_f64(n).ok()).unwrap_or(NEVER).min(NEVER)
}

#[derive(Debug, Default, Deserialize)]
struct CommonLb {
    healthy_panic_threshold: Option<Percent>,
    #[serde(default)]
    zone_aware_lb_config: ZoneAware,
}

#[derive(Debug, Default, Deserialize)]
struct ZoneAware {
    #[serde(default)]
    fail_traffic_on_panic: bool,
}

/// A `Percent` of 0 is an empty object.
#[derive(Debug, Default, Deserialize)]
struct Percent {
    #[serde(default)]
    value: f64,
}

#[derive(Debug, Default, Deserialize)]
struct EdsCluster {
    service_name: Option<String>,
    #[serde(default)]
    eds_config: serde_json::Value,
}

impl ClusterConfig {
    /// The name that its endpoints have in the file.
    pub fn resource<'a>(&'a self, cluster: &'a str) -> &'a str {
        self.eds_cluster_config.service_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(cluster)
    }

    /// The file that it reads its endpoints from; `None` where that is not a file.
    pub fn file(&self) -> Option<&str> {
        let source = &self.eds_cluster_config.eds_config;
        source.pointer("/path_config_source/path").or_else(|| source.get("path")).and_then(|path| path.as_str())
    }

    /// The panic threshold in percent.
    pub fn threshold(&self) -> f64 {
        self.common_lb_config.healthy_panic_threshold.as_ref().map_or(50.0, |percent| percent.value)
    }

    /// How long it takes at most until a host that goes on to count as healthy has passed a check: as many checks as
    /// may fail before Envoy believes it. `unused` is a cluster that never had any traffic, which is checked less often.
    pub fn check_period(&self, unused: bool) -> Duration {
        self.health_checks.iter().map(|check| check.period(unused)).max().unwrap_or_default()
    }

    /// Whether a panic sends clients nowhere instead of everywhere.
    pub fn fails_on_panic(&self) -> bool {
        self.common_lb_config.zone_aware_lb_config.fail_traffic_on_panic
    }
}

#[derive(Deserialize)]
pub(super) struct Dump<T> {
    #[serde(default = "Vec::new")]
    pub configs: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct DumpedCluster {
    pub cluster: ClusterConfig,
}

#[derive(Deserialize)]
pub(super) struct Bootstrap {
    pub last_updated: String,
}

#[derive(Deserialize)]
pub(super) struct Runtime {
    #[serde(default)]
    pub entries: BTreeMap<String, RuntimeEntry>,
}

#[derive(Deserialize)]
pub(super) struct RuntimeEntry {
    pub final_value: String,
}

#[derive(Deserialize)]
pub(super) struct Stats {
    pub stats: Vec<NamedStat>,
}

#[derive(Deserialize)]
pub(super) struct NamedStat {
    pub name: Option<String>,
    pub value: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_checks_as_may_fail() {
        let period = |check: &str, unused| {
            let config = format!(r#"{{"health_checks": [{check}]}}"#);
            serde_json::from_str::<ClusterConfig>(&config).expect("a cluster").check_period(unused).as_millis()
        };
        let check = r#"{"timeout": "1s", "interval": "0.500s", "unhealthy_threshold": 2}"#;
        assert_eq!((period(check, false), period(check, true)), (3000, 122_000));
        let check = r#"{"timeout": "1s", "interval": "2s", "interval_jitter": "1s", "interval_jitter_percent": 50,
                        "no_traffic_interval": "4s"}"#;
        assert_eq!((period(check, false), period(check, true)), (5000, 7000));
        assert_eq!(ClusterConfig::default().check_period(true), Duration::ZERO);
    }

    #[test]
    fn a_release_is_read_from_the_version() {
        let info = |version: &str, epoch: u32, age: &str| ServerInfo {
            version: version.into(),
            state: "LIVE".into(),
            uptime_current_epoch: age.into(),
            command_line_options: Options { restart_epoch: epoch, parent_shutdown_time: "900s".into() },
        };
        assert_eq!(info("9e55/1.40.0/Clean/RELEASE/BoringSSL", 0, "3s").release(), Some((1, 40)));
        assert_eq!(info("1.40.0", 0, "3s").release(), None);
        let parent = |epoch, age| info("", epoch, age).may_have_a_parent();
        assert!(!parent(0, "3s") && parent(1, "3s") && !parent(1, "1000s") && parent(1, "soon"));
    }
}

//! The stage: load through both HAProxy, a coordinator that guards, and a Prometheus that scrapes it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use super::{Outcome, until, went_well};
use crate::harness::{Alert, Child, Load, LoadResult, LoadSpec, Prometheus, Tidegate, get};
use crate::lab::{Lab, Proxy, TidegateConfig};

/// Requests a second, over both load balancers.
const RATE: u32 = 300;
/// Longer than all cases together.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// `objective.max-skew`.
const MAX_SKEW: &str = "1.25";
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9750);
/// Three nodes are ready, and both load balancers send clients to each.
pub(super) const WELL: &str = "sum(tidegate_node_ready) == 3 and on () sum(tidegate_member_serving) == 6";
/// What is played makes these fire, and nothing may make others.
const EXPECTED: [&str; 3] = ["TidegateSkew", "TidegateTrafficOnDrainedNode", "TidegateDrainUndone"];

/// All that runs. What is left of it ends when it is dropped.
pub(super) struct Stage<'a> {
    pub(super) lab: &'a Lab,
    pub(super) tidegate: Tidegate<'a>,
    pub(super) prometheus: Prometheus<'a>,
    serving: Child,
    load: Load,
}

impl<'a> Stage<'a> {
    /// Resets the lab, and starts everything.
    pub(super) fn set(lab: &'a Lab) -> Result<Self> {
        lab.reset()?;
        lab.run_proxies(&[Proxy::Haproxy])?;
        let config = TidegateConfig {
            probe_interval: "1s".to_owned(),
            service_extra: format!("objective = {{ max-skew = {MAX_SKEW} }}\n"),
            ..TidegateConfig::default()
        };
        let tidegate = Tidegate::new(lab, lab.write_config("alerts.toml", &config)?);
        let load = Load::start(lab, LoadSpec { rate: RATE, longest: LONGEST, ..LoadSpec::default() })?;
        let metrics = METRICS.to_string();
        let mut serve = tidegate.command(&["serve", "--guard", "act", "--metrics", &metrics])?;
        let serving = Child::start(&mut serve, Stdio::null())?;
        let prometheus = Prometheus::start(lab, METRICS, &repository("config/prometheus/rules"))?;
        Ok(Self { lab, tidegate, prometheus, serving, load })
    }

    /// Prometheus scrapes, and evaluates every rule.
    pub(super) fn scraped(&self) -> Result<()> {
        until("Prometheus scrapes", Duration::from_secs(60), || self.prometheus.scrapes())?;
        // A node that is not looked at yet cannot be drained.
        until("everything is seen", Duration::from_secs(60), || self.holds(WELL)).map(drop)
    }

    /// Ends everything in order; hands back what clients saw, and what the programs said.
    pub(super) fn clear(self) -> Result<(LoadResult, String)> {
        let seen = self.load.finish()?;
        let prometheus = self.prometheus.stop()?;
        let serving = self.serving.stop()?;
        Ok((seen, format!("Prometheus said: {}\nthe coordinator said: {}", prometheus.trim(), serving.trim())))
    }

    /// Whether a query gives anything now.
    pub(super) fn holds(&self, query: &str) -> Result<bool> {
        Ok(!self.prometheus.instant(query)?.is_empty())
    }

    /// Those of this name that fire.
    pub(super) fn firing(&self, name: &str) -> Result<Vec<Alert>> {
        Ok(self.prometheus.alerts()?.into_iter().filter(|alert| alert.fires(name)).collect())
    }

    /// What the coordinator exports.
    pub(super) fn metrics(&self) -> Result<String> {
        get(self.lab, "control", METRICS, "/metrics", &[])
    }

    /// No alert but the expected ones has fired since.
    pub(super) fn nothing_else(&self, from: f64, outcome: &mut Outcome) -> Result<()> {
        let fired = self.prometheus.range("count by (alertname, node) (ALERTS{alertstate=\"firing\"})", from, now())?;
        ensure!(!fired.is_empty(), "nothing fired at all");
        let name = |labels: &std::collections::BTreeMap<String, String>| labels.get("alertname").cloned();
        let others = fired.iter().filter(|one| !EXPECTED.iter().any(|e| name(&one.labels).as_deref() == Some(*e)));
        outcome.wrong.extend(others.map(|other| format!("fired besides: {:?}", other.labels)));
        Ok(())
    }

    /// Runs a command of Tidegate. One that is refused for capacity has changed nothing, and is asked for again: a check
    /// that a busy machine answers late takes a server out of a load balancer for a moment. So is one that the cluster is
    /// still too busy for.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<()> {
        let started = Instant::now();
        loop {
            let (code, value, stderr) = self.tidegate.json(arguments)?;
            let refusals = value["refusals"].as_array().map(Vec::as_slice).unwrap_or_default();
            let passes = |r: &serde_json::Value| r["code"] == "capacity" || r["answer"] == "hold";
            let is_early = code == 3 && !refusals.is_empty() && refusals.iter().all(passes);
            if !is_early || started.elapsed() > Duration::from_secs(30) {
                return went_well(code, &format!("tidegate {}", arguments.join(" ")), &format!("{value} {stderr}"));
            }
            sleep(Duration::from_millis(500));
        }
    }
}

/// A file of the repository.
pub(super) fn repository(path: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).join(path)
}

/// Now, in seconds since the epoch.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

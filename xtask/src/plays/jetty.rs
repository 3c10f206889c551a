//! Jetty as the cluster runs it: a clone of its own behind both load balancers, upgraded node by node while clients are at it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{LIMIT, Outcome, last};
use crate::harness::{Load, LoadSpec, Tidegate};
use crate::lab::{Lab, TidegateConfig, jetty_beside};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The package is set up anew as an upgrade does, which is an error where Jetty still runs; the node's own Jetty answers before the
/// next one's turn.
pub(super) const INPUTS: &[&str] = &[
    "install=[\"sh\", \"-euc\", \"if systemctl is-active jetty9.service; then exit 9; fi; dpkg-reconfigure --frontend=noninteractive jetty9; date +%s > /var/lib/jetty-upgraded\"]",
    "version=[\"dpkg-query\", \"--show\", \"jetty9\"]",
    "expected=jetty9",
    "soak=1s",
];

/// Plays the shipped playbook with Jetty as a second service, under load at both.
pub(super) fn upgraded(lab: &Lab, _: &Tidegate<'_>, arguments: &[String], outcome: &mut Outcome) -> Result<()> {
    let mut lab = Lab::attach(&lab.options().prefix)?;
    lab.set_jetty(true)?;
    let result = played(&lab, arguments, outcome);
    let cleaned = lab.reset().and_then(|()| lab.set_jetty(false));
    result.and(cleaned)
}

fn played(lab: &Lab, arguments: &[String], outcome: &mut Outcome) -> Result<()> {
    let config = TidegateConfig { extra: jetty_beside(), probe_interval: "1s".into(), ..TidegateConfig::default() };
    let tidegate = Tidegate::new(lab, lab.write_config("plays-jetty.toml", &config)?).limit(LIMIT);
    let before = NODES.iter().map(|node| started(lab, node)).collect::<Result<Vec<_>>>()?;
    let mut urls = Vec::new();
    for balancer in lab.balancer_names() {
        let address = lab.address(balancer)?;
        urls.extend([format!("http://{address}/"), format!("http://{address}:8081/ready")]);
    }
    let load = Load::start(lab, LoadSpec { rate: 100, urls, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    let played = tidegate.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let (code, value, stderr) = played?;
    ensure!(code == 0 && value["result"] == "done", "exit {code}: {value}\n{}", last(&stderr));
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    for (node, before) in NODES.iter().zip(before) {
        let upgraded: f64 =
            lab.shell(node, "cat /var/lib/jetty-upgraded; rm /var/lib/jetty-upgraded")?.trim().parse()?;
        ensure!(before < upgraded, "{node}: Jetty was not upgraded");
        ensure!(upgraded <= started(lab, node)?, "{node}: its Jetty runs since before the upgrade");
    }
    ensure!(lab.cluster()?.started("jetty_service") == 3, "Jetty does not run on all nodes");
    in_traffic(&value)
}

/// When Jetty was started on a node, in seconds since 1970.
fn started(lab: &Lab, node: &str) -> Result<f64> {
    let script = "date --date=\"$(systemctl show --property=ActiveEnterTimestamp --value jetty9.service)\" +%s";
    lab.shell(node, script)?.trim().parse().with_context(|| format!("{node}: when Jetty was started"))
}

/// Every node was drained of both services before the upgrade, and ready for both after it.
fn in_traffic(play: &Value) -> Result<()> {
    let steps = play["steps"].as_array().context("no steps")?;
    let names: Vec<&str> = steps.iter().filter(|s| s["node"] == "node-2").filter_map(|s| s["step"].as_str()).collect();
    let wanted = ["ask the gates", "drain", "install", "restore", "stay ready"].map(|step| format!("node-2, {step}"));
    ensure!(names == wanted, "{names:?}");
    Ok(())
}

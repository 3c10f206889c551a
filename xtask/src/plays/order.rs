//! The order of a play that reboots nodes, by the servers' own logs: HAProxy's, Pacemaker's, the application's, systemd's.
//! The play's journal says only where to look.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::Lab;
use crate::routes::behind_haproxy;

/// How long after a restore the first request to the node may come.
const FIRST: f64 = 3.0;

/// One node after the other; each was let go by every load balancer before its last request, standby, the unit's stop and
/// its boot, and came back the other way round.
pub(super) fn by_logs(lab: &Lab, play: &Value, nodes: &[&str]) -> Result<()> {
    let mut wrong = Vec::new();
    let mut last = 0.0;
    for node in nodes {
        let at = |step: &str, what: &str| moment(play, &format!("{node}, {step}"), what);
        // What reaches the node while it is out belongs to the drain, which should have prevented it.
        let out = (at("drain", "since")?, at("restore", "since")?);
        let back = (at("restore", "since")?, at("restore", "done")? + FIRST);
        let order = behind_haproxy(lab, node, out, back).with_context(|| format!("the logs about {node}"))?;
        wrong.extend(order.wrong.into_iter().map(|line| format!("{node}: {line}")));
        let boot = booted(lab, node)?;
        let moments =
            [("the node before", last), ("its first load balancer", order.let_go), ("its unit", order.stopped)];
        let moments = moments.into_iter().chain([("its boot", boot), ("the end of standby", order.returned)]);
        let moments: Vec<(&str, f64)> = moments.collect();
        let pairs = moments.windows(2).filter(|pair| pair[0].1 > pair[1].1);
        wrong.extend(
            pairs.map(|p| format!("{node}: {} at {:.3} came before {} at {:.3}", p[1].0, p[1].1, p[0].0, p[0].1)),
        );
        last = order.returned;
    }
    ensure!(wrong.is_empty(), "out of order by the servers' logs:\n    {}", wrong.join("\n    "));
    Ok(())
}

/// When a step began or ended, in seconds since 1970.
fn moment(play: &Value, step: &str, what: &str) -> Result<f64> {
    let mut steps = play["steps"].as_array().context("no steps")?.iter();
    let found = steps.find(|s| s["step"] == step).with_context(|| format!("there is no step {step:?}"))?;
    let text = found[what].as_str().with_context(|| format!("{step:?} has no {what:?}"))?;
    let at: jiff::Timestamp = text.parse().with_context(|| format!("{text:?} is no time"))?;
    Ok(at.as_microsecond() as f64 / 1e6)
}

/// When systemd on a node began, by its own word.
fn booted(lab: &Lab, node: &str) -> Result<f64> {
    let script = "date --date=\"$(systemctl show -P UserspaceTimestamp --timestamp=us+utc)\" +%s.%N";
    lab.shell(node, script)?.trim().parse().with_context(|| format!("when {node} booted"))
}

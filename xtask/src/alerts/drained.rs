//! A request on a node that Tidegate keeps out.
//!
//! Somebody who works on the node starts the application by hand to try it, and takes it in again at one load balancer,
//! without a word to anybody. Both is done by other hands than Tidegate's: `systemctl` on the node, HAProxy's own socket.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Outcome, Stage, tenths, until};

const NODE: &str = "node-2";
const LB: &str = "lb-1";
const ALERT: &str = "TidegateTrafficOnDrainedNode";
/// The rule looks back five minutes; half a minute for the last look.
const FORGOTTEN: Duration = Duration::from_secs(330);

/// The node is drained and gets requests: the alert fires for it. Then all is put back.
pub(super) fn fires(stage: &Stage<'_>, outcome: &mut Outcome) -> Result<()> {
    stage.run(&["drain", NODE, "--yes", "--json", "--reason", "to see who notices a request"])?;
    let out = format!("tidegate_node_out{{node=\"{NODE}\"}} == 1");
    until("Prometheus knows that it is out", Duration::from_secs(30), || stage.holds(&out))?;
    ensure!(stage.firing(ALERT)?.is_empty(), "{ALERT} fires before any request");

    let lab = stage.lab;
    lab.exec(NODE, &["systemctl", "start", "app.service"])?;
    lab.haproxy(LB, &format!("set server app/{NODE} health up"))?;
    let put_back = Instant::now();
    lab.haproxy(LB, &format!("set server app/{NODE} state ready"))?;
    let fired = until(ALERT, Duration::from_secs(60), || Ok(!stage.firing(ALERT)?.is_empty()));
    outcome.fired_s = fired.is_ok().then(|| tenths(put_back.elapsed()));
    lab.haproxy(LB, &format!("set server app/{NODE} state drain"))?;
    lab.exec(NODE, &["systemctl", "stop", "app.service"])?;
    let alerts = stage.firing(ALERT)?;
    stage.run(&["restore", NODE, "--yes", "--json"])?;

    fired?;
    for alert in alerts {
        let (server, instance) = (alert.label("server"), alert.label("route_instance"));
        ensure!((server, instance) == (NODE, LB), "it fires for {server} at {instance}");
        ensure!(alert.label("severity") == "page", "its severity is {:?}", alert.label("severity"));
    }
    Ok(())
}

/// It ends when no request came for five minutes.
pub(super) fn resolves(stage: &Stage<'_>, since: Instant, outcome: &mut Outcome) -> Result<()> {
    until(&format!("{ALERT} ends"), FORGOTTEN, || Ok(stage.firing(ALERT)?.is_empty()))?;
    outcome.resolved_s = Some(tenths(since.elapsed()));
    Ok(())
}

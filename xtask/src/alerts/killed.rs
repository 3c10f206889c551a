//! A loss that nobody asked for: a unit is killed, and the guard tells the load balancers before their own checks know.
//!
//! No alert is due: it is over before one is. What is counted meanwhile, failures and what the guard did, the dashboard
//! shows.

use std::time::Duration;

use anyhow::Result;

use super::{Stage, until};

const NODE: &str = "node-1";
const LIMIT: Duration = Duration::from_secs(60);
/// What Prometheus says is at most so old: a probe's interval, a look, a scrape.
const STALE: Duration = Duration::from_secs(4);

/// The guard acts, and afterwards all is as it was.
pub(super) fn is_told(stage: &Stage<'_>) -> Result<()> {
    let lab = stage.lab;
    lab.kill_unit(NODE, "app.service")?;
    let told = format!("tidegate_guard_actions_total{{node=\"{NODE}\",kind=\"advised\"}} > 0");
    until("the guard tells the load balancers of a killed unit", LIMIT, || stage.holds(&told))?;
    // The cluster starts it again. Asked to look, it does so at once, and not at its next monitor operation; a start by
    // another hand beside that would make one of the two fail, and a node whose unit fails to stop is fenced.
    let refresh = ["timeout", "10", "crm_resource", "--refresh", "--resource", "app_service", "--node", NODE];
    until("the cluster starts it again", LIMIT, || Ok(lab.output("node-3", &refresh)?.status.success()))?;
    // What is exported is a moment old: it may not know of the loss yet. The node itself does, and so does the cluster.
    let active = ["systemctl", "is-active", "--quiet", "app.service"];
    until("the unit runs again", LIMIT, || Ok(lab.output(NODE, &active)?.status.success()))?;
    lab.exec("node-3", &["crm_resource", "--wait", "--timeout", "60"])?;
    std::thread::sleep(STALE);
    // HAProxy takes it back by its own checks, every 5 s.
    until("everything serves again", LIMIT, || stage.holds(super::stage::WELL)).map(drop)
}

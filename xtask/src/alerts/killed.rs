//! A loss that nobody asked for: a unit is killed, and the guard tells the load balancers before their own checks know.
//!
//! No alert is due: it is over before one is. What is counted meanwhile, failures and what the guard did, the dashboard
//! shows.

use std::time::Duration;

use anyhow::Result;

use super::{Stage, until};

const NODE: &str = "node-1";
const LIMIT: Duration = Duration::from_secs(60);

/// The guard acts, and afterwards all is as it was.
pub(super) fn is_told(stage: &Stage<'_>) -> Result<()> {
    let lab = stage.lab;
    lab.kill_unit(NODE, "app.service")?;
    let told = format!("tidegate_guard_actions_total{{node=\"{NODE}\",kind=\"advised\"}} > 0");
    let seen = until("the guard tells the load balancers of a killed unit", LIMIT, || stage.holds(&told));
    lab.exec(NODE, &["systemctl", "start", "app.service"])?;
    seen?;
    // HAProxy takes it back by its own checks, every 5 s.
    until("everything serves again", LIMIT, || stage.holds(super::stage::WELL)).map(drop)
}

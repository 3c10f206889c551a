//! Between two measurements everything is as at the start: nothing of one round may help or hinder the next.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lab::{Answer, Lab};

/// HAProxy's slow checks need up to 10 s to take a server back.
const LIMIT: Duration = Duration::from_secs(90);

/// Waits until the cluster has nothing left to do, the application runs on all nodes, and both load balancers send
/// to all of them again. Hands back how long after `since` the load balancers did.
pub(super) fn wait(lab: &Lab, since: Instant) -> Result<Duration> {
    lab.wait("both load balancers with every server up", LIMIT, served)?;
    let served_after = since.elapsed();
    lab.wait_app(LIMIT)?;
    lab.wait("an idle cluster", LIMIT, idle)?;
    Ok(served_after)
}

/// Up is not enough: a server of weight 0 is up, too.
fn served(lab: &Lab) -> Result<Answer> {
    let weight = lab.options().haproxy.weight.to_string();
    for balancer in lab.balancer_names() {
        let servers = lab.servers(balancer)?;
        if let Some(server) = servers.iter().find(|server| server.backend == "app" && server.weight != weight) {
            return Ok(Answer::NotYet(format!("{balancer} has {} with weight {}", server.name, server.weight)));
        }
    }
    lab.balancers_up()
}

/// The coordinator's own word: no transition is under way and none is needed.
fn idle(lab: &Lab) -> Result<Answer> {
    let Some(coordinator) = lab.cluster()?.coordinator else {
        return Ok(Answer::NotYet("there is no coordinator".to_owned()));
    };
    let state = lab.shell("node-1", &format!("crmadmin --status={coordinator} 2>&1"))?;
    Ok(if state.contains("S_IDLE") { Answer::Yes } else { Answer::NotYet(state) })
}

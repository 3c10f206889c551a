//! A wrong weight on one load balancer, set through HAProxy's own socket, as somebody forgets it there.
//!
//! With 10 in place of 100 the node gets a 21st of what that load balancer sends, and 19 % of all in place of a third: off
//! by a factor of 1.75. The other two get 40 % each, off by 1.21, which the limit of 1.25 allows. Half of the window has to
//! be so until the whole window is off by the limit.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Outcome, Stage, tenths, until};

const NODE: &str = "node-3";
const LB: &str = "lb-1";
const ALERT: &str = "TidegateSkew";
/// The window of the alert: it is full of even traffic before the weight is set, which makes it slowest to fire.
pub(super) const WINDOW: Duration = Duration::from_secs(300);

/// The alert fires within its window, names the node, and ends within it once the weight is right.
pub(super) fn fires_and_resolves(stage: &Stage<'_>, outcome: &mut Outcome) -> Result<()> {
    let certain = "max(tidegate_skew_certain_ratio{window=\"5m\"})";
    let before = stage.prometheus.instant(certain)?.first().and_then(|one| one.values.first().copied());
    ensure!(before.is_some_and(|ratio| ratio < 1.05), "before anything was done the certain skew is {before:?}");

    let wrong = Instant::now();
    weigh(stage, 10)?;
    let fired = until(ALERT, WINDOW, || Ok(!stage.firing(ALERT)?.is_empty()));
    outcome.fired_s = fired.is_ok().then(|| tenths(wrong.elapsed()));
    let alerts = stage.firing(ALERT)?;
    let right = Instant::now();
    weigh(stage, 100)?;

    fired?;
    for alert in &alerts {
        ensure!(alert.label("node") == NODE, "it fires for {}", alert.label("node"));
        ensure!(alert.label("severity") == "ticket", "its severity is {:?}", alert.label("severity"));
    }
    until(&format!("{ALERT} ends"), WINDOW, || Ok(stage.firing(ALERT)?.is_empty()))?;
    outcome.resolved_s = Some(tenths(right.elapsed()));
    Ok(())
}

fn weigh(stage: &Stage<'_>, weight: u32) -> Result<()> {
    let said = stage.lab.haproxy(LB, &format!("set server app/{NODE} weight {weight}"))?;
    ensure!(said.trim().is_empty(), "{LB} did not take the weight: {said}");
    Ok(())
}

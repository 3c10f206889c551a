//! Ways out of the cluster other than standby until a restore: one service, until the restart, maintenance. Each under
//! load, and each back exactly.

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TidegateConfig},
};

use crate::stage::{
    NODE, check_back, clean, jetty_beside, load, restore, run, standby, text, tidegate, uneven, within,
};

fn active(lab: &Lab, unit: &str) -> Result<bool> {
    Ok(lab.output(NODE, &["systemctl", "is-active", unit])?.status.success())
}

/// Drains so and looks, restores and looks, under load: no request fails.
fn there_and_back(
    lab: &Lab,
    tidegate: &Tidegate<'_>,
    how: &[&str],
    out: impl FnOnce(&Value) -> Result<()>,
) -> Result<()> {
    let load = load(lab)?;
    let drained = run(tidegate, 0, &[&["drain", NODE, "--yes", "--json"], how].concat())?;
    out(&drained)?;
    let can = run(tidegate, 3, &["can-drain", NODE, "--json"])?;
    ensure!(can.to_string().contains("already"), "{how:?}: drained twice? {can}");
    restore(tidegate)?;
    check_back(lab)?;
    let cib = lab.shell("node-1", "cibadmin -Q")?;
    ensure!(!cib.contains("tidegate"), "{how:?}: something is left in the CIB");
    let result = load.finish()?;
    ensure!(result.failed == 0, "{how:?}: {} of {} requests failed", result.failed, result.requests);
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn until_the_restart_and_into_maintenance() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "scope.toml", &TidegateConfig::default())?;
    there_and_back(&lab, &tidegate, &["--lifetime", "reboot"], |drained| {
        ensure!(standby(&lab)? && !active(&lab, "app.service")?, "it is not out: {drained}");
        let forever = lab.shell("node-1", "cibadmin -Q -o nodes")?;
        ensure!(!forever.contains("\"standby\""), "it would outlast the restart: {forever}");
        let mark = lab.shell("node-1", "crm_mon -1 -A")?;
        ensure!(mark.contains(text(drained, "run")), "no mark: {mark}");
        Ok(())
    })?;
    there_and_back(&lab, &tidegate, &["--maintenance"], |drained| {
        ensure!(active(&lab, "app.service")? && !standby(&lab)?, "it was stopped: {drained}");
        ensure!(text(drained, "node_state").contains("in maintenance"), "{drained}");
        // What the cluster does not manage it does not mend.
        lab.exec(NODE, &["systemctl", "restart", "app.service"]).map(drop)
    })
}

#[test]
#[ignore = "needs the lab"]
fn one_service_leaves_and_the_other_stays() -> Result<()> {
    let mut lab = clean()?;
    lab.set_jetty(true)?;
    uneven(&lab)?;
    let config = TidegateConfig { extra: jetty_beside(), ..TidegateConfig::default() };
    let tidegate = tidegate(&lab, "scope-jetty.toml", &config)?;
    let result = there_and_back(&lab, &tidegate, &["--service", "app"], |drained| {
        ensure!(!active(&lab, "app.service")? && active(&lab, "jetty9.service")?, "{drained}");
        ensure!(!standby(&lab)?, "the whole node is out");
        let jetty = lab.servers("lb-1")?.into_iter().find(|s| s.backend == "jetty" && s.name == NODE);
        ensure!(jetty.is_some_and(|s| s.status == "UP"), "the other service lost its traffic");
        let constraints = lab.shell("node-1", "cibadmin -Q -o constraints")?;
        ensure!(constraints.contains(text(drained, "run")), "no ban of ours: {constraints}");
        let unknown = run(&tidegate, 2, &["can-drain", NODE, "--service", "nothing", "--json"])?;
        ensure!(unknown.to_string().contains("app, jetty"), "{unknown}");
        // A ban lasts over a change of the resource's own state.
        lab.shell("node-1", "crm_resource --refresh -r app_service --wait")?;
        within(5, "the ban holds", || Ok(!active(&lab, "app.service")?))
    });
    let cleaned = lab.reset().and_then(|()| lab.set_jetty(false));
    result.and(cleaned)
}

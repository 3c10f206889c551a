//! A unit that systemd runs on every node, enabled and with live traffic, goes into the cluster's hands and back, a node at
//! a time, with the command killed in the middle of each way: no request fails.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TidegateConfig},
};

use crate::stage::{Running, check_back, clean, load, run, text, tidegate, uneven, within};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// What each node's systemd says: running, and at boot.
fn units(lab: &Lab) -> Result<Vec<String>> {
    let say = |node: &&str| {
        let script = "systemctl is-active app.service || true; systemctl is-enabled app.service || true";
        Ok(lab.shell(node, script)?.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    NODES.iter().map(say).collect()
}

/// No clone; the unit runs on every node as it would after a boot without a cluster.
fn bare(lab: &Lab) -> Result<()> {
    lab.shell("node-1", "pcs resource delete app_service")?;
    within(60, "bare units", || Ok(units(lab)?.iter().all(|u| u.starts_with("inactive"))))?;
    for node in NODES {
        lab.shell(node, "systemctl enable --now app.service")?;
    }
    within(30, "everything is up", || {
        let up = |lb: &str| -> Result<bool> {
            Ok(lab.servers(lb)?.iter().filter(|s| s.backend == "app").all(|s| s.status == "UP"))
        };
        Ok(up("lb-1")? && up("lb-2")?)
    })?;
    uneven(lab)
}

/// The command is killed while the second node's unit is stopped, and asked for again.
fn killed_once(lab: &Lab, tidegate: &Tidegate<'_>, way: &str) -> Result<Value> {
    let arguments = ["clone", way, "app", "--yes", "--json"];
    let mut first = Running::start(&mut tidegate.command(&arguments)?)?;
    within(120, "the second node's unit to stop", || {
        ensure!(first.0.try_wait()?.is_none(), "{way} ended by itself before it was killed");
        Ok(!units(lab)?[1].starts_with("active"))
    })?;
    first.0.kill()?;
    first.0.wait()?;
    let history = run(tidegate, 0, &["history", "--json"])?;
    let last = &history["runs"][0];
    ensure!(text(last, "node") == "node-2", "{way}: killed elsewhere: {last}");
    // The lease of the one that was killed runs out.
    let mut done = None;
    within(60, "the lease", || {
        let (code, value, stderr) = tidegate.json(&arguments)?;
        ensure!(code == 0 || stderr.contains("lease") || value.to_string().contains("held by"), "{value}\n{stderr}");
        done = (code == 0).then_some(value);
        Ok(done.is_some())
    })?;
    lab.shell("node-1", "crm_resource --wait --timeout 60")?;
    done.context("no result")
}

#[test]
#[ignore = "needs the lab"]
fn a_running_unit_is_adopted_and_released_without_losing_a_request() -> Result<()> {
    let lab = clean()?;
    let result = played(&lab);
    for node in NODES {
        lab.shell(node, "systemctl disable app.service")?;
    }
    lab.reset()?;
    result
}

fn played(lab: &Lab) -> Result<()> {
    bare(lab)?;
    let tidegate = tidegate(lab, "adoption.toml", &TidegateConfig::default())?;
    let refused = run(&tidegate, 3, &["clone", "apply", "--yes", "--json"])?;
    ensure!(refused.to_string().contains("clone adopt"), "{refused}");

    let load = load(lab)?;
    killed_once(lab, &tidegate, "adopt")?;
    ensure!(units(lab)? == ["active disabled"; 3], "{:?}", units(lab)?);
    ensure!(lab.cluster()?.started("app_service") == 3, "the cluster does not run it everywhere");
    let constraints = lab.shell("node-1", "cibadmin -Q -o constraints")?;
    ensure!(!constraints.contains("tidegate"), "something is withheld still: {constraints}");
    check_back(lab)?;
    let again = run(&tidegate, 0, &["clone", "adopt", "app", "--yes", "--json"])?;
    ensure!(again["runs"] == Value::Array(Vec::new()), "{again}");

    killed_once(lab, &tidegate, "release")?;
    ensure!(units(lab)? == ["active enabled"; 3], "{:?}", units(lab)?);
    let cib = lab.shell("node-1", "cibadmin -Q")?;
    ensure!(!cib.contains("<primitive id=\"app_service\"") && !cib.contains("tidegate-"), "something is left: {cib}");
    check_back(lab)?;
    let result = load.finish()?;
    ensure!(result.failed == 0, "{} of {} requests failed", result.failed, result.requests);
    ensure!(result.requests > 1000, "only {} requests", result.requests);
    Ok(())
}

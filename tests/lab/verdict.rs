//! The verdict on a cluster that has more in it than the service: what the rehearsal says, what a person may answer for,
//! and what Pacemaker then does.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::{
    harness::{Prometheus, Tidegate},
    lab::{Lab, TidegateConfig},
};

use super::stage::{NODE, clean, restore, run, text};

/// The codes of the gates that do not pass.
fn against(verdict: &Value) -> BTreeSet<String> {
    let gates = verdict["gates"].as_array().cloned().unwrap_or_default();
    let no = gates.iter().filter(|g| matches!(text(g, "answer"), "hold" | "refuse"));
    no.map(|g| text(g, "code").to_owned()).collect()
}

fn detail(verdict: &Value, code: &str) -> String {
    let gates = verdict["gates"].as_array().cloned().unwrap_or_default();
    gates.iter().filter(|g| text(g, "code") == code).map(|g| text(g, "detail").to_owned()).collect()
}

fn asked(tidegate: &Tidegate<'_>, node: &str, code: i32) -> Result<Value> {
    run(tidegate, code, &["can-drain", node, "--json"])
}

fn pcs(lab: &Lab, arguments: &[&str]) -> Result<()> {
    let line: Vec<&str> = std::iter::once("pcs").chain(arguments.iter().copied()).collect();
    lab.exec("node-1", &line).map(drop)
}

/// Where a resource runs, by Pacemaker's own word.
fn place(lab: &Lab, resource: &str) -> Result<String> {
    let said = lab.shell("node-1", &format!("crm_resource --resource {resource} --locate"))?;
    Ok(said.split("running on: ").nth(1).unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned())
}

fn settled(lab: &Lab) -> Result<()> {
    lab.exec("node-1", &["crm_resource", "--wait", "--timeout", "30"]).map(drop)
}

#[test]
#[ignore = "needs the lab"]
fn the_cluster_rehearses_and_the_verdict_names_what_else_would_move() -> Result<()> {
    let lab = clean()?;
    let tidegate = Tidegate::new(&lab, lab.write_config("verdict.toml", &TidegateConfig::default())?);
    let nothing = asked(&tidegate, NODE, 0)?;
    ensure!(against(&nothing).is_empty(), "{nothing}");
    ensure!(detail(&nothing, "rehearsal").contains("stop app_service"), "{nothing}");
    ensure!(detail(&nothing, "votes").contains("2 of 3 votes are left"), "{nothing}");

    // An address that lives on the node.
    pcs(&lab, &["resource", "create", "vip", "ocf:pacemaker:Dummy", "op", "monitor", "interval=30s"])?;
    pcs(&lab, &["constraint", "location", "vip", "prefers", &format!("{NODE}=100")])?;
    settled(&lab)?;
    ensure!(place(&lab, "vip")? == NODE, "{}", place(&lab, "vip")?);
    let refused = asked(&tidegate, NODE, 3)?;
    ensure!(against(&refused) == BTreeSet::from(["collateral".to_owned()]), "{refused}");
    ensure!(detail(&refused, "collateral").contains(&format!("move vip from {NODE} to ")), "{refused}");
    ensure!(against(&asked(&tidegate, "node-3", 0)?).is_empty(), "it is elsewhere");

    // The same from a copy of the CIB, without a word to the cluster.
    let saved = lab.dir().join("saved.xml");
    std::fs::write(&saved, lab.shell("node-1", "cibadmin --query")?)?;
    let file = saved.to_string_lossy().into_owned();
    let offline = run(&tidegate, 3, &["can-drain", NODE, "--cib", &file, "--json"])?;
    ensure!(against(&offline) == against(&refused), "{offline}");
    ensure!(detail(&offline, "collateral") == detail(&refused, "collateral"), "{offline}");

    // Somebody answers for it: it goes where the rehearsal said, and the journal has the reason.
    let overridden = ["drain", NODE, "--yes", "--json", "--override", "collateral=the address may move"];
    let drained = run(&tidegate, 0, &overridden)?;
    let plan = run(&tidegate, 0, &["show", text(&drained, "run"), "--json"])?;
    ensure!(plan.to_string().contains("the address may move"), "{plan}");
    settled(&lab)?;
    let to = detail(&refused, "collateral");
    let to = to.split(&format!("move vip from {NODE} to ")).nth(1).unwrap_or_default();
    ensure!(to.starts_with(&place(&lab, "vip")?), "rehearsed {to}, and it is on {}", place(&lab, "vip")?);
    restore(&tidegate)?;
    settled(&lab)?;

    // An instance that would start elsewhere, on one of two; fencing that is off.
    pcs(&lab, &["resource", "delete", "vip"])?;
    pcs(&lab, &["resource", "meta", "app_service-clone", "clone-max=1"])?;
    pcs(&lab, &["property", "set", "stonith-enabled=false"])?;
    settled(&lab)?;
    let nodes = ["node-1", "node-2", "node-3"];
    let is_active = |node: &&str| lab.exec(node, &["systemctl", "--quiet", "is-active", "app.service"]).is_ok();
    let (runs, idle): (Vec<&str>, Vec<&str>) = nodes.into_iter().partition(is_active);
    ensure!(runs.len() == 1, "{runs:?}");
    let refused = asked(&tidegate, runs[0], 3)?;
    let missing: BTreeSet<String> = ["arrivals", "capacity", "fencing"].map(str::to_owned).into();
    ensure!(missing.is_subset(&against(&refused)), "{refused}");
    let arrives = detail(&refused, "arrivals");
    ensure!(idle.iter().any(|node| arrives.contains(&format!("app_service on {node}"))), "{refused}");
    lab.until("the lab is clean again", Duration::from_secs(60), |lab| lab.reset().map(|()| true))
}

/// The codes of a set.
fn codes<const N: usize>(codes: [&str; N]) -> BTreeSet<String> {
    codes.map(str::to_owned).into()
}

/// A rule that always fires, and a window that is always open.
const ALARM: &str = "groups: [{ name: lab, interval: 1s, rules: [{ alert: LabOnFire, expr: vector(1), \
                     labels: { severity: page, service: app } }] }]\n";
const ALWAYS: &str = r#"
[[calendar]]
name = "always"
why = "the lab is being shown"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

[prometheus]
url = "http://127.0.0.1:9790"
match = ["severity=page"]
"#;

#[test]
#[ignore = "needs the lab"]
fn a_firing_alert_and_a_blocked_window_are_named_and_a_silent_prometheus_cannot_be_overridden() -> Result<()> {
    let lab = clean()?;
    let config = TidegateConfig { extra: ALWAYS.into(), ..TidegateConfig::default() };
    let tidegate = Tidegate::new(&lab, lab.write_config("blocked.toml", &config)?);
    let rules = lab.dir().join("rules");
    std::fs::create_dir_all(&rules)?;
    std::fs::write(rules.join("lab.yml"), ALARM)?;
    let prometheus = Prometheus::start(&lab, "127.0.0.1:9".parse()?, &rules)?;
    lab.until("the alert fires", Duration::from_secs(30), |_| {
        Ok(prometheus.alerts().is_ok_and(|alerts| alerts.iter().any(|alert| alert.fires("LabOnFire"))))
    })?;
    let refused = asked(&tidegate, NODE, 3)?;
    ensure!(against(&refused) == codes(["alerts", "calendar"]), "{refused}");
    ensure!(detail(&refused, "alerts").starts_with("LabOnFire (severity page, service app) fires for "), "{refused}");
    ensure!(detail(&refused, "calendar").contains("always (the lab is being shown) until "), "{refused}");
    let answered =
        ["can-drain", NODE, "--json", "--override", "alerts=it is a test", "--override", "calendar=the lab is ours"];
    let yes = run(&tidegate, 0, &answered)?;
    ensure!(detail(&yes, "alerts").ends_with("(overridden: it is a test)"), "{yes}");
    // Somebody answered for the alert, but nobody can for what is not seen.
    prometheus.stop()?;
    let silent = run(&tidegate, 3, &answered)?;
    ensure!(against(&silent) == codes(["alerts"]), "{silent}");
    ensure!(
        detail(&silent, "alerts").contains("unknown: Prometheus at http://127.0.0.1:9790: no connection"),
        "{silent}"
    );
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_colocated_group_a_resource_with_failures_and_the_last_vote_are_named() -> Result<()> {
    let lab = clean()?;
    let tidegate = Tidegate::new(&lab, lab.write_config("named.toml", &TidegateConfig::default())?);
    let dummy =
        |name: &str, more: &[&str]| pcs(&lab, &[&["resource", "create", name, "ocf:pacemaker:Dummy"], more].concat());
    dummy("disk", &["--group", "store"])?;
    dummy("export", &["--group", "store"])?;
    dummy("vip", &[])?;
    pcs(&lab, &["constraint", "colocation", "add", "vip", "with", "store"])?;
    pcs(&lab, &["constraint", "location", "store", "prefers", &format!("{NODE}=200")])?;
    dummy("sick", &["state=/run/sick.state", "op", "monitor", "interval=1s", "on-fail=block"])?;
    pcs(&lab, &["constraint", "location", "sick", "prefers", "node-1=200"])?;
    settled(&lab)?;
    ensure!(place(&lab, "vip")? == NODE, "it is on {}", place(&lab, "vip")?);
    // Its monitor finds it stopped, and nobody may start it.
    lab.exec("node-1", &["rm", "/run/sick.state"])?;
    lab.until("it is blocked", Duration::from_secs(30), |_| {
        let (_, said, _) = tidegate.json(&["can-drain", NODE, "--json"])?;
        Ok(against(&said).contains("resources"))
    })?;
    let refused = asked(&tidegate, NODE, 3)?;
    ensure!(against(&refused) == codes(["collateral", "resources"]), "{refused}");
    ensure!(detail(&refused, "resources").contains("sick on node-1 is "), "{refused}");
    for moved in ["disk", "export", "vip"] {
        ensure!(
            detail(&refused, "collateral").contains(&format!("move {moved} from {NODE} to ")),
            "{moved}: {refused}"
        );
    }
    // Another member leaves: without the node there would be one vote of three.
    lab.exec("node-3", &["systemctl", "stop", "pacemaker", "corosync"])?;
    lab.until("one member is gone", Duration::from_secs(60), |_| {
        let (_, said, _) = tidegate.json(&["can-drain", NODE, "--json"])?;
        Ok(against(&said).is_superset(&codes(["votes", "capacity"])))
    })?;
    let refused = asked(&tidegate, NODE, 3)?;
    let votes = detail(&refused, "votes");
    ensure!(votes == format!("1 of 2 votes is left while {NODE} is down; 2 needed"), "{votes}");
    lab.until("the lab is clean again", Duration::from_secs(60), |lab| lab.reset().map(|()| true))
}

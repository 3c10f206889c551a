//! Two nodes of a wave at once: where the service can do without them, and where it cannot. And conditions over what load
//! balancers count, with one of them silent.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::disturbed::Ready;
use super::people::own;
use super::{LIMIT, Outcome, done, last};
use crate::harness::{Child, Load, LoadSpec, Tidegate};
use crate::lab::{Lab, TidegateConfig};

/// A service that can do without two of its three nodes.
fn frugal(lab: &Lab) -> Result<PathBuf> {
    let config = TidegateConfig {
        min_ready: 1,
        probe_interval: "1s".into(),
        extra: "[run]\npatience = \"6s\"\n".into(),
        ..TidegateConfig::default()
    };
    lab.write_config("pairs.toml", &config)
}

fn load(lab: &Lab) -> Result<Load> {
    Load::start(lab, LoadSpec { rate: 100, timeout: Duration::from_secs(30), ..LoadSpec::default() })
}

/// A play's end, with what its clients saw, and how few nodes were ready at a time.
fn played(lab: &Lab, outcome: &mut Outcome, play: impl FnOnce() -> Result<Value>) -> Result<(Value, usize)> {
    let load = load(lab)?;
    let ready = Ready::watch(lab)?;
    let value = play();
    let fewest = ready.fewest();
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let value = value?;
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    Ok((value, fewest))
}

fn run(tidegate: &Tidegate<'_>, inputs: &[&str], wanted: i32) -> Result<Value> {
    let file = own("pairs.toml");
    let line = [&["playbook", "run", file.as_str()], inputs, &["--yes", "--json", "--reason", "two at once"]].concat();
    let (code, value, stderr) = tidegate.json(&line)?;
    ensure!(code == wanted, "exit {code}: {value}\n{}", last(&stderr));
    Ok(value)
}

/// When a step began or was done on a node.
fn when<'v>(play: &'v Value, node: &str, step: &str, what: &str) -> Result<&'v str> {
    let name = format!("{node}, {step}");
    let mut steps = play["steps"].as_array().into_iter().flatten();
    let found = steps.find(|s| s["step"] == name.as_str()).with_context(|| format!("no {name}: {play}"))?;
    found[what].as_str().with_context(|| format!("{name} has no {what}: {play}"))
}

/// Both of a wave are out together, and come back before the third leaves.
pub(super) fn at_once(lab: &Lab, _: &Tidegate<'_>, _: &[String], outcome: &mut Outcome) -> Result<()> {
    let tidegate = Tidegate::new(lab, frugal(lab)?).limit(LIMIT);
    let (play, fewest) = played(lab, outcome, || run(&tidegate, &[], 0))?;
    ensure!(fewest == 1, "{fewest} nodes were ready at least: two were never out at once");
    let out = when(&play, "node-2", "drain", "done")?;
    ensure!(out < when(&play, "node-1", "restore", "since")?, "node-1 was back before node-2 was out: {play}");
    let back = when(&play, "node-1", "restore", "done")?.max(when(&play, "node-2", "restore", "done")?);
    ensure!(back < when(&play, "node-3", "drain", "since")?, "the next wave did not wait: {play}");
    Ok(())
}

/// The two of a wave are rebooted one after the other: the cluster has its quorum all the time.
pub(super) fn rebooted(lab: &Lab, _: &Tidegate<'_>, _: &[String], outcome: &mut Outcome) -> Result<()> {
    let tidegate = Tidegate::new(lab, frugal(lab)?).limit(LIMIT);
    let (play, fewest) = played(lab, outcome, || run(&tidegate, &["reboot=true"], 0))?;
    ensure!(fewest == 1, "{fewest} nodes were ready at least");
    let first = when(&play, "node-1", "reboot", "done")?;
    ensure!(first <= when(&play, "node-2", "reboot", "since")?, "both were booted at once: {play}");
    Ok(())
}

/// The configuration's floor refuses the file; the floor as it is holds the second node of the wave, and it goes on once
/// there are enough.
pub(super) fn too_few(lab: &Lab, usual: &Tidegate<'_>, _: &[String], outcome: &mut Outcome) -> Result<()> {
    let refused = run(usual, &[], 2)?;
    let problem = &refused["problems"][0];
    ensure!(problem["key"].as_str().is_some_and(|key| key.ends_with("max-unavailable")), "{refused}");
    let tidegate = Tidegate::new(lab, frugal(lab)?).limit(LIMIT);
    lab.set_switch("node-3", "not-ready", "")?;
    lab.until("node-3 is out of routing", Duration::from_secs(60), |lab| {
        let down = |lb: &&str| -> Result<bool> {
            Ok(lab.servers(lb)?.iter().any(|s| s.backend == "app" && s.name == "node-3" && s.status != "UP"))
        };
        Ok(lab.balancer_names().iter().map(down).collect::<Result<Vec<_>>>()?.into_iter().all(|down| down))
    })?;
    let (play, fewest) = played(lab, outcome, || {
        let held = run(&tidegate, &[], 4)?;
        lab.clear_switch("node-3", "not-ready")?;
        Ok(held)
    })?;
    let why = play["why"].as_str().unwrap_or_default();
    ensure!(fewest == 1, "the floor was broken, or two were never wanted: {fewest} ready");
    ensure!(play["result"] == "held" && why.contains("node-2, drain") && why.contains("capacity"), "{play}");
    ensure!(why.contains("0 ready nodes are left without node-2, 1 needed"), "{why}");
    let out: Vec<&String> = play["out"].as_object().context("nobody is out")?.keys().collect();
    ensure!(out == ["node-1"], "out are {out:?}");
    let name = play["play"].as_str().context("no play")?;
    lab.until("node-3 is back in routing", Duration::from_secs(60), |lab| {
        let up = |lb: &&str| -> Result<bool> {
            Ok(lab.servers(lb)?.iter().any(|s| s.backend == "app" && s.name == "node-3" && s.status == "UP"))
        };
        Ok(lab.balancer_names().iter().map(up).collect::<Result<Vec<_>>>()?.into_iter().all(|up| up))
    })?;
    let (_, fewest) = played(lab, outcome, || done(&tidegate, &["playbook", "resume", name, "--yes", "--json"]))?;
    ensure!(fewest >= 1, "nobody was ready");
    Ok(())
}

/// Shares and errors hold while both load balancers tell what they count, and do not while one says nothing.
pub(super) fn silent(lab: &Lab, tidegate: &Tidegate<'_>, _: &[String], outcome: &mut Outcome) -> Result<()> {
    let load = load(lab)?;
    let line = ["playbook", "run", &own("measured.toml"), "--yes", "--json"];
    let heard = done(tidegate, &line);
    let socket = "/run/haproxy/admin.sock";
    lab.shell("lb-2", &format!("mv {socket} {socket}.away"))?;
    let unheard = Child::start(&mut tidegate.command(&line)?, Stdio::null()).and_then(|child| child.finish(LIMIT));
    lab.shell("lb-2", &format!("mv {socket}.away {socket}"))?;
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let heard = heard?;
    ensure!(heard["result"] == "done", "{heard}");
    let unheard = unheard?;
    let value: Value = serde_json::from_str(unheard.stdout.lines().last().unwrap_or_default())?;
    let why = value["why"].as_str().unwrap_or_default();
    ensure!(unheard.status.code() == Some(1) && value["result"] == "failed", "{value}\n{}", last(&unheard.stderr));
    ensure!(why.contains("lb-2") && why.contains("told nothing") && !why.contains("lb-1"), "{why}");
    Ok(())
}

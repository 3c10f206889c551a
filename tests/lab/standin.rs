//! A clone with one instance fewer than there are nodes: the free node stands in before another one leaves, and goes again
//! once that is back. Under load no request fails, and each load balancer sends clients to two nodes at every moment,
//! though the program is killed in the midst of each of the three parts.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tidegate::model::RunId;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TidegateConfig},
};

use crate::{
    killed::{
        Phase::{self, Begun},
        Watch, places,
    },
    stage::{Running, clean, load, run, text, tidegate, within},
};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

fn active(lab: &Lab, node: &str) -> bool {
    lab.exec(node, &["systemctl", "--quiet", "is-active", "app.service"]).is_ok()
}

/// Nodes that a load balancer sends clients to.
fn taking(lab: &Lab, lb: &str) -> Result<usize> {
    let up = |s: &xtask::lab::Server| s.backend == "app" && s.status.starts_with("UP") && s.weight != "0";
    Ok(lab.servers(lb)?.iter().filter(|s| up(s)).count())
}

/// What must be as before: the cluster's configuration, and the state and weight of each server at each load balancer.
fn everything(lab: &Lab) -> Result<String> {
    let mut all = lab.shell("node-1", "cibadmin -Q -o configuration")?;
    for lb in ["lb-1", "lb-2"] {
        let state = lab.haproxy(lb, "show servers state app")?;
        let rows = state.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
        for row in rows.filter(|row| row.get(3).is_some_and(|name| NODES.contains(name))) {
            all += &format!("{lb} {} {} {}\n", row[3], row[6], row[7]);
        }
    }
    Ok(all)
}

/// Waits until the newest run is such a one and has come so far, and kills the program that executes it.
fn kill_in(watch: &Watch, mut running: Running, kind: &str, step: usize, phase: Phase) -> Result<RunId> {
    let started = Instant::now();
    loop {
        if let Some(newest) = watch.newest()?.filter(|newest| newest.as_str().starts_with(kind))
            && places(&watch.records(&newest)?).iter().any(|(_, place)| *place >= (step, phase))
        {
            running.0.kill()?;
            running.0.wait()?;
            return Ok(newest);
        }
        if running.0.try_wait()?.is_some() {
            let (code, out, err) = running.finish(Duration::from_secs(1))?;
            bail!("it ended before it was killed in {kind}: exit {code}: {out}\n{err}");
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "not within a minute: step {step} of {kind}");
        sleep(Duration::from_millis(1));
    }
}

/// Comes, given up half-way, comes again through two kills, and goes through one.
fn there_and_back(lab: &Lab, tidegate: &Tidegate<'_>, node: &str, free: &str) -> Result<()> {
    let (watch, before) = (Watch::open(lab)?, everything(lab)?);
    let start = |arguments: &[&str]| Running::start(&mut tidegate.command(arguments)?);
    let drain = ["drain", node, "--yes", "--json", "--reason", "lab test"];

    within(20, "the node can be drained", || Ok(tidegate.json(&["can-drain", node, "--json"])?.0 == 0))?;
    let came = kill_in(&watch, start(&drain)?, "stand-in-", 3, Begun)?;
    run(tidegate, 0, &["abort", came.as_str(), "--yes", "--json"])?;
    ensure!(everything(lab)? == before, "the abort left something behind: {}", everything(lab)?);
    ensure!(!active(lab, free) && active(lab, node), "another instance than the new one was stopped");

    within(20, "the node can be drained again", || Ok(tidegate.json(&["can-drain", node, "--json"])?.0 == 0))?;
    kill_in(&watch, start(&drain)?, "stand-in-", 4, Begun)?;
    let left = kill_in(&watch, start(&drain)?, "drain-", 2, Begun)?;
    for lb in ["lb-1", "lb-2"] {
        ensure!(taking(lab, lb)? == 2, "{lb} does not send clients to {free} yet");
    }
    let drained = run(tidegate, 0, &["resume", left.as_str(), "--yes", "--json"])?;
    ensure!(active(lab, free) && !active(lab, node), "{drained}");

    kill_in(&watch, start(&["restore", node, "--yes", "--json"])?, "retire-", 3, Begun)?;
    let back = run(tidegate, 0, &["restore", node, "--yes", "--json"])?;
    ensure!(text(&back, "purpose") == "retire", "{back}");
    ensure!(everything(lab)? == before, "not as before:\n{before}\n{}", everything(lab)?);
    ensure!(!active(lab, free) && active(lab, node), "{back}");
    let nothing = run(tidegate, 3, &["restore", node, "--yes", "--json"])?;
    ensure!(nothing.to_string().contains("not drained"), "{nothing}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn the_third_node_stands_in_before_another_leaves() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "standin.toml", &TidegateConfig::default())?;
    lab.exec("node-1", &["pcs", "resource", "meta", "app_service-clone", "clone-max=2"])?;
    within(30, "one node is free", || Ok(NODES.iter().filter(|n| active(&lab, n)).count() == 2))?;
    let free = NODES.into_iter().find(|n| !active(&lab, n)).context("none is free")?;
    let node = NODES.into_iter().find(|n| *n != free).context("no other node")?;
    for (lb, weight) in [("lb-1", "37"), ("lb-2", "53")] {
        lab.haproxy(lb, &format!("set server app/{free} weight {weight}"))?;
    }
    within(30, "both have seen that nothing runs there", || Ok(taking(&lab, "lb-1")? + taking(&lab, "lb-2")? == 4))?;

    let load = load(&lab)?;
    let (over, least) = (AtomicBool::new(false), AtomicUsize::new(usize::MAX));
    let result = std::thread::scope(|scope| {
        let watching = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                for lb in ["lb-1", "lb-2"] {
                    least.fetch_min(taking(&lab, lb)?, Ordering::Relaxed);
                }
                sleep(Duration::from_millis(50));
            }
            Ok(())
        });
        let result = there_and_back(&lab, &tidegate, node, free);
        over.store(true, Ordering::Relaxed);
        let watched = watching.join().map_err(|_| anyhow::anyhow!("nobody watched"))?;
        result.and(watched)
    });
    let served = load.finish();
    let history = run(&tidegate, 0, &["history", "--json"])?;
    lab.until("the lab is clean again", Duration::from_secs(60), |lab| lab.reset().map(|()| true))?;
    result?;
    let served = served?;
    let (failed, first) = (served.failed, &served.failures);
    ensure!(failed == 0, "{failed} of {} requests failed: {first:?}; {history}", served.requests);
    ensure!(least.load(Ordering::Relaxed) >= 2, "a load balancer had only {least:?} nodes to send clients to");
    Ok(())
}

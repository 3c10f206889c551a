//! The guard on a real cluster: what becomes of routes and clients when something is lost that nobody drained, and what is
//! left alone. How fast it is, `cargo xtask bench failover` measures.

use std::{
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::{Child, Load, LoadSpec, Tidegate},
    lab::{APP_PORT, Entrance, Lab, Proxy, RouteText, TidegateConfig},
};

use crate::stage::{NODE, Routes, run, text, tidegate};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// A coordinator that works; it ends when dropped.
struct Serving {
    _child: Child,
}

impl Serving {
    fn start(tidegate: &Tidegate<'_>) -> Result<Self> {
        let arguments = ["serve", "--guard", "act", "--metrics", "127.0.0.1:9750"];
        let child = Child::start(&mut tidegate.command(&arguments)?, Stdio::null())?;
        // It has seen the cluster, and every service has passed its first probes.
        sleep(Duration::from_secs(4));
        Ok(Self { _child: child })
    }
}

/// The nodes behind a name that checks nothing, probed twice a second.
fn by_name() -> TidegateConfig {
    TidegateConfig {
        entrance: Some((Entrance::named("app", APP_PORT), vec![RouteText::Dns("app", NODES.to_vec())])),
        probe_interval: "500ms".into(),
        ..TidegateConfig::default()
    }
}

fn notes(tidegate: &Tidegate<'_>) -> Result<Vec<Value>> {
    let told = run(tidegate, 0, &["guard", "--limit", "1000", "--json"])?;
    Ok(told["notes"].as_array().context("no notes")?.clone())
}

/// How many notes say this word of this node.
fn count(notes: &[Value], word: &str, node: &str) -> usize {
    let is_of = |n: &&Value| n["node"] == node || text(&n["target"], "server") == node;
    notes.iter().filter(|n| n["note"] == word).filter(is_of).count()
}

/// Waits until a note says this word, of this node where the word is of one.
fn told(tidegate: &Tidegate<'_>, word: &str, limit: Duration) -> Result<Vec<Value>> {
    let started = Instant::now();
    loop {
        let notes = notes(tidegate)?;
        if notes.iter().any(|n| n["note"] == word) {
            return Ok(notes);
        }
        ensure!(started.elapsed() < limit, "no note says \"{word}\" after {limit:?}: {notes:#?}");
        sleep(Duration::from_millis(200));
    }
}

/// The name's records at both servers, in order.
fn records(lab: &Lab) -> Result<[Vec<String>; 2]> {
    let ask = |server| -> Result<Vec<String>> {
        let mut lines: Vec<String> = lab.dig(server, "app", "A")?;
        lines.sort();
        Ok(lines)
    };
    Ok([ask("dns-1")?, ask("dns-2")?])
}

/// Waits until both servers answer with so many records.
fn until_records(lab: &Lab, number: usize, limit: Duration) -> Result<()> {
    let started = Instant::now();
    loop {
        let now = records(lab)?;
        if now.iter().all(|answers| answers.len() == number) {
            return Ok(());
        }
        ensure!(started.elapsed() < limit, "not {number} records at both servers after {limit:?}: {now:?}");
        sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs the lab"]
fn load_balancers_are_told_of_a_killed_unit_and_bring_it_back_by_themselves() -> Result<()> {
    let routes = Routes::clean(&[Proxy::Haproxy])?;
    let lab = &routes.lab;
    let config = TidegateConfig { probe_interval: "1s".into(), ..TidegateConfig::default() };
    let tidegate = tidegate(lab, "guard-lb.toml", &config)?;
    let serving = Serving::start(&tidegate)?;
    let spec = LoadSpec { rate: 100, keep_alive: 0, timeout: Duration::from_secs(3), ..LoadSpec::default() };
    let load = Load::start(lab, spec)?;
    sleep(Duration::from_secs(1));
    lab.kill_unit(NODE, "app.service")?;
    let told = told(&tidegate, "advised", Duration::from_secs(20))?;
    sleep(Duration::from_secs(3));
    let seen = load.finish()?;
    // Its own checks, every 5 s, would have found out after two of them: 250 requests and more.
    ensure!(seen.failed < 150, "{} of {} requests failed", seen.failed, seen.requests);
    ensure!(count(&told, "withdrawing", NODE) == 0, "a load balancer that checks is only told: {told:#?}");
    lab.exec(NODE, &["systemctl", "start", "app.service"])?;
    lab.until("both load balancers to take it back", Duration::from_secs(40), |lab| {
        let mut up = true;
        for lb in ["lb-1", "lb-2"] {
            up &= lab.servers(lb)?.iter().any(|s| s.backend == "app" && s.name == NODE && s.status.starts_with("UP"));
        }
        Ok(up)
    })?;
    drop(serving);
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_standby_by_hand_leaves_the_name_at_once_and_comes_back_exactly() -> Result<()> {
    let routes = Routes::clean(&[])?;
    let lab = &routes.lab;
    let tidegate = tidegate(lab, "guard-name.toml", &by_name())?;
    let before = records(lab)?;
    let serving = Serving::start(&tidegate)?;
    lab.exec("node-1", &["pcs", "node", "standby", NODE])?;
    until_records(lab, 2, Duration::from_secs(15))?;
    told(&tidegate, "withdrawn", Duration::from_secs(10))?;
    // The unit's end may be seen before the cluster's word.
    let said = told(&tidegate, "out-of-order", Duration::from_secs(20))?;
    ensure!(count(&said, "out-of-order", NODE) == 1, "{said:#?}");
    // A coordinator that dies knows afterwards what it took out.
    drop(serving);
    lab.exec("node-1", &["pcs", "node", "unstandby", NODE])?;
    lab.wait_app(Duration::from_secs(60))?;
    ensure!(records(lab)?[0].len() == 2, "nobody was there to put it back");
    let _serving = Serving::start(&tidegate)?;
    until_records(lab, 3, Duration::from_secs(30))?;
    ensure!(records(lab)? == before, "{:?}, before {before:?}", records(lab)?);
    told(&tidegate, "returned", Duration::from_secs(10))?;
    let guard = run(&tidegate, 0, &["guard", "--json"])?;
    ensure!(guard["withdrawn"].as_array().is_some_and(Vec::is_empty), "{guard}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn what_fails_everywhere_is_kept_and_what_flaps_is_damped() -> Result<()> {
    let routes = Routes::clean(&[])?;
    let lab = &routes.lab;
    let tidegate = tidegate(lab, "guard-all.toml", &by_name())?;
    let before = records(lab)?;
    let _serving = Serving::start(&tidegate)?;
    for node in NODES {
        lab.set_switch(node, "not-ready", "")?;
    }
    told(&tidegate, "fail-open", Duration::from_secs(20))?;
    sleep(Duration::from_secs(3));
    ensure!(records(lab)? == before, "something was withdrawn: {:?}", records(lab)?);
    for node in NODES {
        lab.clear_switch(node, "not-ready")?;
    }
    sleep(Duration::from_secs(5));

    // Every 3 s, for as long as is asked for: two minutes prove it, less will do each day.
    let seconds = std::env::var("TIDEGATE_FLAP_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(18);
    let started = Instant::now();
    let mut ready = true;
    while started.elapsed() < Duration::from_secs(seconds) {
        ready = !ready;
        match ready {
            true => lab.clear_switch(NODE, "not-ready")?,
            false => lab.set_switch(NODE, "not-ready", "")?,
        }
        sleep(Duration::from_secs(3));
    }
    lab.clear_switch(NODE, "not-ready")?;
    let said = notes(&tidegate)?;
    let address = lab.address(NODE)?.to_string();
    let changes: usize =
        ["withdrawn", "returned"].iter().map(|w| count(&said, w, NODE) + count(&said, w, &address)).sum();
    ensure!(changes <= 2, "{changes} changes while it flapped for {seconds} s: {said:#?}");
    let turned = said.iter().filter(|n| n["note"] == "turned" && n["node"] == NODE).count();
    ensure!(turned >= 2, "it did not flap: {said:#?}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_coordinator_that_is_cut_off_changes_nothing_then_or_after() -> Result<()> {
    let routes = Routes::clean(&[])?;
    let lab = &routes.lab;
    let tidegate = tidegate(lab, "guard-blind.toml", &by_name())?;
    let before = records(lab)?;
    let _serving = Serving::start(&tidegate)?;
    lab.link_down("control")?;
    told(&tidegate, "blind", Duration::from_secs(40))?;
    sleep(Duration::from_secs(6));
    ensure!(records(lab)? == before, "something was withdrawn: {:?}", records(lab)?);
    lab.link_up("control")?;
    told(&tidegate, "sighted", Duration::from_secs(40))?;
    sleep(Duration::from_secs(6));
    let said = notes(&tidegate)?;
    let changed = said.iter().any(|n| ["withdrawing", "advised", "returning"].iter().any(|w| n["note"] == *w));
    ensure!(!changed && records(lab)? == before, "{said:#?}");
    Ok(())
}

//! A client that looked a name up once and never again: it keeps coming after the record is gone and its TTL is over.
//! Standby waits for it and names it, and the policy decides; clients that look again notice nothing.

use std::{thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::{Load, LoadSpec},
    lab::{APP_PORT, Entrance, Lab, RouteText, TidegateConfig, ZONE},
};

use crate::stage::{NODE, Routes, drain, event, events, has, run, standby, text, tidegate};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

fn by_name(on_deadline: &str) -> TidegateConfig {
    TidegateConfig {
        entrance: Some((Entrance::named("app", APP_PORT), vec![RouteText::Dns("app", NODES.to_vec())])),
        settle: "2s".into(),
        deadline: "8s".into(),
        on_deadline: on_deadline.into(),
        ..TidegateConfig::default()
    }
}

fn load(lab: &Lab, lookup: &'static str, rate: u32) -> Result<Load> {
    let url = format!("http://app.{ZONE}:{APP_PORT}/");
    // Every connection is short: no look at the node's sockets may ever see one.
    let spec = LoadSpec { rate, urls: vec![url], lookup, keep_alive: 0, ..LoadSpec::default() };
    Load::start(lab, spec)
}

#[test]
#[ignore = "needs the lab"]
fn a_client_that_ignores_the_ttl_is_waited_for_named_and_then_the_policy_decides() -> Result<()> {
    let routes = Routes::clean(&[])?;
    let lab = &routes.lab;
    let holding = tidegate(lab, "ttl-hold.toml", &by_name("hold"))?;
    let (good, stubborn) = (load(lab, "each", 40)?, load(lab, "once", 6)?);
    sleep(Duration::from_secs(2));

    let held = run(&holding, 4, &["drain", NODE, "--yes", "--json"])?;
    ensure!(!standby(lab)?, "it went on: {held}");
    let said = events(&holding, text(&held, "run"))?;
    let reached = event(&said, "deadline-reached")?;
    let client = lab.address("client")?.to_string();
    let left = reached.get("left").and_then(Value::as_array).context("nobody is named")?;
    ensure!(!left.is_empty() && left.iter().all(|s| text(s, "peer").starts_with(&client)), "{reached}");
    let seen = stubborn.finish()?;
    ensure!(seen.failed == 0 && seen.by_node.contains_key(NODE), "nothing was taken from it: {seen:?}");

    // It is gone: the same run goes on to its end.
    let resumed = run(&holding, 0, &["resume", text(&held, "run"), "--yes", "--json"])?;
    ensure!(standby(lab)? && text(&resumed, "result") == "done", "{resumed}");
    ensure!(has(&events(&holding, text(&held, "run"))?, "drained"), "it ended otherwise");
    run(&holding, 0, &["restore", NODE, "--yes", "--json"])?;

    // With `close` it does not keep the node from going.
    let closing = tidegate(lab, "ttl-close.toml", &by_name("close"))?;
    // Resolvers remember the answer without the node for as long as its TTL says.
    sleep(Duration::from_secs(4));
    let stubborn = load(lab, "once", 6)?;
    sleep(Duration::from_secs(2));
    let drained = drain(&closing)?;
    ensure!(standby(lab)?, "{drained}");
    let said = events(&closing, text(&drained, "run"))?;
    ensure!(has(&said, "deadline-reached") && !has(&said, "drained"), "{said:?}");
    sleep(Duration::from_secs(1));
    ensure!(stubborn.finish()?.failed > 0, "somebody still answers where the node was");
    run(&closing, 0, &["restore", NODE, "--yes", "--json"])?;
    let seen = good.finish()?;
    ensure!(seen.failed == 0, "clients that look the name up lost {}: {:?}", seen.failed, seen.failures);
    Ok(())
}

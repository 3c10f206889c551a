//! Every way of distribution, proven on the lab: a node is drained and restored under load through the real entrypoint,
//! and the servers' own logs and files are asked what happened.
//!
//! Of each case three things are wanted. No request failed. The order was right: what is further out let go before what is
//! further in, requests ended before standby, standby came before the unit's stop, and backwards on the way in. And
//! afterwards everything is as it was before: weights, records with TTL and order, paths, files byte for byte.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::harness::{Load, LoadSpec, Tidegate};
use crate::lab::{Lab, Proxy, TidegateConfig};

mod case;
mod layer;
mod order;

use case::Case;
pub use case::names;
use layer::{Window, now};
use order::Layers;

/// What came of all cases.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Each case.
    pub cases: Vec<Outcome>,
}

/// What came of one case.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Requests that clients sent.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Whether the effects came in the right order, by the servers' own logs.
    pub order_ok: bool,
    /// Whether the state afterwards is the state before.
    pub restored_exactly: bool,
    /// Seconds from the first drain's start to the last restore's end.
    pub took_s: f64,
    /// What was not as it should be, in words.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// Whether nothing was wrong.
    pub fn good(&self) -> bool {
        self.wrong.is_empty() && self.requests > 0 && self.failed == 0 && self.order_ok && self.restored_exactly
    }
}

/// Runs the named cases, or all, each on a lab that was reset. A case that breaks is reported, and the next one runs.
pub fn run(lab: &Lab, only: &[String]) -> Result<Report> {
    ensure!(
        lab.options().routes,
        "this lab has HAProxy only; `cargo xtask lab up --routes` makes one with every route"
    );
    let known = names();
    for name in only {
        ensure!(known.contains(&name.as_str()), "there is no case {name:?}; there are {}", known.join(", "));
    }
    let chosen = case::all().into_iter().filter(|case| only.is_empty() || only.iter().any(|name| name == case.name));
    let cases = chosen.map(|case| tried(lab, &case, &undisturbed)).collect();
    Ok(Report { cases })
}

/// Runs one case in which `drain` brings the nodes out: it may disturb Tidegate on the way, and hands back when the drain
/// is over. All else is judged as ever.
pub fn run_with(lab: &Lab, name: &str, drain: &Drain<'_>) -> Result<Outcome> {
    ensure!(lab.options().routes, "this lab has HAProxy only");
    let case = case::all().into_iter().find(|case| case.name == name);
    Ok(tried(lab, &case.with_context(|| format!("there is no case {name:?}"))?, drain))
}

/// What the servers' logs say of one node that was drained and restored.
pub(crate) struct Order {
    /// What was out of order, in words.
    pub(crate) wrong: Vec<String>,
    /// When the first load balancer let it go, in seconds since 1970.
    pub(crate) let_go: f64,
    /// When its unit was told to stop.
    pub(crate) stopped: f64,
    /// When its standby ended.
    pub(crate) returned: f64,
}

/// Judges a node behind the lab's load balancers by the logs, within the times of its drain and of its restore.
pub(crate) fn behind_haproxy(lab: &Lab, node: &str, out: (f64, f64), back: (f64, f64)) -> Result<Order> {
    let (out, back) = (Window { from: out.0, to: out.1 }, Window { from: back.0, to: back.1 });
    let layers = Layers::behind(Proxy::Haproxy);
    let mut wrong = order::of_drain(lab, &layers, node, out).context("its drain")?;
    wrong.extend(order::of_restore(lab, &layers, node, back).context("its restore")?);
    let [standby, unit] = layer::node::all();
    let let_go = layers.outer.iter().map(|layer| layer.left(lab, node, out)).collect::<Result<Vec<_>>>()?;
    Ok(Order {
        wrong,
        let_go: let_go.iter().map(|moment| moment.first).fold(f64::INFINITY, f64::min),
        stopped: unit.left(lab, node, out)?.last,
        returned: standby.back(lab, node, back)?.first,
    })
}

/// Drains a node, whatever happens to Tidegate meanwhile.
pub type Drain<'d> = dyn Fn(&Tidegate<'_>, &str) -> Result<()> + 'd;

fn undisturbed(tidegate: &Tidegate<'_>, node: &str) -> Result<()> {
    done(tidegate, "drain", node)
}

fn done(tidegate: &Tidegate<'_>, purpose: &str, node: &str) -> Result<()> {
    let (code, value, stderr) = tidegate.json(&[purpose, node, "--yes", "--json"])?;
    ensure!(code == 0, "tidegate {purpose} {node}: exit {code}: {value}\n{}", stderr.trim());
    Ok(())
}

fn tried(lab: &Lab, case: &Case, drain: &Drain<'_>) -> Outcome {
    let mut outcome = Outcome {
        name: case.name.to_owned(),
        requests: 0,
        failed: 0,
        order_ok: false,
        restored_exactly: false,
        took_s: 0.0,
        wrong: Vec::new(),
    };
    if let Err(error) = play(lab, case, drain, &mut outcome) {
        outcome.wrong.push(format!("{error:#}"));
    }
    let Outcome { name, requests, failed, order_ok, restored_exactly, took_s, wrong } = &outcome;
    eprintln!(
        "routes: {name}: {failed} of {requests} requests failed, order {}, state {}, {took_s:.1} s{}",
        if *order_ok { "right" } else { "WRONG" },
        if *restored_exactly { "as before" } else { "NOT AS BEFORE" },
        wrong.iter().map(|line| format!("\n        {line}")).collect::<String>()
    );
    outcome
}

/// One case from a clean lab to its end. What can be told is in `outcome`, also where something broke.
fn play(lab: &Lab, case: &Case, drain: &Drain<'_>, outcome: &mut Outcome) -> Result<()> {
    lab.reset()?;
    lab.announce_with(case.announcer)?;
    lab.run_proxies(case.proxies)?;
    (case.prepare)(lab)?;
    let config = TidegateConfig {
        entrance: Some((case.entrance(), case.routes())),
        extra: case.extra.to_owned(),
        ..TidegateConfig::default()
    };
    let tidegate = Tidegate::new(lab, lab.write_config(&format!("{}.toml", case.name), &config)?);

    let before = pictures(lab, case)?;
    let spec = LoadSpec {
        rate: 100,
        urls: case.urls(lab)?,
        connection_age: Some(Duration::from_secs(1)),
        timeout: Duration::from_secs(10),
        ..LoadSpec::default()
    };
    let load = Load::start(lab, spec)?;
    std::thread::sleep(Duration::from_secs(2));
    let started = Instant::now();
    let moves = case.drained.iter().map(|node| round(&tidegate, node, drain)).collect::<Result<Vec<_>>>();
    outcome.took_s = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    std::thread::sleep(Duration::from_secs(1));
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    outcome.wrong.extend(seen.failures.iter().take(5).map(|failure| format!("failed: {failure:?}")));
    let moves = moves?;

    let after = pictures(lab, case)?;
    outcome.restored_exactly = before == after;
    outcome.wrong.extend(order::differences(&before, &after));
    let mut disorder = Vec::new();
    for (node, (drain, restore)) in case.drained.iter().zip(&moves) {
        let layers = case.layers_for(node);
        disorder.extend(order::of_drain(lab, &layers, node, *drain).with_context(|| format!("drain of {node}"))?);
        disorder.extend(order::of_restore(lab, &layers, node, *restore).with_context(|| format!("restore of {node}"))?);
    }
    outcome.order_ok = disorder.is_empty();
    outcome.wrong.extend(disorder);
    Ok(())
}

/// Drains a node, lets it be out for a moment, and restores it; hands back when each was under way.
fn round(tidegate: &Tidegate<'_>, node: &str, drain: &Drain<'_>) -> Result<(Window, Window)> {
    let from = now();
    drain(tidegate, node)?;
    std::thread::sleep(Duration::from_secs(1));
    // What reaches the node while it is out belongs to the drain, which should have prevented it.
    let out = Window { from, to: now() };
    let from = now();
    done(tidegate, "restore", node)?;
    // The first request to it may come after the restore is done.
    std::thread::sleep(Duration::from_secs(1));
    Ok((out, Window { from, to: now() }))
}

/// What the state is, by layer.
fn pictures(lab: &Lab, case: &Case) -> Result<Vec<(String, String)>> {
    let mut pictures = Vec::new();
    for layer in case.layers().iter().chain(&layer::node::all()) {
        let name = layer.name();
        pictures.push((name.clone(), layer.picture(lab).with_context(|| format!("the state of {name}"))?));
    }
    Ok(pictures)
}

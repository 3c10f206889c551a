//! WebSockets that stay, through each kind of load balancer and around them: named while they stay, cut by the policy or
//! for their age, and what the journal says of them is what the clients saw.

use std::{collections::BTreeSet, net::SocketAddr, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::{Closed, Ending, Tidegate, WebSockets},
    lab::{APP_PORT, Entrance, Lab, NGINX_PORT, Proxy, RouteText, TidegateConfig},
};

use crate::stage::{
    NODE, Routes, check_back, check_out, clean, drain, event, events, has, recorded, run, sessions, standby, text,
    tidegate, within,
};

fn at(lab: &Lab, machine: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::from((lab.address(machine)?, port)))
}

/// WebSockets at the node, in turn through both HAProxy: for a moment it is the only one there with a weight.
fn at_the_node(lab: &Lab, count: usize) -> Result<WebSockets> {
    let others = |weight: &str| -> Result<()> {
        for (lb, other) in [("lb-1", "node-1"), ("lb-1", "node-3"), ("lb-2", "node-1"), ("lb-2", "node-3")] {
            lab.haproxy(lb, &format!("set server app/{other} weight {weight}"))?;
        }
        Ok(())
    };
    others("0")?;
    let sockets = WebSockets::open(lab, &[at(lab, "lb-1", 80)?, at(lab, "lb-2", 80)?], count)?;
    others("100")?;
    within(5, "the WebSockets at the node", || Ok(sessions(lab, "lb-1")? + sessions(lab, "lb-2")? >= count))?;
    Ok(sockets)
}

fn policy(on_deadline: &str, deadline: &str) -> TidegateConfig {
    TidegateConfig { deadline: deadline.into(), on_deadline: on_deadline.into(), ..TidegateConfig::default() }
}

fn list<'v>(event: &'v Value, key: &str) -> Result<&'v Vec<Value>> {
    event.get(key).and_then(Value::as_array).with_context(|| format!("no {key} in {event}"))
}

fn peers(stragglers: &[Value]) -> BTreeSet<String> {
    stragglers.iter().map(|s| text(s, "peer").to_owned()).collect()
}

fn addresses<'c>(clients: impl IntoIterator<Item = &'c Closed>) -> BTreeSet<String> {
    clients.into_iter().map(|client| client.from.to_string()).collect()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(u64::MAX)
}

/// How many were cut, through each load balancer and on the node.
fn cut(events: &[Value]) -> Result<(Vec<u64>, u64)> {
    let cut = event(events, "cut")?;
    let through = list(cut, "through")?.iter().map(|held| number(held, "connections")).collect();
    ensure!(number(cut, "remaining") == 0, "{cut}");
    Ok((through, number(cut, "sockets")))
}

/// Held: every one is named, with age and bytes, and none was touched.
fn check_held(tidegate: &Tidegate<'_>, held: &Value, count: u64) -> Result<Vec<Value>> {
    ensure!(text(held, "why").contains(&format!("{count} connections")), "{held}");
    let said = events(tidegate, text(held, "run"))?;
    let reached = event(&said, "deadline-reached")?;
    ensure!(number(reached, "remaining") == count && !has(&said, "cut") && !has(&said, "drained"), "{reached}");
    let left = list(reached, "left")?.clone();
    ensure!(left.len() as u64 == count, "{} are named of {count}", left.len());
    ensure!(left.iter().all(|s| !s["age"].is_null()), "of unknown age: {left:?}");
    ensure!(left.iter().any(|s| number(s, "received") > 100 && !s["received"].is_null()), "no bytes: {left:?}");
    // The report of the held run has them too, for whoever looks next.
    let report = held.pointer("/stragglers/0").context("the report names none")?;
    ensure!(number(report, "remaining") == count && list(report, "oldest")?.len() as u64 == count, "{report}");
    let status = run(tidegate, 0, &["status", "--json"])?;
    ensure!(status.pointer("/run/stragglers/0/remaining").and_then(Value::as_u64) == Some(count), "{status}");
    Ok(left)
}

#[test]
#[ignore = "needs the lab"]
fn fifty_websockets_through_haproxy_and_one_around_it() -> Result<()> {
    let lab = clean()?;
    let holding = tidegate(&lab, "ws-hold.toml", &policy("hold", "4s"))?;
    let closing = tidegate(&lab, "ws-close.toml", &policy("close", "4s"))?;
    let sockets = at_the_node(&lab, 50)?;
    let around = WebSockets::open(&lab, &[at(&lab, NODE, APP_PORT)?], 1)?;

    let held = run(&holding, 4, &["drain", NODE, "--yes", "--json"])?;
    let left = check_held(&holding, &held, 51)?;
    let direct: Vec<&Value> = left.iter().filter(|s| s["through"].is_null()).collect();
    ensure!(direct.len() == 1, "{direct:?}");
    ensure!((sockets.open_now(), around.open_now()) == (50, 1) && !standby(&lab)?, "somebody was cut");
    run(&holding, 0, &["abort", text(&held, "run"), "--yes", "--json"])?;
    check_back(&lab)?;
    ensure!((sockets.open_now(), around.open_now()) == (50, 1), "an abort cuts nobody");

    let drained = drain(&closing)?;
    let id = text(&drained, "run");
    check_out(&lab, id)?;
    let said = events(&closing, id)?;
    ensure!(number(event(&said, "deadline-reached")?, "remaining") == 51 && !has(&said, "drained"), "{said:?}");
    ensure!(cut(&said)? == (vec![25, 25], 1), "{:?}", cut(&said)?);
    let (from, to) = (recorded(&closing, id, "cutting")?, recorded(&closing, id, "cut")?);
    let clients = [sockets.finish()?, around.finish()?].concat();
    for client in &clients {
        ensure!(matches!(client.how, Ending::Eof | Ending::Reset) && client.echoes > 10, "{client:?}");
        ensure!((from - 0.1..to + 0.3).contains(&client.ended), "not cut between {from} and {to}: {client:?}");
    }
    let named = peers(list(event(&said, "deadline-reached")?, "left")?);
    ensure!(named == addresses(&clients), "the journal names others than were cut: {named:?}");
    ensure!(peers(&left) == named, "and others than it held");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn fifty_websockets_through_nginx() -> Result<()> {
    let routes = Routes::clean(&[Proxy::Nginx])?;
    let lab = &routes.lab;
    let config = |on_deadline: &str| TidegateConfig {
        entrance: Some((Entrance::of(lab.address("lb-1").expect("lb-1"), NGINX_PORT), vec![RouteText::Nginx])),
        settle: "1s".into(),
        ..policy(on_deadline, "6s")
    };
    let holding = tidegate(lab, "nginx-hold.toml", &config("hold"))?;
    let closing = tidegate(lab, "nginx-close.toml", &config("close"))?;
    // In turn to three nodes, at each load balancer.
    let to = [at(lab, "lb-1", NGINX_PORT)?, at(lab, "lb-2", NGINX_PORT)?];
    let sockets = WebSockets::open(lab, &to, 150)?;

    let held = run(&holding, 4, &["drain", NODE, "--yes", "--json"])?;
    let left = check_held(&holding, &held, 50)?;
    ensure!(left.iter().all(|s| text(s, "through").starts_with("lb-")), "each through its NGINX: {left:?}");
    ensure!(sockets.open_now() == 150 && !standby(lab)?, "somebody was cut: {}", sockets.open_now());
    run(&holding, 0, &["abort", text(&held, "run"), "--yes", "--json"])?;
    ensure!(sockets.open_now() == 150, "an abort cuts nobody");

    let drained = drain(&closing)?;
    ensure!(standby(lab)?, "it is not in standby");
    let said = events(&closing, text(&drained, "run"))?;
    let (through, on_node) = cut(&said)?;
    sleep(Duration::from_secs(1));
    let clients = sockets.finish()?;
    let (here, elsewhere): (Vec<_>, Vec<_>) = clients.into_iter().partition(|client| client.node == NODE);
    ensure!(through.iter().sum::<u64>() == here.len() as u64 && on_node == 0, "{through:?} for {}", here.len());
    ensure!(here.iter().all(|client| matches!(client.how, Ending::Eof | Ending::Reset)), "{here:?}");
    ensure!(elsewhere.iter().all(|client| client.how == Ending::Kept), "a reload or a cut hit others: {elsewhere:?}");
    Ok(())
}

/// Older ones are cut by name, before the deadline, and only once the routes are out.
#[test]
#[ignore = "needs the lab"]
fn max_age_ends_them_one_by_one() -> Result<()> {
    let lab = clean()?;
    let config = TidegateConfig { max_age: "6s".into(), ..policy("hold", "60s") };
    let tidegate = tidegate(&lab, "max-age.toml", &config)?;
    let sockets = at_the_node(&lab, 8)?;
    let around = WebSockets::open(&lab, &[at(&lab, NODE, APP_PORT)?], 1)?;
    let drained = drain(&tidegate)?;
    let id = text(&drained, "run");
    check_out(&lab, id)?;
    let said = events(&tidegate, id)?;
    ensure!(has(&said, "drained") && !has(&said, "deadline-reached"), "{said:?}");
    let effects: Vec<&Value> =
        said.iter().filter(|e| text(e, "event") == "accepted").filter_map(|e| e.get("effect")).collect();
    let of = |kind: &str| effects.iter().filter(|e| text(e, "effect") == kind).copied().collect::<Vec<_>>();
    let mut named = BTreeSet::new();
    for effect in of("close-old") {
        named.extend(peers(list(effect, "connections")?));
    }
    for effect in of("close-sockets") {
        named.extend(list(effect, "peers")?.iter().filter_map(|p| Some(p.as_str()?.to_owned())));
    }
    let clients = [sockets.finish()?, around.finish()?].concat();
    ensure!(named == addresses(&clients), "{named:?} were cut");
    for client in &clients {
        ensure!(client.how != Ending::Kept && client.ended - client.opened >= 6.0, "{client:?}");
    }
    Ok(())
}

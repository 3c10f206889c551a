//! The last server, the last record, the last announcer: refused before anything begins, and left alone where they become
//! the last while a run is on its way to them.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use xtask::lab::{ANYCAST_APP, APP_PORT, Announcer, Entrance, Lab, Proxy, RouteText, TidegateConfig, ZONE};

use crate::{
    stage::{NODE, Routes, run, standby, text, tidegate, within},
    underway::{Underway, load, records, touching, unharmed, vestibule},
};

const OTHERS: [&str; 2] = ["node-1", "node-3"];
const STATEMENT: &str = "anycast_app";

/// Another hand takes the other nodes out of a route, or puts them back.
type Hand = fn(&Lab, bool) -> Result<()>;

fn at_haproxy(lab: &Lab, serving: bool) -> Result<()> {
    let state = if serving { "ready" } else { "drain" };
    for lb in lab.balancer_names() {
        for node in OTHERS {
            lab.haproxy(lb, &format!("set server app/{node} state {state}"))?;
        }
    }
    Ok(())
}

fn in_the_zone(lab: &Lab, serving: bool) -> Result<()> {
    let one = |address: &str| match serving {
        true => format!("update add app.{ZONE} 2 A {address}"),
        false => format!("update delete app.{ZONE} A {address}"),
    };
    lab.nsupdate(&format!("{}\n{}", one("10.77.0.11"), one("10.77.0.13")))
}

fn by_bird(lab: &Lab, serving: bool) -> Result<()> {
    OTHERS.iter().try_for_each(|node| lab.bird_static(node, STATEMENT, serving))
}

fn by_frr(lab: &Lab, serving: bool) -> Result<()> {
    let network = format!("{}network {ANYCAST_APP}/32", if serving { "" } else { "no " });
    let commands = ["configure terminal", "router bgp 65010", "address-family ipv4 unicast", &network];
    OTHERS.iter().try_for_each(|node| lab.vtysh(node, &commands).map(drop))
}

fn anycast() -> String {
    format!("http://{ANYCAST_APP}:{APP_PORT}/")
}

fn name() -> String {
    format!("http://app.{ZONE}:{APP_PORT}/")
}

fn balancers(lab: &Lab) -> Result<Vec<String>> {
    lab.balancer_names().into_iter().map(|lb| Ok(format!("http://{}/", lab.address(lb)?))).collect()
}

fn by_name() -> RouteText {
    RouteText::Dns("app", vec!["node-1", NODE, "node-3"])
}

/// Where a refusal names the last of a route, by the route's kind.
fn last_of<'r>(refused: &'r Value, kind: &str) -> Option<&'r str> {
    let gates = refused.get("refusals")?.as_array()?;
    let last = gates.iter().filter(|gate| text(gate, "code") == "last-route" && text(gate, "answer") == "refuse");
    last.map(|gate| text(gate, "detail")).find(|detail| detail.contains(&format!("web/{kind}:")))
}

/// Planning and draining are refused while the others are out of one route, and that route is named.
fn refused(tidegate: &xtask::harness::Tidegate<'_>, lab: &Lab, kind: &str, hand: Hand) -> Result<()> {
    hand(lab, false)?;
    // What the others announce is heard of, or not, within a moment.
    let mut said = Value::Null;
    within(5, "the refusal", || {
        said = run(tidegate, 3, &["plan", "drain", NODE, "--json"]).unwrap_or_default();
        Ok(last_of(&said, kind).is_some())
    })?;
    said = run(tidegate, 3, &["drain", NODE, "--yes", "--json"])?;
    let named = last_of(&said, kind).unwrap_or_default();
    ensure!(named.contains(&format!("{NODE} is the last server of")), "{kind}: {said}");
    let others = ["haproxy", "dns", "bgp"].into_iter().filter(|other| *other != kind);
    ensure!(others.clone().all(|other| last_of(&said, other).is_none()), "{kind}: others are named too: {said}");
    let history = run(tidegate, 0, &["history", "--json"])?;
    ensure!(history["runs"].as_array().is_some_and(Vec::is_empty), "a run was opened: {history}");
    hand(lab, true)?;
    eprintln!("refused at planning: {named}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn the_last_of_each_kind_is_refused_when_planning() -> Result<()> {
    Routes::clean(&[Proxy::Haproxy])?.play(|lab| {
        let bgp = |announcer| RouteText::Bgp(ANYCAST_APP, announcer);
        let config = |routes| TidegateConfig {
            entrance: Some((Entrance::named("app", APP_PORT), routes)),
            ..TidegateConfig::default()
        };
        let all = vec![by_name(), bgp(Announcer::Bird), RouteText::Haproxy(Proxy::Haproxy)];
        let every = tidegate(lab, "last-all.toml", &config(all))?;
        let load = load(lab, &[balancers(lab)?, vec![anycast(), name()]].concat())?;
        refused(&every, lab, "haproxy", at_haproxy)?;
        refused(&every, lab, "dns", in_the_zone)?;
        refused(&every, lab, "bgp", by_bird)?;
        ensure!(!standby(lab)?, "it is in standby");
        unharmed(load, "the last of each kind, refused")?;

        lab.announce_with(Announcer::Frr)?;
        let frr = tidegate(lab, "last-frr.toml", &config(vec![bgp(Announcer::Frr)]))?;
        let result = refused(&frr, lab, "bgp", by_frr);
        result.and(lab.announce_with(Announcer::Bird))
    })
}

/// A run waits before a route; the others leave that route by another hand; the run comes to it, and stops there for as
/// long as the node is the last.
fn becomes_the_last(lab: &Lab, route: RouteText, urls: &[String], kind: &str, hand: Hand) -> Result<()> {
    let config = TidegateConfig {
        entrance: Some((Entrance::named("app", APP_PORT), vec![vestibule(lab), route])),
        ..TidegateConfig::default()
    };
    let tidegate = tidegate(lab, &format!("last-{kind}.toml"), &config)?;
    let (before, load) = (records(lab, "_app._tcp", "SRV")?, load(lab, urls)?);
    lab.stop_following()?;
    let mut draining = Underway::start(lab, &tidegate, "drain")?;
    draining.tells("still shows")?;
    hand(lab, false)?;
    lab.follow()?;
    draining.tells("now the last server")?;
    sleep(Duration::from_secs(3));
    draining.waits()?;
    let touched = touching(&tidegate, &format!("web/{kind}:"))?;
    let touched: Vec<_> = touched.iter().filter(|e| !e.to_string().contains("_app._tcp")).collect();
    ensure!(touched.is_empty() && !standby(lab)?, "the last one was touched: {touched:?}");

    hand(lab, true)?;
    draining.finish(0)?;
    ensure!(standby(lab)?, "it did not go on");
    run(&tidegate, 0, &["restore", NODE, "--yes", "--json"])?;
    sleep(Duration::from_secs(1));
    ensure!(records(lab, "_app._tcp", "SRV")? == before, "{:?}", records(lab, "_app._tcp", "SRV"));
    unharmed(load, &format!("becomes the last in mid-run, {kind}")).map(drop)
}

#[test]
#[ignore = "needs the lab"]
fn a_server_that_becomes_the_last_in_mid_run_stays() -> Result<()> {
    Routes::clean(&[Proxy::Haproxy])?
        .play(|lab| becomes_the_last(lab, RouteText::Haproxy(Proxy::Haproxy), &balancers(lab)?, "haproxy", at_haproxy))
}

#[test]
#[ignore = "needs the lab"]
fn a_record_that_becomes_the_last_in_mid_run_stays() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let before = records(lab, "app", "A")?;
        becomes_the_last(lab, by_name(), &[name()], "dns", in_the_zone)?;
        ensure!(records(lab, "app", "A")? == before, "{:?}", records(lab, "app", "A"));
        Ok(())
    })
}

#[test]
#[ignore = "needs the lab"]
fn an_announcer_that_becomes_the_last_in_mid_run_stays() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        becomes_the_last(lab, RouteText::Bgp(ANYCAST_APP, Announcer::Bird), &[anycast()], "bgp", by_bird)?;
        within(10, "every path again", || Ok(lab.paths(ANYCAST_APP)?.iter().filter(|path| path.used).count() == 3))
    })
}

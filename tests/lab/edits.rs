//! Another hand at the same records, in the moment of an update and while the node is out: nothing of what it did is
//! written over, and the run tells of it.

use std::{net::SocketAddr, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use xtask::{
    harness::{Relay, Tidegate},
    lab::{APP_PORT, Entrance, Lab, RouteText, TidegateConfig, ZONE},
};

use crate::{
    stage::{NODE, Routes, events, newest, run, standby, text, tidegate},
    underway::{Underway, by_name, load, records, refusals, touching, unharmed, vestibule},
};

/// The records of `app` at the end of a relay.
fn through(lab: &Lab, relay: SocketAddr) -> TidegateConfig {
    let route = format!(
        "via = \"dns\"\nservers = [{{ name = \"ns1.{ZONE}\", address = \"{relay}\" }}]\nzone = \"{ZONE}\"\n\
         record-name = \"app\"\nkey-file = \"{}\"\n",
        lab.tsig_key().display()
    );
    TidegateConfig {
        entrance: Some((Entrance::named("app", APP_PORT), vec![RouteText::Other(route)])),
        extra: "[run]\npatience = \"8s\"\n".into(),
        ..TidegateConfig::default()
    }
}

/// Another hand acts between Tidegate's look at the zone and the arrival of its update.
fn in_that_moment(lab: &Lab, commands: &'static str) -> Result<Relay> {
    let hand = lab.clone();
    Relay::start(lab, (lab.address("dns-1")?, 53).into(), move || hand.nsupdate(commands))
}

fn url() -> String {
    format!("http://app.{ZONE}:{APP_PORT}/")
}

fn restore(tidegate: &Tidegate<'_>) -> Result<()> {
    run(tidegate, 0, &["restore", NODE, "--yes", "--json"]).map(drop)
}

/// The set with a TTL of 7 s.
const RETIMED: &str = "update add app.lab.example 7 A 10.77.0.11\nupdate add app.lab.example 7 A 10.77.0.12\n\
    update add app.lab.example 7 A 10.77.0.13";

#[test]
#[ignore = "needs the lab"]
fn an_edit_in_the_moment_of_the_update_is_not_written_over_and_is_told() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let relay = in_that_moment(lab, RETIMED)?;
        let tidegate = tidegate(lab, "edit.toml", &through(lab, relay.address()))?;
        let load = load(lab, &[url()])?;
        let draining = Underway::start(lab, &tidegate, "drain")?;
        relay_done(lab, &relay)?;
        let drained = draining.finish(0)?;
        let told = refusals(&tidegate)?;
        ensure!(
            told.len() == 1
                && told[0].contains("the TTL turned from 2 s to 7 s")
                && told[0].contains("Nothing was written"),
            "{told:?}"
        );
        ensure!(!text(&drained, "node_state").is_empty() && text(&drained, "next").contains("restore"), "{drained}");
        let out = ["10.77.0.11", "10.77.0.13"].map(|address| format!("app.{ZONE}. 7 IN A {address}"));
        ensure!(standby(lab)? && records(lab, "app", "A")? == out, "{:?}", records(lab, "app", "A"));
        restore(&tidegate)?;
        let back = ["10.77.0.11", "10.77.0.12", "10.77.0.13"].map(|address| format!("app.{ZONE}. 7 IN A {address}"));
        ensure!(records(lab, "app", "A")? == back, "{:?}", records(lab, "app", "A"));
        unharmed(load, "an edit in the moment of the update").map(drop)
    })
}

fn relay_done(lab: &Lab, relay: &Relay) -> Result<()> {
    lab.until("the other hand", Duration::from_secs(20), |_| Ok(relay.happened().is_ok()))?;
    relay.happened()
}

/// The others go in that very moment: what would be left is no record at all.
#[test]
#[ignore = "needs the lab"]
fn a_record_that_becomes_the_last_in_the_moment_of_the_update_stays() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let relay = in_that_moment(
            lab,
            "update delete app.lab.example A 10.77.0.11\nupdate delete app.lab.example A 10.77.0.13",
        )?;
        let config = TidegateConfig { extra: String::new(), ..through(lab, relay.address()) };
        let tidegate = tidegate(lab, "last-record.toml", &config)?;
        let (before, load) = (records(lab, "app", "A")?, load(lab, &[url()])?);
        let mut draining = Underway::start(lab, &tidegate, "drain")?;
        relay_done(lab, &relay)?;
        draining.tells("now the last server")?;
        sleep(Duration::from_secs(3));
        draining.waits()?;
        ensure!(
            records(lab, "app", "A")? == [format!("app.{ZONE}. 2 IN A 10.77.0.12")],
            "{:?}",
            records(lab, "app", "A")
        );
        ensure!(!standby(lab)?, "it went on");
        let told = refusals(&tidegate)?;
        ensure!(told.iter().any(|why| why.contains("10.77.0.12 is the last record")), "{told:?}");
        let accepted = touching(&tidegate, "app")?.iter().filter(|e| text(e, "event") == "accepted").count();
        ensure!(accepted == 0, "something was written");
        lab.nsupdate("update add app.lab.example 2 A 10.77.0.11\nupdate add app.lab.example 2 A 10.77.0.13")?;
        draining.finish(0)?;
        ensure!(standby(lab)?, "it did not go on");
        restore(&tidegate)?;
        ensure!(records(lab, "app", "A")? == before, "{:?}", records(lab, "app", "A"));
        unharmed(load, "a record that becomes the last").map(drop)
    })
}

#[test]
#[ignore = "needs the lab"]
fn an_edit_while_the_node_is_out_survives_the_restore() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let tidegate = tidegate(lab, "edit-out.toml", &by_name())?;
        let load = load(lab, &[url()])?;
        run(&tidegate, 0, &["drain", NODE, "--yes", "--json"])?;
        // Another node's record goes, and the TTL of what is left is another one.
        lab.nsupdate("update delete app.lab.example A 10.77.0.13\nupdate add app.lab.example 7 A 10.77.0.11")?;
        let held = run(&tidegate, 4, &["restore", NODE, "--yes", "--json"])?;
        let why = text(&held, "why");
        ensure!(why.contains("is 7 s now, and was 2 s when node-2 left: somebody changed it"), "{held}");
        ensure!(
            text(&held, "node_state").contains("no new clients") && text(&held, "next").contains("resume"),
            "{held}"
        );
        ensure!(
            records(lab, "app", "A")? == [format!("app.{ZONE}. 7 IN A 10.77.0.11")],
            "{:?}",
            records(lab, "app", "A")
        );
        // The other hand takes one of its changes back, and the run goes on; the other change stays.
        lab.nsupdate("update add app.lab.example 2 A 10.77.0.11")?;
        run(&tidegate, 0, &["resume", text(&held, "run"), "--yes", "--json"])?;
        let back = ["10.77.0.11", "10.77.0.12"].map(|address| format!("app.{ZONE}. 2 IN A {address}"));
        ensure!(records(lab, "app", "A")? == back, "{:?}", records(lab, "app", "A"));
        unharmed(load, "an edit while the node is out").map(drop)
    })
}

/// The drain waits at a name before; meanwhile another hand sets what it will touch next.
#[test]
#[ignore = "needs the lab"]
fn an_edit_between_the_plan_and_the_first_touch_is_told_and_survives_the_restore() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let mut config = by_name();
        config.entrance.as_mut().context("an entrance")?.1.push(vestibule(lab));
        let tidegate = tidegate(lab, "edit-before.toml", &config)?;
        let load = load(lab, &[url()])?;
        lab.stop_following()?;
        let mut draining = Underway::start(lab, &tidegate, "drain")?;
        draining.tells("still shows node-2")?;
        lab.nsupdate(RETIMED)?;
        lab.follow()?;
        draining.tells("changed since the plan: ttl 2, now 7")?;
        draining.finish(0)?;
        let all = events(&tidegate, &newest(&tidegate)?)?;
        let changed: Vec<_> = all.iter().filter(|e| text(e, "event") == "changed").collect();
        ensure!(
            changed.len() == 1 && changed[0]["planned"]["ttl"] == 2 && changed[0]["now"]["ttl"] == 7,
            "{changed:?}"
        );
        restore(&tidegate)?;
        let back = ["10.77.0.11", "10.77.0.12", "10.77.0.13"].map(|address| format!("app.{ZONE}. 7 IN A {address}"));
        ensure!(records(lab, "app", "A")? == back, "{:?}", records(lab, "app", "A"));
        unharmed(load, "an edit before the first touch").map(drop)
    })
}

//! A secondary that stops following its primary goes on sending clients to the node: the drain waits for it, and names it.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, bail, ensure};
use xtask::lab::{APP_PORT, Entrance, RouteText, TidegateConfig, ZONE};

use crate::{
    stage::{NODE, Routes, newest, run, standby, text, tidegate},
    underway::{SECONDARY, Underway, by_name, load, records, unharmed, vestibule},
};

#[test]
#[ignore = "needs the lab"]
fn a_secondary_that_stops_following_is_waited_for_and_named_with_its_serial() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let tidegate = tidegate(lab, "secondary.toml", &by_name())?;
        let (before, load) = (records(lab, "app", "A")?, load(lab, &[format!("http://app.{ZONE}:{APP_PORT}/")])?);

        lab.stop_following()?;
        let mut draining = Underway::start(lab, &tidegate, "drain")?;
        draining.tells("ns2.lab.example (web/dns:app.lab.example) still shows")?;
        let (ahead, behind) = (lab.serial("dns-1")?, lab.serial("dns-2")?);
        let missing = format!("still shows {NODE}: it is at serial {behind}, the change at serial {ahead}");
        ensure!(ahead > behind && draining.told()?.contains(&missing), "not {missing:?} but {}", draining.told()?);
        sleep(Duration::from_secs(2));
        draining.waits()?;
        ensure!(!standby(lab)?, "it went on to standby");
        let shown = run(&tidegate, 0, &["show", &newest(&tidegate)?, "--json"])?;
        ensure!(
            shown["steps"][0]["state"] == "active" && shown["steps"][1]["state"] == "pending",
            "{}",
            shown["steps"]
        );
        let status = run(&tidegate, 0, &["status", "--json"])?.to_string();
        ensure!(status.contains(SECONDARY) && status.contains(&format!("serial {behind}")), "{status}");
        lab.follow()?;
        let drained = draining.finish(0)?;
        ensure!(standby(lab)? && text(&drained, "result") == "done", "{drained}");

        // On the way back it is waited for as well; past its patience the run is held, and says for whom.
        lab.stop_following()?;
        let held = Underway::start(lab, &tidegate, "restore")?.finish(4)?;
        let (ahead, behind) = (lab.serial("dns-1")?, lab.serial("dns-2")?);
        let missing = format!("does not show {NODE}: it is at serial {behind}, the change at serial {ahead}");
        ensure!(text(&held, "why").contains(SECONDARY) && text(&held, "why").contains(&missing), "{held}");
        let shown = run(&tidegate, 0, &["show", text(&held, "run"), "--json"])?;
        ensure!(text(&shown["status"], "why").contains(&missing), "{}", shown["status"]);
        lab.follow()?;
        let resumed = run(&tidegate, 0, &["resume", text(&held, "run"), "--yes", "--json"])?;
        ensure!(text(&resumed, "result") == "done" && records(lab, "app", "A")? == before, "{resumed}");
        sleep(Duration::from_secs(1));
        unharmed(load, "a secondary that stops following").map(drop)
    })
}

/// The node is in the set on both servers, at the former stage of the ramp on one of them: that one has not followed.
#[test]
#[ignore = "needs the lab"]
fn a_secondary_that_answers_with_an_older_weight_has_not_followed() -> Result<()> {
    Routes::clean(&[])?.play(|lab| {
        let RouteText::Other(route) = vestibule(lab) else { bail!("a table of its own") };
        let ramped = format!("{route}ramp = [\"50%\", \"100%\"]\ndwell = \"3s\"\n");
        let config = TidegateConfig {
            entrance: Some((Entrance::named("app", APP_PORT), vec![RouteText::Other(ramped)])),
            ..by_name()
        };
        let tidegate = tidegate(lab, "older-weight.toml", &config)?;
        let before = records(lab, "_app._tcp", "SRV")?;
        run(&tidegate, 0, &["drain", NODE, "--yes", "--json"])?;
        let mut restoring = Underway::start(lab, &tidegate, "restore")?;
        restoring.tells("watching errors at 50 %")?;
        lab.stop_following()?;
        restoring
            .tells(&format!("{SECONDARY} (web/dns:_app._tcp.lab.example:SRV) still answers with {NODE} with weight"))?;
        let (ahead, behind) = (lab.serial("dns-1")?, lab.serial("dns-2")?);
        let at = format!("it is at serial {behind}, the change at serial {ahead}");
        ensure!(ahead > behind && restoring.told()?.contains(&at), "not {at:?} but {}", restoring.told()?);
        ensure!(lab.dig("dns-2", "_app._tcp", "SRV")?.iter().any(|r| r.contains(NODE)), "the node is not in it");
        lab.follow()?;
        restoring.finish(0)?;
        ensure!(records(lab, "_app._tcp", "SRV")? == before, "{:?}", records(lab, "_app._tcp", "SRV"));
        Ok(())
    })
}

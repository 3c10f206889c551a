//! A secondary that stops following its primary goes on sending clients to the node: the drain waits for it, and names it.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, ensure};
use xtask::lab::{APP_PORT, ZONE};

use crate::{
    stage::{NODE, Routes, newest, run, standby, text, tidegate},
    underway::{SECONDARY, Underway, by_name, load, records, unharmed},
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

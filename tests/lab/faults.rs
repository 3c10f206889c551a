//! Things go wrong in the middle.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, ensure};
use xtask::{crash, lab::TidegateConfig};

use crate::stage::{
    NODE, Running, check_back, check_out, clean, events, has, load, long_requests, newest, restore, run, standby, text,
    tidegate, within,
};

#[test]
#[ignore = "needs the lab"]
fn a_load_balancer_that_is_cut_off_holds_the_run() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "cut.toml", &TidegateConfig::default())?;
    let requests = long_requests(&lab, 1, 4)?;
    let mut draining = Running::start(&mut tidegate.command(&["drain", NODE, "--yes"])?)?;
    within(5, "lb-2 drained", || {
        Ok(lab.servers("lb-2")?.iter().any(|s| s.name == NODE && s.status.contains("DRAIN")))
    })?;
    // Only the way from the coordinator: clients still reach lb-2, so nobody knows what it does with them.
    lab.block("control", "lb-2")?;
    lab.block("lb-2", "control")?;
    sleep(Duration::from_secs(9));
    ensure!(draining.0.try_wait()?.is_none(), "the run ended without lb-2's acknowledgement");
    ensure!(!standby(&lab)?, "standby while lb-2 did not answer");
    lab.unblock_all()?;
    let (code, out, err) = draining.finish(Duration::from_secs(60))?;
    ensure!(code == 0, "{code} {out}\n{err}");
    ensure!(err.contains("lb-2") && err.contains("does not answer"), "the wait does not name lb-2: {err}");
    check_out(&lab, &newest(&tidegate)?)?;
    drop(requests);
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_reload_in_mid_drain_is_answered() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "reload.toml", &TidegateConfig::default())?;
    let load = load(&lab)?;
    let requests = long_requests(&lab, 1, 8)?;
    let draining = Running::start(&mut tidegate.command(&["drain", NODE, "--yes", "--json"])?)?;
    within(5, "lb-1 drained", || {
        Ok(lab.servers("lb-1")?.iter().any(|s| s.name == NODE && s.status.contains("DRAIN")))
    })?;
    sleep(Duration::from_secs(1));
    lab.reload_lb("lb-1")?;
    let (code, out, err) = draining.finish(Duration::from_secs(60))?;
    ensure!(code == 0, "{code} {out}\n{err}");
    let said = events(&tidegate, &newest(&tidegate)?)?;
    ensure!(has(&said, "reasserted"), "the journal does not say that lb-1 was drained again: {said:?}");
    for request in requests {
        let (code, out, _) = request.finish(Duration::from_secs(1))?;
        ensure!(code == 0 && out.ends_with("200"), "the long request was cut: {code} {out}");
    }
    let seen = load.finish()?;
    ensure!(seen.failed == 0, "{} of {} failed: {:?}", seen.failed, seen.requests, seen.failures);
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn killed_at_four_points_and_resumed() -> Result<()> {
    let lab = clean()?;
    let report = crash::run(&lab, 4)?;
    ensure!(report.resumed == report.points && report.failed_requests == 0, "{report:?}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn a_full_disk_stops_before_the_next_effect() -> Result<()> {
    let lab = clean()?;
    let disk = lab.dir().join("small");
    std::fs::create_dir_all(&disk)?;
    let mount = |args: &[&str]| -> Result<()> {
        ensure!(std::process::Command::new(args[0]).args(&args[1..]).status()?.success(), "{args:?}");
        Ok(())
    };
    let path = disk.display().to_string();
    mount(&["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", &path])?;
    let result = (|| {
        let config = TidegateConfig { journal: Some(disk.join("journal.db")), ..TidegateConfig::default() };
        let tidegate = tidegate(&lab, "full.toml", &config)?;
        let requests = long_requests(&lab, 1, 6)?;
        let draining = Running::start(&mut tidegate.command(&["drain", NODE, "--yes", "--json"])?)?;
        within(5, "lb-2 drained", || {
            Ok(lab.servers("lb-2")?.iter().any(|s| s.name == NODE && s.status.contains("DRAIN")))
        })?;
        sleep(Duration::from_millis(500));
        let _ = std::fs::write(disk.join("ballast"), vec![0_u8; 4 << 20]);
        let (code, out, err) = draining.finish(Duration::from_secs(30))?;
        ensure!(code == 1, "exit {code}: {out}\n{err}");
        ensure!(
            err.contains("not in standby") || out.contains("not in standby"),
            "it does not say the node's state: {err}"
        );
        ensure!(!standby(&lab)?, "standby although its intent could not be written");
        std::fs::remove_file(disk.join("ballast"))?;
        let id = newest(&tidegate)?;
        run(&tidegate, 0, &["resume", &id, "--yes", "--json"])?;
        check_out(&lab, &id)?;
        drop(requests);
        restore(&tidegate)?;
        check_back(&lab)
    })();
    mount(&["umount", &path])?;
    result
}

#[test]
#[ignore = "needs the lab"]
fn ctrl_c_stops_the_waiting_and_says_how_to_go_on() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "default.toml", &TidegateConfig::default())?;
    let requests = long_requests(&lab, 1, 7)?;
    let draining = Running::start(&mut tidegate.command(&["drain", NODE, "--yes", "--json"])?)?;
    within(5, "lb-2 drained", || {
        Ok(lab.servers("lb-2")?.iter().any(|s| s.name == NODE && s.status.contains("DRAIN")))
    })?;
    sleep(Duration::from_millis(500));
    let pid = draining.0.id().to_string();
    ensure!(std::process::Command::new("kill").args(["-INT", &pid]).status()?.success(), "kill -INT");
    let (code, out, err) = draining.finish(Duration::from_secs(10))?;
    ensure!(code == 4 && err.contains("tidegate resume") && err.contains("tidegate abort"), "{code} {out}\n{err}");
    let id = newest(&tidegate)?;
    let done = run(&tidegate, 0, &["resume", &id, "--yes", "--json"])?;
    ensure!(text(&done, "result") == "done", "{done}");
    drop(requests);
    check_out(&lab, &id)
}

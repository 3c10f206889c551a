//! Long requests: standby comes after they end, or as the configured policy says, and the journal says which.

use std::{thread::sleep, time::Duration};

use anyhow::{Result, ensure};
use xtask::lab::TidegateConfig;

use crate::stage::{
    NODE, Running, check_back, check_out, clean, drain, events, has, long_requests, newest, run, standby, text,
    tidegate, within,
};

fn policy(on_deadline: &str) -> TidegateConfig {
    TidegateConfig { deadline: "2s".into(), on_deadline: on_deadline.into(), ..TidegateConfig::default() }
}

#[test]
#[ignore = "needs the lab"]
fn standby_waits_for_the_longest_request() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "long.toml", &TidegateConfig::default())?;
    let requests = long_requests(&lab, 3, 8)?;
    let drained = drain(&tidegate)?;
    check_out(&lab, text(&drained, "run"))?;
    for request in requests {
        let (code, out, _) = request.finish(Duration::from_secs(1))?;
        ensure!(code == 0 && out.ends_with("200"), "a long request was cut: {code} {out}");
    }
    ensure!(has(&events(&tidegate, text(&drained, "run"))?, "drained"), "the journal does not say drained");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn hold_stays_drained_and_goes_no_further() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "hold.toml", &policy("hold"))?;
    let requests = long_requests(&lab, 3, 9)?;
    let held = run(&tidegate, 4, &["drain", NODE, "--yes", "--json"])?;
    ensure!(text(&held, "result") == "held" && text(&held, "why").contains("3 connections"), "{held}");
    ensure!(!standby(&lab)?, "it went on to standby");
    let id = text(&held, "run").to_owned();
    let said = events(&tidegate, &id)?;
    ensure!(has(&said, "deadline-reached") && !has(&said, "drained"), "{said:?}");
    for request in requests {
        let (code, out, _) = request.finish(Duration::from_secs(12))?;
        ensure!(code == 0 && out.ends_with("200"), "a long request was cut: {code} {out}");
    }
    run(&tidegate, 0, &["resume", &id, "--yes", "--json"])?;
    check_out(&lab, &id)
}

#[test]
#[ignore = "needs the lab"]
fn close_cuts_what_is_left() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "close.toml", &policy("close"))?;
    let requests = long_requests(&lab, 3, 60)?;
    let drained = drain(&tidegate)?;
    check_out(&lab, text(&drained, "run"))?;
    for request in requests {
        let (code, ..) = request.finish(Duration::from_secs(2))?;
        ensure!(code != 0, "a request outlived its server");
    }
    let said = events(&tidegate, text(&drained, "run"))?;
    ensure!(has(&said, "deadline-reached") && !has(&said, "drained"), "{said:?}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn abort_puts_everything_back() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "abort.toml", &policy("abort"))?;
    let requests = long_requests(&lab, 3, 6)?;
    let aborted = run(&tidegate, 1, &["drain", NODE, "--yes", "--json"])?;
    ensure!(text(&aborted, "result") == "aborted", "{aborted}");
    check_back(&lab)?;
    for request in requests {
        let (code, out, _) = request.finish(Duration::from_secs(10))?;
        ensure!(code == 0 && out.ends_with("200"), "a long request was cut: {code} {out}");
    }
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn somebody_else_aborts_a_waiting_run() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "default.toml", &TidegateConfig::default())?;
    let requests = long_requests(&lab, 1, 15)?;
    let waiting = Running::start(&mut tidegate.command(&["drain", NODE, "--yes", "--json"])?)?;
    within(5, "the run is in the journal", || Ok(newest(&tidegate).is_ok()))?;
    sleep(Duration::from_secs(1));
    let id = newest(&tidegate)?;
    run(&tidegate, 0, &["abort", &id, "--yes", "--json"])?;
    let (code, out, err) = waiting.finish(Duration::from_secs(20))?;
    ensure!(code == 1, "{code} {out}\n{err}");
    check_back(&lab)?;
    drop(requests);
    Ok(())
}

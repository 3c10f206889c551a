//! Out and back again, with nothing lost.

use std::{thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use xtask::lab::{Lab, TidegateConfig};

use crate::stage::{
    NODE, check_back, check_out, clean, drain, events, has, jetty_beside, load, newest, restore, run, text, tidegate,
    uneven,
};

/// When the last request of a client ended and when the unit stopped, by the node's own log.
fn last_request_and_stop(lab: &Lab) -> Result<(f64, f64)> {
    let requests = lab.app_requests(NODE)?;
    let ends = requests.iter().filter(|r| !r.path.starts_with("/ready")).map(|r| r.end);
    let stop = lab.app_stopped(NODE)?.context("the log tells of no stop")?;
    Ok((ends.fold(0.0, f64::max), stop))
}

#[test]
#[ignore = "needs the lab"]
fn a_drain_and_a_restore_lose_nothing_and_keep_the_order() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "drain.toml", &TidegateConfig::default())?;
    let load = load(&lab)?;
    let drained = drain(&tidegate)?;
    check_out(&lab, text(&drained, "run"))?;
    let (last, stop) = last_request_and_stop(&lab)?;
    ensure!(last > 0.0 && stop > last, "the last request ended at {last}, the unit stopped at {stop}");
    sleep(Duration::from_secs(1));
    restore(&tidegate)?;
    check_back(&lab)?;
    sleep(Duration::from_secs(1));
    let seen = load.finish()?;
    ensure!(seen.failed == 0, "{} of {} failed: {:?}", seen.failed, seen.requests, seen.failures);
    ensure!(seen.by_node.get(NODE).is_some_and(|n| *n > 0), "the node got nothing: {:?}", seen.by_node);
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn the_last_nodes_and_other_peoples_standby_are_refused() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "refuse.toml", &TidegateConfig::default())?;
    lab.exec("node-1", &["pcs", "node", "standby", "node-3"])?;
    sleep(Duration::from_secs(4));
    let refused = run(&tidegate, 3, &["drain", NODE, "--yes", "--json"])?;
    ensure!(refused.to_string().contains("capacity"), "{refused}");
    let refused = run(&tidegate, 3, &["drain", "node-3", "--yes", "--json"])?;
    ensure!(refused.to_string().contains("not by Tidegate"), "{refused}");
    let refused = run(&tidegate, 3, &["restore", "node-3", "--yes", "--json"])?;
    ensure!(refused.to_string().contains("not ours"), "{refused}");
    ensure!(lab.cluster()?.nodes.iter().any(|m| m.name == "node-3" && m.standby), "somebody else's standby was undone");
    let refused = run(&tidegate, 3, &["drain", "node-22", "--yes", "--json"])?;
    ensure!(refused.to_string().contains("did you mean node-2"), "{refused}");
    let verdict = run(&tidegate, 3, &["can-drain", NODE, "--json"])?;
    ensure!(verdict.to_string().contains("min-ready"), "{verdict}");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn units_outside_the_cluster_stop_last_and_start_first() -> Result<()> {
    let lab = clean()?;
    let extra = TidegateConfig {
        service_extra: "extra-units = [\"app-sidecar.service\"]\n".into(),
        ..TidegateConfig::default()
    };
    let tidegate = tidegate(&lab, "extra.toml", &extra)?;
    let active =
        |unit: &str| -> Result<bool> { Ok(lab.output(NODE, &["systemctl", "is-active", unit])?.status.success()) };
    ensure!(active("app-sidecar.service")?, "the sidecar does not run to begin with");
    let drained = drain(&tidegate)?;
    check_out(&lab, text(&drained, "run"))?;
    ensure!(!active("app-sidecar.service")?, "the sidecar still runs");
    restore(&tidegate)?;
    ensure!(active("app-sidecar.service")?, "the sidecar was not started again");
    check_back(&lab)
}

#[test]
#[ignore = "needs the lab"]
fn a_node_whose_ready_fails_gets_no_request() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "ready.toml", &TidegateConfig::default())?;
    let load = load(&lab)?;
    drain(&tidegate)?;
    lab.set_switch(NODE, "not-ready", "")?;
    let before = requests(&lab)?;
    let mut restoring = crate::stage::Running::start(&mut tidegate.command(&["restore", NODE, "--yes", "--json"])?)?;
    sleep(Duration::from_secs(14));
    ensure!(restoring.0.try_wait()?.is_none(), "the restore ended although the node is not ready");
    ensure!(!crate::stage::standby(&lab)?, "it should be out of standby by now");
    let meanwhile = requests(&lab)?;
    ensure!(meanwhile == before, "{} requests reached a node that is not ready", meanwhile - before);
    lab.clear_switch(NODE, "not-ready")?;
    let (code, out, err) = restoring.finish(Duration::from_secs(60))?;
    ensure!(code == 0, "{out}\n{err}");
    check_back(&lab)?;
    sleep(Duration::from_secs(1));
    let seen = load.finish()?;
    ensure!(seen.failed == 0, "{} failed: {:?}", seen.failed, seen.failures);
    ensure!(requests(&lab)? > before, "it gets no traffic afterwards");
    Ok(())
}

/// Requests of clients in the node's own log.
fn requests(lab: &Lab) -> Result<usize> {
    let client =
        |l: &&str| !l.starts_with('#') && l.split_whitespace().nth(1).is_some_and(|p| !p.starts_with("/ready"));
    Ok(lab.app_log(NODE)?.lines().filter(client).count())
}

#[test]
#[ignore = "needs the lab"]
fn jetty_is_drained_with_the_application() -> Result<()> {
    let mut lab = clean()?;
    lab.set_jetty(true)?;
    uneven(&lab)?;
    let tidegate =
        tidegate(&lab, "jetty.toml", &TidegateConfig { extra: jetty_beside(), ..TidegateConfig::default() })?;
    let result = (|| {
        let drained = drain(&tidegate)?;
        check_out(&lab, text(&drained, "run"))?;
        let jetty = lab.output(NODE, &["systemctl", "is-active", "jetty9.service"])?;
        ensure!(!jetty.status.success(), "jetty9 still runs");
        restore(&tidegate)?;
        let jetty = lab.output(NODE, &["systemctl", "is-active", "jetty9.service"])?;
        ensure!(jetty.status.success(), "jetty9 does not run");
        check_back(&lab)
    })();
    let cleaned = lab.reset().and_then(|()| lab.set_jetty(false));
    result.and(cleaned)
}

#[test]
#[ignore = "needs the lab"]
fn what_is_shown_is_what_happened() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "shown.toml", &TidegateConfig::default())?;
    let plan = run(&tidegate, 0, &["plan", "drain", NODE, "--json"])?;
    ensure!(plan.pointer("/steps/0/step").and_then(|s| s.as_str()) == Some("drain-routes"), "{plan}");
    let verdict = run(&tidegate, 0, &["can-drain", NODE, "--json"])?;
    ensure!(text(&verdict, "verdict") == "yes", "{verdict}");
    drain(&tidegate)?;
    let status = run(&tidegate, 0, &["status", "--json"])?;
    ensure!(status.to_string().contains("standby"), "{status}");
    let id = newest(&tidegate)?;
    let events = events(&tidegate, &id)?;
    let order = ["taken", "intended", "accepted", "acknowledged", "drained", "step-done", "ended"];
    for event in order {
        ensure!(has(&events, event), "no {event} in {events:?}");
    }
    let again = run(&tidegate, 3, &["drain", NODE, "--yes", "--json"])?;
    ensure!(again.to_string().contains("already out"), "{again}");
    restore(&tidegate)?;
    let status = run(&tidegate, 0, &["check", "--json"])?;
    ensure!(status.get("ok").and_then(serde_json::Value::as_bool).context("no ok")?, "{status}");
    Ok(())
}

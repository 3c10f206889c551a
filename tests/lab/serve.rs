//! The coordinator as a process of its own, while a node is out: what a reload forgets is set again, and told.

use std::{fs::File, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TidegateConfig},
};

use crate::stage::{
    NODE, Running, admin, check_back, clean, drain, events, has, newest, restore, run, text, tidegate, within,
};

const METRICS: &str = "127.0.0.1:9750";

#[test]
#[ignore = "needs the lab"]
fn a_reload_that_puts_a_drained_server_back_is_answered_by_serve_and_exported() -> Result<()> {
    let lab = clean()?;
    let tidegate = tidegate(&lab, "serve.toml", &TidegateConfig::default())?;
    drain(&tidegate)?;
    let out = newest(&tidegate)?;
    let told = lab.dir().join("served");
    let mut command = tidegate.command(&["serve", "--metrics", METRICS, "--json"])?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&told)?);
    let serving = Running(command.spawn()?);
    let said = || std::fs::read_to_string(&told).unwrap_or_default();
    within(20, "the coordinator sees who is out", || Ok(sample(&lab, "tidegate_node_out", &[NODE])? == Some(1.0)))
        .with_context(said)?;
    let looked = || sample(&lab, "tidegate_observation_timestamp_seconds", &["web/haproxy:app", "lb-1"]);
    within(20, "it looks at lb-1", || Ok(looked()?.is_some())).with_context(said)?;
    ensure!(sample(&lab, "tidegate_drift_total", &[NODE])?.is_none(), "a drift before anything happened");

    lab.reload_lb("lb-1")?;
    let reloaded = jiff::Timestamp::now();
    // The old process may answer for a moment; the new one begins with the node in.
    within(20, "lb-1 is drained again", || {
        // Its unit is stopped, so the status is DOWN; the raw state says whether it is drained as well.
        let out = admin(&lab, "lb-1")? & 0x08 != 0;
        Ok(out && sample(&lab, "tidegate_reassertions_total", &[NODE])?.is_some())
    })
    .with_context(said)?;
    let again = newest(&tidegate)?;
    ensure!(again != out, "no run of its own did it");
    let acknowledged = crate::stage::recorded(&tidegate, &again, "acknowledged")?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
    let took = acknowledged - reloaded.as_millisecond() as f64 / 1000.0;
    eprintln!("a reload forgot the drain: set again and read back after {took:.2} s");
    ensure!(took < 10.0, "it took {took} s");
    journalled(&tidegate, &again)?;
    // Once, however often the old answer was seen meanwhile.
    std::thread::sleep(Duration::from_secs(2));
    let drift = sample(&lab, "tidegate_drift_total", &["web/haproxy:app", "lb-1", NODE, "forgotten"])?;
    let set = sample(&lab, "tidegate_reassertions_total", &[NODE])?;
    ensure!(drift == Some(1.0) && set == Some(1.0) && newest(&tidegate)? == again, "{drift:?} {set:?}");

    let pid = serving.0.id().to_string();
    ensure!(std::process::Command::new("kill").args(["-TERM", &pid]).status()?.success(), "kill -TERM");
    let (code, stopped) = ended(serving)?;
    ensure!(code == 0 && stopped["result"] == "stopped", "{code} {stopped} {}", said());
    restore(&tidegate)?;
    check_back(&lab)
}

/// The run that set it again says why, and by whom.
fn journalled(tidegate: &Tidegate<'_>, again: &str) -> Result<()> {
    let shown = run(tidegate, 0, &["show", again, "--json"])?;
    let request = shown.pointer("/plan/request").context("a request")?;
    ensure!(text(request, "purpose") == "withhold" && text(request, "operator") == "sentinel", "{request}");
    let reason = text(request, "reason");
    ensure!(reason.contains("lb-1") && reason.contains("a reload forgot the drain"), "{reason}");
    ensure!(has(&events(tidegate, again)?, "acknowledged"), "nothing was read back");
    Ok(())
}

/// The value of a metric with these label values; nothing where it is not exported, or nobody answers.
fn sample(lab: &Lab, name: &str, values: &[&str]) -> Result<Option<f64>> {
    let asked = lab.exec("control", &["curl", "-s", "-m", "5", &format!("http://{METRICS}/metrics")]);
    let Ok(said) = asked else { return Ok(None) };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let is = |line: &&str| {
        let of = line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'));
        of && values.iter().all(|value| line.contains(&format!("=\"{value}\"")))
    };
    Ok(said.lines().find(is).and_then(|line| line.rsplit_once(' ')?.1.parse().ok()))
}

/// Its exit code and the last line of what it printed.
fn ended(mut serving: Running) -> Result<(i32, Value)> {
    within(10, "the coordinator stops", || Ok(serving.0.try_wait()?.is_some()))?;
    let mut out = String::new();
    std::io::Read::read_to_string(serving.0.stdout.as_mut().context("no output")?, &mut out)?;
    let code = serving.0.wait()?.code().unwrap_or(-1);
    Ok((code, serde_json::from_str(out.lines().last().context("no result")?)?))
}

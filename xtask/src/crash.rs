//! Tidegate killed with SIGKILL in mid-run, at points spread over a drain and over a restore, and resumed, under load
//! all the while.
//!
//! A point is a moment: the same share of the time that an undisturbed drain (and restore) takes on this lab. What the
//! journal had got to by then is part of the report, so that one sees that the points are different ones.

use std::{
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::{
    harness::{Load, LoadSpec, Tidegate},
    lab::{Lab, TidegateConfig},
};

const NODE: &str = "node-2";
/// Uneven on purpose: an exact restore shows.
const WEIGHTS: [(&str, &str); 2] = [("lb-1", "37"), ("lb-2", "53")];

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Points of the drain, and as many of the restore.
    pub points: usize,
    /// Points after which both ended in the state that the plan promised.
    pub resumed: usize,
    /// Requests that failed over the whole time.
    pub failed_requests: u64,
    /// Requests in all.
    pub requests: u64,
    /// Each point.
    pub cases: Vec<Case>,
}

/// One point.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Case {
    /// When the drain was killed, in milliseconds after its start.
    pub drain_killed_ms: u64,
    /// The last record of its journal then.
    pub drain_at: String,
    /// When the restore was killed.
    pub restore_killed_ms: u64,
    /// The last record of its journal then.
    pub restore_at: String,
    /// What was not as promised.
    pub wrong: Option<String>,
}

/// Kills and resumes at so many points.
pub fn run(lab: &Lab, points: usize) -> Result<Report> {
    let tidegate = Tidegate::new(lab, lab.write_config("crash.toml", &TidegateConfig::default())?);
    let load = Load::start(lab, LoadSpec { rate: 150, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    for (lb, weight) in WEIGHTS {
        lab.haproxy(lb, &format!("set server app/{NODE} weight {weight}"))?;
    }
    let timed = |purpose: &str| -> Result<Duration> {
        let started = Instant::now();
        done(&tidegate, &[purpose, NODE, "--yes", "--json"])?;
        Ok(started.elapsed())
    };
    let (drain, restore) = (timed("drain")?, timed("restore")?);
    let mut cases = Vec::new();
    for point in 0..points {
        // Most happens at both ends of a run; in between it waits for the cluster. So the points are dense at the ends.
        let angle = std::f64::consts::PI * (point + 1) as f64 / (points + 1) as f64;
        let share = |whole: Duration| whole.mul_f64(0.5 - 0.5 * angle.cos());
        let mut case = Case::default();
        let result = cycle(lab, &tidegate, share(drain), share(restore), &mut case);
        case.wrong = result.err().map(|error| format!("{error:#}"));
        eprintln!(
            "crash {}/{points}: drain killed after {} ms ({}), restore after {} ms ({}): {}",
            point + 1,
            case.drain_killed_ms,
            case.drain_at,
            case.restore_killed_ms,
            case.restore_at,
            case.wrong.as_deref().unwrap_or("as promised")
        );
        let lost = case.wrong.is_some();
        cases.push(case);
        if lost {
            // What comes after would only repeat it.
            break;
        }
    }
    let seen = load.finish()?;
    for failure in seen.failures.iter().take(5) {
        eprintln!("crash: failed: {failure:?}");
    }
    Ok(Report {
        points,
        resumed: cases.iter().filter(|c| c.wrong.is_none()).count(),
        failed_requests: seen.failed,
        requests: seen.requests,
        cases,
    })
}

fn cycle(lab: &Lab, tidegate: &Tidegate<'_>, drain: Duration, restore: Duration, case: &mut Case) -> Result<()> {
    (case.drain_killed_ms, case.drain_at) = killed(tidegate, "drain", drain)?;
    check_out(lab).context("after the drain")?;
    (case.restore_killed_ms, case.restore_at) = killed(tidegate, "restore", restore)?;
    check_back(lab).context("after the restore")
}

/// Starts a run, kills it after a while, resumes what is open (or starts again where nothing had begun).
fn killed(tidegate: &Tidegate<'_>, purpose: &str, after: Duration) -> Result<(u64, String)> {
    let start = [purpose, NODE, "--yes", "--json"];
    let before = newest(tidegate)?;
    let mut child =
        tidegate.command(&start)?.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    sleep(after);
    child.kill().context("could not kill tidegate")?;
    child.wait()?;
    let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    match newest(tidegate)?.filter(|run| Some(run) != before.as_ref()) {
        None => {
            done(tidegate, &start)?;
            Ok((ms, "nothing in the journal yet".to_owned()))
        }
        Some(run) => {
            let (at, ended) = last_record(tidegate, &run)?;
            if !ended {
                done(tidegate, &["resume", &run, "--yes", "--json"])?;
            }
            Ok((ms, at))
        }
    }
}

/// The name of the newest run.
fn newest(tidegate: &Tidegate<'_>) -> Result<Option<String>> {
    let (code, history, stderr) = tidegate.json(&["history", "--json"])?;
    ensure!(code == 0, "tidegate history: exit {code}: {stderr}");
    Ok(history.pointer("/runs/0/run").and_then(Value::as_str).map(ToOwned::to_owned))
}

/// How far a run got, and whether it had ended.
fn last_record(tidegate: &Tidegate<'_>, run: &str) -> Result<(String, bool)> {
    let (code, shown, stderr) = tidegate.json(&["show", run, "--json"])?;
    ensure!(code == 0, "tidegate show {run}: exit {code}: {stderr}");
    let records = shown.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
    let name = records.last().and_then(|r| r.pointer("/event/event")).and_then(Value::as_str).unwrap_or("no record");
    Ok((format!("record {}, {name}", records.len()), name == "ended"))
}

fn done(tidegate: &Tidegate<'_>, arguments: &[&str]) -> Result<()> {
    let (code, value, stderr) = tidegate.json(arguments)?;
    if code != 0 {
        bail!("tidegate {}: exit {code}: {value}\n{stderr}", arguments.join(" "));
    }
    Ok(())
}

fn check_out(lab: &Lab) -> Result<()> {
    let standby = lab.cluster()?.nodes.iter().any(|m| m.name == NODE && m.standby);
    ensure!(standby, "{NODE} is not in standby");
    let unit = lab.output(NODE, &["systemctl", "is-active", "app.service"])?;
    ensure!(unit.stdout == b"inactive\n", "app.service is {}", String::from_utf8_lossy(&unit.stdout).trim());
    for (lb, weight) in WEIGHTS {
        let server = server(lab, lb)?;
        ensure!(
            server.status != "UP" && server.weight == weight,
            "{lb} has {NODE} {}/{}",
            server.status,
            server.weight
        );
    }
    Ok(())
}

fn check_back(lab: &Lab) -> Result<()> {
    for (lb, weight) in WEIGHTS {
        let server = server(lab, lb)?;
        ensure!(
            server.status == "UP" && server.weight == weight,
            "{lb} has {NODE} {}/{}",
            server.status,
            server.weight
        );
    }
    let cib = lab.shell("node-1", "cibadmin -Q -o nodes")?;
    ensure!(!cib.contains("tidegate") && !cib.contains("standby"), "something is left in the CIB: {cib}");
    let unit = lab.output(NODE, &["systemctl", "is-active", "app.service"])?;
    ensure!(unit.stdout == b"active\n", "app.service is {}", String::from_utf8_lossy(&unit.stdout).trim());
    Ok(())
}

fn server(lab: &Lab, lb: &str) -> Result<crate::lab::Server> {
    let servers = lab.servers(lb)?;
    servers.into_iter().find(|s| s.backend == "app" && s.name == NODE).with_context(|| format!("{lb} has no {NODE}"))
}

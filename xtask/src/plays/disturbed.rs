//! Plays that are disturbed: the coordinator is killed, a step fails, a limit ends a drill.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Outcome, done, last, order};
use crate::harness::{Child, Load, LoadSpec, Tidegate};
use crate::lab::Lab;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
/// Times that the coordinator is killed.
const KILLS: u32 = 5;

/// Looks all the time how many nodes are ready, by their own words.
pub(super) struct Ready {
    fewest: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

/// Whether it answers with yes. On a busy machine one answer may be late, and says nothing.
fn is_ready(ask: &mut Command) -> Option<bool> {
    const LATE: i32 = 28;
    let first = ask.status().ok()?;
    let last = if first.code() == Some(LATE) { ask.status().ok()? } else { first };
    Some(last.success())
}

impl Ready {
    pub(super) fn watch(lab: &Lab) -> Result<Self> {
        let (fewest, stop) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicBool::new(false)));
        let mut asks = Vec::new();
        for node in NODES {
            let mut curl = lab.command_in("control", "curl")?;
            curl.args(["-s", "-f", "-m", "1", "-o", "/dev/null", &format!("http://{}:8080/ready", lab.address(node)?)]);
            asks.push(curl);
        }
        let (least, end) = (fewest.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let ready = asks.iter_mut().filter_map(is_ready).filter(|ready| *ready).count();
                least.fetch_min(ready, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(50));
            }
        });
        Ok(Self { fewest, stop, thread })
    }

    pub(super) fn fewest(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        // It ends with its last look, whatever became of it.
        let _ = self.thread.join();
        self.fewest.load(Ordering::Relaxed)
    }
}

/// Each node is really rebooted, the coordinator is killed with SIGKILL five times on the way, and nobody notices.
pub(super) fn reboots(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let boot = |node: &&str| lab.shell(node, "cat /proc/sys/kernel/random/boot_id");
    let before = NODES.iter().map(boot).collect::<Result<Vec<_>>>()?;
    let load = Load::start(lab, LoadSpec { rate: 100, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    let ready = Ready::watch(lab)?;
    let played = killed(tidegate, inputs);
    let fewest = ready.fewest();
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let steps = played?;
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    ensure!(fewest >= 2, "only {fewest} nodes were ready at a time");
    for (node, before) in NODES.iter().zip(before) {
        ensure!(boot(node)? != before, "{node} was not rebooted");
    }
    order::by_logs(lab, &steps, &NODES)
}

/// Runs it, kills it after some seconds, has it gone on with, and again. The last one is left alone.
fn killed(tidegate: &Tidegate<'_>, inputs: &[String]) -> Result<Value> {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut child = Child::start(&mut tidegate.command(&inputs)?, Stdio::null())?;
    for kill in 0..KILLS {
        // Between a drain's beginning and a restore's end, at another place each time.
        thread::sleep(Duration::from_millis(3500 + 2300 * u64::from(kill)));
        child.kill()?;
        let plays = done(tidegate, &["playbook", "status", "--json"])?;
        let play = plays["plays"][0]["play"].as_str().context("no play")?.to_owned();
        ensure!(plays["plays"][0]["result"] == "open", "it was over before it was killed {} times", kill + 1);
        child = Child::start(&mut tidegate.command(&["playbook", "resume", &play, "--yes", "--json"])?, Stdio::null())?;
    }
    let ended = child.finish(Duration::from_secs(400))?;
    let value: Value = serde_json::from_str(ended.stdout.lines().last().unwrap_or_default())
        .with_context(|| format!("no result: {}", last(&ended.stderr)))?;
    ensure!(ended.status.success() && value["result"] == "done", "{value}\n{}", last(&ended.stderr));
    Ok(value)
}

/// A patch that fails on the second node: `hold` leaves it drained and says so.
pub(super) fn held(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let load = Load::start(lab, LoadSpec { rate: 100, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    let result = held_and_tried_again(tidegate, inputs);
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    result?;
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    Ok(())
}

fn held_and_tried_again(tidegate: &Tidegate<'_>, inputs: &[String]) -> Result<()> {
    let (code, value, stderr) = tidegate.json(&inputs.iter().map(String::as_str).collect::<Vec<_>>())?;
    ensure!(code == 4 && value["result"] == "held", "exit {code}: {value}\n{}", last(&stderr));
    let out: Vec<&String> = value["out"].as_object().context("nobody is out")?.keys().collect();
    ensure!(out == ["node-2"], "out are {out:?}");
    untouched(&value, "node-3")?;
    let next = value["next"].as_str().unwrap_or_default();
    ensure!(next.contains("node-2") && next.contains("playbook resume"), "{next}");
    // A person gives it up: the node comes back.
    let play = value["play"].as_str().context("no play")?;
    let value = done(tidegate, &["playbook", "abort", play, "--yes", "--json"])?;
    ensure!(value["result"] == "given-up" && value["out"] == serde_json::json!({}), "{value}");
    Ok(())
}

/// The same with `restore`: the node is brought back, and the third is untouched.
pub(super) fn restored(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let load = Load::start(lab, LoadSpec { rate: 100, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    let played = tidegate.json(&inputs.iter().map(String::as_str).collect::<Vec<_>>());
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let (code, value, stderr) = played?;
    ensure!(code == 1 && value["result"] == "failed", "exit {code}: {value}\n{}", last(&stderr));
    ensure!(value["out"] == serde_json::json!({}), "still out: {}", value["out"]);
    untouched(&value, "node-3")?;
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    Ok(())
}

fn untouched(play: &Value, node: &str) -> Result<()> {
    let mut steps = play["steps"].as_array().context("no steps")?.iter();
    ensure!(steps.all(|step| step["node"] != node), "{node} was touched: {play}");
    Ok(())
}

/// A limit ends the drill in its middle: the fault is gone within a second of it, by the node's own words.
pub(super) fn stopped(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let child = Child::start(&mut tidegate.command(&inputs)?, Stdio::null())?;
    lab.until("the service hangs", Duration::from_secs(60), hangs)?;
    let gone = gone(lab)?;
    let ended = child.finish(Duration::from_secs(200))?;
    let value: Value = serde_json::from_str(ended.stdout.lines().last().unwrap_or_default())
        .with_context(|| format!("no result: {}", last(&ended.stderr)))?;
    ensure!(value["result"] == "given-up", "{value}\n{}", last(&ended.stderr));
    let given_up = value["given_up_at"].as_str().context("nobody gave it up")?.to_owned();
    let given_up = lab.shell("control", &format!("date --date={given_up} +%s.%N"))?.trim().parse::<f64>()?;
    let took = gone.duration_since(UNIX_EPOCH)?.as_secs_f64() - given_up;
    (outcome.recovery_s, outcome.recovery_limit_s) = (Some(took), Some(1.0));
    ensure!(took < 1.0, "the fault was there for {took:.2} s after the limit");
    ended_by(tidegate, value["play"].as_str().context("no play")?, "the drill's early end")
}

/// When the service's process went on, as seen from here: right before the look that showed it.
pub(super) fn gone(lab: &Lab) -> Result<SystemTime> {
    loop {
        let at = SystemTime::now();
        if !hangs(lab)? {
            return Ok(at);
        }
    }
}

/// Whether the service's process on the node is stopped.
pub(super) fn hangs(lab: &Lab) -> Result<bool> {
    let script = "ps -o stat= -p $(systemctl show -p MainPID --value app.service) || true";
    Ok(lab.shell("node-2", script)?.trim().starts_with('T'))
}

/// The program is killed in the middle of a drill: the timer on the node ends the fault, and the play says that it was
/// given up when somebody goes on with it.
pub(super) fn died(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let child = Child::start(&mut tidegate.command(&inputs)?, Stdio::null())?;
    lab.until("the service hangs", Duration::from_secs(60), hangs)?;
    child.kill()?;
    let killed = Instant::now();
    lab.until("the timer ends it", Duration::from_secs(60), |lab| Ok(!hangs(lab)?))?;
    outcome.recovery_s = Some(killed.elapsed().as_secs_f64());
    let plays = done(tidegate, &["playbook", "status", "--json"])?;
    let play = plays["plays"][0]["play"].as_str().context("no play")?.to_owned();
    let (code, value, stderr) = tidegate.json(&["playbook", "resume", &play, "--yes", "--json"])?;
    ensure!(code == 1 && value["result"] == "given-up", "exit {code}: {value}\n{}", last(&stderr));
    ended_by(tidegate, &play, "its timer")
}

/// The report says who ended the fault.
fn ended_by(tidegate: &Tidegate<'_>, play: &str, whom: &str) -> Result<()> {
    let evidence = done(tidegate, &["drill", "report", play, "--format", "json", "--json"])?;
    let by = evidence["fault"]["ended_by"].as_str().unwrap_or_default();
    ensure!(by.starts_with(whom), "not {whom}: {}", evidence["fault"]);
    Ok(())
}

/// How a disturbed case is played.
pub(super) type Script = fn(&Lab, &Tidegate<'_>, &[String], &mut Outcome) -> Result<()>;

//! What keeps a drill from harm, and what keeps it honest: ended by a person from elsewhere, undone after its program died,
//! consent, the verdict before, blocked windows; load from hosts, and other people's traffic.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::disturbed::{gone, hangs};
use super::{Outcome, done, file, last};
use crate::harness::{Child, Load, LoadSpec, Terminal, Tidegate};
use crate::lab::{Lab, TidegateConfig};

/// Hosts with an SSH server, from which load can come.
const SENDERS: [&str; 2] = ["router", "dns-1"];
/// The program there.
const PROGRAM: &str = "/usr/local/bin/tidegate";
const URLS: &str = r#"urls=["http://10.77.0.21/", "http://10.77.0.22/"]"#;

fn words(inputs: &[String]) -> Vec<&str> {
    inputs.iter().map(String::as_str).collect()
}

/// A play that is begun, once the service hangs, and its name.
fn hanging(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String]) -> Result<(Child, String)> {
    let child = Child::start(&mut tidegate.command(&words(inputs))?, Stdio::null())?;
    lab.until("the service hangs", Duration::from_secs(60), hangs)?;
    Ok((child, newest(tidegate)?.context("no play")?))
}

fn newest(tidegate: &Tidegate<'_>) -> Result<Option<String>> {
    let plays = done(tidegate, &["playbook", "status", "--json"])?;
    Ok(plays["plays"][0]["play"].as_str().map(str::to_owned))
}

fn evidence(tidegate: &Tidegate<'_>, play: &str) -> Result<Value> {
    done(tidegate, &["drill", "report", play, "--format", "json", "--json"])
}

/// A person ends it from another terminal: the fault is gone within a second, and both programs say who it was.
pub(super) fn ended(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let (child, play) = hanging(lab, tidegate, inputs)?;
    let stop = ["drill", "stop", &play, "--yes", "--json", "--operator", "dave", "--reason", "enough"];
    let stop = Child::start(&mut tidegate.command(&stop)?, Stdio::null())?;
    let gone = gone(lab)?;
    let mut given_up = String::new();
    for (child, code) in [(stop, 0), (child, 1)] {
        let ended = child.finish(Duration::from_secs(100))?;
        let value: Value = serde_json::from_str(ended.stdout.lines().last().unwrap_or_default())
            .with_context(|| format!("no result: {}", last(&ended.stderr)))?;
        ensure!(ended.status.code() == Some(code), "{}: {value}\n{}", ended.status, last(&ended.stderr));
        ensure!(value["result"] == "given-up" && value["why"] == "dave: enough", "{value}");
        given_up = value["given_up_at"].as_str().context("nobody gave it up")?.to_owned();
    }
    let evidence = evidence(tidegate, &play)?;
    count(&evidence, outcome);
    ensure!(evidence["verdict"]["outcome"] == "aborted", "{}", evidence["verdict"]);
    let by = evidence["fault"]["ended_by"].as_str().unwrap_or_default();
    ensure!(by.contains("dave: enough"), "ended by {by:?}");
    let given_up = lab.shell("control", &format!("date --date={given_up} +%s.%N"))?.trim().parse::<f64>()?;
    let took = gone.duration_since(UNIX_EPOCH)?.as_secs_f64() - given_up;
    (outcome.recovery_s, outcome.recovery_limit_s) = (Some(took), Some(1.0));
    ensure!(took < 1.0, "the fault was there for {took:.2} s after it was asked to go");
    Ok(())
}

/// Ctrl-C in the middle: the fault is gone within a second, and the drill ends as given up.
pub(super) fn interrupted(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let (child, play) = hanging(lab, tidegate, inputs)?;
    let asked = SystemTime::now();
    let pid = child.id().to_string();
    ensure!(std::process::Command::new("kill").args(["-INT", &pid]).status()?.success(), "kill -INT");
    let took = gone(lab)?.duration_since(asked).unwrap_or_default().as_secs_f64();
    let ended = child.finish(Duration::from_secs(100))?;
    let value: Value = serde_json::from_str(ended.stdout.lines().last().unwrap_or_default())
        .with_context(|| format!("no result: {}", last(&ended.stderr)))?;
    ensure!(ended.status.code() == Some(1) && value["result"] == "given-up", "{}: {value}", ended.status);
    let next = value["next"].as_str().unwrap_or_default();
    ensure!(next.contains(&format!("drill report {play}")), "{next}");
    count(&evidence(tidegate, &play)?, outcome);
    (outcome.recovery_s, outcome.recovery_limit_s) = (Some(took), Some(1.0));
    ensure!(took < 1.0, "the fault was there for {took:.2} s after Ctrl-C");
    Ok(())
}

/// The program is killed in the middle, and the fault has ten minutes to go: `drill undo` ends it at once, knows whose it
/// was, and says so when there is nothing to undo.
pub(super) fn undone(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let (child, play) = hanging(lab, tidegate, inputs)?;
    child.kill()?;
    ensure!(hangs(lab)?, "the fault went with its program");
    let undo = ["drill", "undo", "--yes", "--json", "--operator", "dave", "--reason", "it is stuck"];
    let (asked, value) = (Instant::now(), done(tidegate, &undo)?);
    ensure!(!hangs(lab)?, "the service hangs on: {value}");
    outcome.recovery_s = Some(asked.elapsed().as_secs_f64());
    let found = value["found"].as_array().context("nothing was looked for")?;
    ensure!(found.len() == 1 && found[0]["fault"] == "service-hung" && found[0]["place"] == "node-2", "{value}");
    ensure!(found[0]["play"] == play.as_str() && value["open"][0] == play.as_str(), "{value}");
    let timers = lab.shell("node-2", "systemctl list-timers --all --no-legend 'tidegate*'")?;
    ensure!(timers.trim().is_empty(), "a timer is left: {timers}");
    let again = done(tidegate, &undo)?;
    ensure!(again["found"] == serde_json::json!([]), "{again}");
    let closed = done(tidegate, &["drill", "stop", &play, "--yes", "--json"])?;
    ensure!(closed["result"] == "given-up", "{closed}");
    let said = tidegate.run(&["drill", "undo", "--yes"])?;
    ensure!(said.stdout.trim() == "no fault of ours is on node-1, node-2, node-3", "{}", said.stdout);
    let evidence = evidence(tidegate, &play)?;
    let by = evidence["fault"]["ended_by"].as_str().unwrap_or_default();
    ensure!(by.contains("dave: it is stuck (drill undo)"), "ended by {by:?}");
    let why = evidence["objectives"][0]["why"].as_str().unwrap_or_default();
    ensure!(why == "the program that measured died", "not measured because {why:?}");
    Ok(())
}

/// Production's own traffic, by the load balancers' counters: the same drill, without load of its own.
pub(super) fn observed(lab: &Lab, tidegate: &Tidegate<'_>, _inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let copy = lab.dir().join("observed-drain.toml");
    fs::write(&copy, without_load(&fs::read_to_string(file("drills/planned-drain.toml"))?)?)?;
    let load = Load::start(lab, LoadSpec { rate: 100, ..LoadSpec::default() })?;
    let copy = copy.display().to_string();
    let inputs = ["target=node-2", "service=app", "before=3s", "out=3s", "settle=5s", "min-ready=2"];
    let line: Vec<&str> = ["drill", "run", &copy].into_iter().chain(inputs).chain(["--yes", "--json"]).collect();
    let played = tidegate.json(&line);
    let seen = load.finish()?;
    let (code, value, stderr) = played?;
    let play = value["play"].as_str().with_context(|| format!("exit {code}: {value}\n{}", last(&stderr)))?;
    let evidence = evidence(tidegate, play)?;
    count(&evidence, outcome);
    outcome.verdict = evidence["verdict"]["outcome"].as_str().map(str::to_owned);
    // What nobody can know is not known, and the drill is not done by it.
    let reason = "load balancers' counters know no latencies";
    ensure!(code == 1 && outcome.verdict.as_deref() == Some("not-known"), "exit {code}: {}", evidence["verdict"]);
    ensure!(value["why"].as_str().is_some_and(|why| why.contains(reason)), "{}", value["why"]);
    for objective in evidence["objectives"].as_array().context("no objectives")? {
        let known = objective["name"] != "latency, 99th percentile";
        ensure!(known == (objective["met"] == true) && known == objective["why"].is_null(), "{objective}");
    }
    ensure!(seen.failed == 0 && outcome.failed == 0, "{} and {} requests failed", seen.failed, outcome.failed);
    // The load went on for a moment before and after it.
    let all = seen.requests;
    ensure!(outcome.requests <= all && outcome.requests * 10 > all * 6, "{} of {all} were seen", outcome.requests);
    let by_node = evidence["traffic"]["by_node"].as_object().context("no nodes")?;
    ensure!(by_node.len() == 3 && by_node["node-2"].as_u64() < by_node["node-1"].as_u64(), "{by_node:?}");
    Ok(())
}

/// A drain that is held in a drill (WebSockets stay to the deadline) is given up: nobody measures while a person thinks.
pub(super) fn held(lab: &Lab, _tidegate: &Tidegate<'_>, _inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let config = TidegateConfig { deadline: "2s".into(), ..TidegateConfig::default() };
    let tidegate = Tidegate::new(lab, lab.write_config("plays-held.toml", &config)?);
    let urls = r#"urls=["ws://10.77.0.21/ws", "ws://10.77.0.22/ws"]"#;
    let drill = file("drills/planned-drain.toml");
    let line = ["drill", "run", &drill, "target=node-2", "service=app", urls, "rate=50", "before=2s", "settle=1s"];
    let (code, value, stderr) = tidegate.json(&line.into_iter().chain(["--yes", "--json"]).collect::<Vec<_>>())?;
    ensure!(code == 1 && value["result"] == "given-up", "exit {code}: {value}\n{}", last(&stderr));
    let why = value["why"].as_str().unwrap_or_default();
    ensure!(why.contains("a drill waits for nobody") && why.contains("connections of app"), "{why}");
    ensure!(value["out"] == serde_json::json!({}), "still out: {}", value["out"]);
    let evidence = evidence(&tidegate, value["play"].as_str().context("no play")?)?;
    count(&evidence, outcome);
    ensure!(evidence["residual"].as_array().is_some_and(|left| !left.is_empty()), "nobody stayed: {evidence}");
    ensure!(outcome.requests > 0, "nothing was counted: {}", evidence["remarks"]);
    Ok(())
}

/// The shipped drill, with the traffic of others in place of its own load, and a limit that nobody can judge by it.
fn without_load(text: &str) -> Result<String> {
    let mut text = text.replace("max-error-ratio = \"{", "max-latency-p99 = \"500ms\"\nmax-error-ratio = \"{");
    for (from, until) in
        [("[[input]]\nname = \"urls\"", "[[input]]\nname = \"before\""), ("[drill.load]", "# What hurts")]
    {
        let start = text.find(from).with_context(|| format!("no {from}"))?;
        let end = text.find(until).filter(|end| *end > start).with_context(|| format!("no {until}"))?;
        text.replace_range(
            start..end,
            if from == "[drill.load]" { "[drill.load]\nfrom = \"observe\"\n\n" } else { "" },
        );
    }
    Ok(text)
}

/// Two hosts send the load. One without the program is told before anything is touched.
pub(super) fn from_hosts(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    for host in SENDERS {
        lab.shell(host, &format!("rm -f {PROGRAM}"))?;
    }
    let (code, value, _) = tidegate.json(&words(inputs))?;
    let error = value["error"].as_str().unwrap_or_default();
    ensure!(code == 3 && error.contains("no load from router"), "exit {code}: {value}");
    ensure!(newest(tidegate)?.is_none(), "a play was opened");
    for host in SENDERS {
        let mut copy = lab.command_in(host, "sh")?;
        copy.args(["-c", &format!("cat > {PROGRAM} && chmod 755 {PROGRAM}")]);
        let program = fs::File::open(tidegate.program()?)?;
        ensure!(copy.stdin(program).status()?.success(), "the program does not come to {host}");
    }
    let played = tidegate.json(&words(inputs));
    for host in SENDERS {
        lab.shell(host, &format!("rm -f {PROGRAM}"))?;
    }
    let (code, value, stderr) = played?;
    ensure!(code == 0, "exit {code}: {value}\n{}", last(&stderr));
    let evidence = evidence(tidegate, value["play"].as_str().context("no play")?)?;
    count(&evidence, outcome);
    let traffic = &evidence["traffic"];
    ensure!(traffic["source"].as_str().is_some_and(|s| s.contains("from router, dns-1")), "{}", traffic["source"]);
    ensure!(traffic["by_node"].as_object().is_some_and(|nodes| nodes.len() == 3), "{}", traffic["by_node"]);
    let failures = traffic["failures"].as_array().context("no failures")?;
    let (mut from, span) = (Vec::new(), [&evidence["fault"]["at"], &evidence["ended"]].map(|at| at.as_str()));
    for failure in failures {
        let way = failure["route"].as_str().unwrap_or_default();
        let (host, to) = way.split_once(" to ").with_context(|| format!("no way: {failure}"))?;
        ensure!(to.starts_with("10.77.0.2") && failure["cause"] == "timed out", "{failure}");
        ensure!(failure["at"].as_str() > span[0] && failure["at"].as_str() < span[1], "{failure} outside {span:?}");
        from.push(host.to_owned());
    }
    from.sort();
    from.dedup();
    ensure!(from == ["dns-1", "router"], "failures came from {from:?}");
    Ok(())
}

/// Nobody consented, the wrong one was named or typed, another node is out, a window is blocked: nothing is touched. The
/// right name, typed at a terminal, goes on.
pub(super) fn rails(lab: &Lab, tidegate: &Tidegate<'_>, _inputs: &[String], _outcome: &mut Outcome) -> Result<()> {
    let (hung, planned, balancer) =
        (file("drills/service-hung.toml"), file("drills/planned-drain.toml"), file("drills/balancer-lost.toml"));
    let short = ["service=app", URLS, "rate=20", "before=1s", "settle=1s", "lasts=2s"];
    let hung: Vec<&str> = ["drill", "run", &hung, "target=node-2"].into_iter().chain(short).collect();
    let with = |line: &[&'static str]| -> Vec<&str> { hung.iter().copied().chain(line.iter().copied()).collect() };
    refused(tidegate, &with(&["--json"]), "nobody consented")?;
    refused(tidegate, &with(&["--yes", "--json"]), "nobody consented")?;
    refused(tidegate, &with(&["--break", "node-3", "--json"]), "the consent is for node-3")?;
    let typed = |name: &str| Terminal::open(&tidegate.command(&hung)?)?.answer("consent:", name);
    let (code, said) = typed("node-3")?;
    ensure!(code == 3 && said.contains("another name was typed"), "exit {code}: {said}");
    ensure!(newest(tidegate)?.is_none(), "a play was opened");
    // Too short for the load balancers to notice: what it promised is not known.
    let (code, said) = typed("node-2")?;
    ensure!(code == 1 && said.contains("break it: done"), "exit {code}: {said}");
    let before = newest(tidegate)?;
    let planned: Vec<&str> = ["drill", "run", &planned, "target=node-2", "--yes", "--json"]
        .into_iter()
        .chain(["service=app", URLS, "rate=20", "before=1s", "settle=1s", "out=1s"])
        .collect();
    done(tidegate, &["drain", "node-3", "--yes", "--json"])?;
    refused(tidegate, &with(&["--break", "node-2", "--json"]), "node-3 is in standby")?;
    refused(tidegate, &planned, "node-3 is in standby")?;
    done(tidegate, &["restore", "node-3", "--yes", "--json"])?;
    let freeze = "\n[[calendar]]\nname = \"freeze\"\nwhy = \"the books are closed\"\nfrom = \"2020-01-01\"\nuntil = \"2099-01-01\"\n";
    let config = TidegateConfig { extra: freeze.into(), ..TidegateConfig::default() };
    let frozen = Tidegate::new(lab, lab.write_config("plays-frozen.toml", &config)?);
    let balancer: Vec<&str> = ["drill", "run", &balancer, "host=lb-1", "instance=lb-1", "--break", "lb-1", "--json"]
        .into_iter()
        .chain(short)
        .collect();
    for line in [with(&["--break", "node-2", "--json"]), planned, balancer] {
        refused(&frozen, &line, "the books are closed")?;
    }
    ensure!(newest(tidegate)? == before, "a play was opened");
    Ok(())
}

fn refused(tidegate: &Tidegate<'_>, line: &[&str], why: &str) -> Result<()> {
    let (code, value, stderr) = tidegate.json(line)?;
    let error = value["error"].as_str().unwrap_or_default();
    ensure!(code == 3 && error.contains(why), "{line:?}: exit {code}: {value}\n{}", last(&stderr));
    ensure!(value["next"].as_str().is_some_and(|next| next.contains("Nothing was changed")), "{value}");
    Ok(())
}

fn count(evidence: &Value, outcome: &mut Outcome) {
    outcome.requests = evidence["traffic"]["requests"].as_u64().unwrap_or_default();
    outcome.failed = evidence["traffic"]["failed"].as_u64().unwrap_or_default();
}

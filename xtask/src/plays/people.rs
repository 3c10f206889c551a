//! Playbooks and people: what is checked and planned before anything moves, a question that is answered or not, who is told of
//! it, who reads along, and a play that is given up while its program does not answer.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::listener::{Listener, Posted};
use super::{Outcome, done, last};
use crate::harness::{Child, Finished, Load, LoadSpec, Tidegate};
use crate::lab::Lab;

/// Time for a command that ends soon.
const SOON: Duration = Duration::from_secs(60);

/// A playbook of the lab's own.
pub(super) fn own(name: &str) -> String {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("files/plays").join(name).display().to_string()
}

/// Runs a playbook of the lab's own in the background.
fn start(tidegate: &Tidegate<'_>, name: &str, inputs: &[&str]) -> Result<Child> {
    let file = own(name);
    let mut line = vec!["playbook", "run", &file];
    line.extend(inputs);
    line.extend(["--yes", "--json", "--operator", "anna", "--reason", "played on the lab"]);
    Child::start(&mut tidegate.command(&line)?, Stdio::null())
}

/// How it ended, and the last line that it printed.
fn end(child: Child) -> Result<(i32, Value, Finished)> {
    let ended = child.finish(Duration::from_secs(300))?;
    let line = ended.stdout.lines().last().unwrap_or_default();
    let value = serde_json::from_str(line).with_context(|| format!("no result: {}", last(&ended.stderr)))?;
    Ok((ended.status.code().unwrap_or(-1), value, ended))
}

/// The newest play.
fn newest(tidegate: &Tidegate<'_>) -> Result<String> {
    let plays = done(tidegate, &["playbook", "status", "--json"])?;
    Ok(plays["plays"][0]["play"].as_str().context("no play")?.to_owned())
}

/// The newest play, as soon as it asks somebody.
fn asking(lab: &Lab, tidegate: &Tidegate<'_>) -> Result<(String, Value)> {
    let mut found = None;
    lab.until("a person is asked", SOON, |_| {
        let plays = done(tidegate, &["playbook", "status", "--json"])?;
        let Some(play) = plays["plays"][0]["play"].as_str().filter(|_| plays["plays"][0]["result"] == "open") else {
            return Ok(false);
        };
        let status = done(tidegate, &["playbook", "status", play, "--json"])?;
        let asks = status["asks"].as_array().is_some_and(|asks| !asks.is_empty());
        found = asks.then(|| (play.to_owned(), status));
        Ok(asks)
    })?;
    found.context("nobody is asked")
}

/// A node leaves, a person is asked, says yes, and it comes back; who listens hears of it, who reads along sees all of it.
pub(super) fn asked(lab: &Lab, tidegate: &Tidegate<'_>, _inputs: &[String], outcome: &mut Outcome) -> Result<()> {
    let listener = Listener::start(lab)?;
    let note = lab.dir().join("note");
    let (listens, noted) = (format!("listener={}", listener.url), format!("note={}", note.display()));
    let inputs = [listens.as_str(), noted.as_str(), "patience=5m"];
    before(lab, tidegate, &inputs)?;
    let load = Load::start(lab, LoadSpec { rate: 100, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    let played = answered(lab, tidegate, &inputs);
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let play = played?;
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    told(&play, &listener.heard(), &fs::read_to_string(note.with_file_name("note-node-2"))?)?;
    after(tidegate, &inputs)
}

/// What is seen before anything moves: the gates of the cluster as it is, and steps of which nothing is known.
fn before(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[&str]) -> Result<()> {
    let file = own("asked.toml");
    let line = |verb| [&["playbook", verb, file.as_str()], inputs, &["--json"]].concat();
    let check = done(tidegate, &line("check"))?;
    ensure!(check["waves"] == json!([["node-2"]]) && check["nodes"][0]["verdict"] == "yes", "{check}");
    lab.shell("node-1", "pcs property set maintenance-mode=true")?;
    let refused = tidegate.json(&line("check"));
    lab.shell("node-1", "pcs property set maintenance-mode=false")?;
    let (code, check, _) = refused?;
    let gates = check["nodes"][0]["gates"].as_array().context("no gates")?;
    let against = gates.iter().any(|gate| gate["code"] == "maintenance-mode" && gate["answer"] == "refuse");
    ensure!(code == 3 && check["nodes"][0]["verdict"] == "no" && against, "exit {code}: {check}");
    let plan = done(tidegate, &line("plan"))?;
    let unknown = plan["total"]["unknown"].as_array().context("no total")?;
    ensure!(unknown.contains(&json!("drain")) && plan["total"]["people"] == json!(["look"]), "{}", plan["total"]);
    let plays = done(tidegate, &["playbook", "status", "--json"])?;
    ensure!(plays["plays"] == json!([]), "something was played: {plays}");
    Ok(())
}

/// Plays it, looks while it waits, says yes, and hands back how it ended.
fn answered(lab: &Lab, tidegate: &Tidegate<'_>, inputs: &[&str]) -> Result<Value> {
    let running = start(tidegate, "asked.toml", inputs)?;
    let (play, status) = asking(lab, tidegate)?;
    let follower = ["playbook", "status", &play, "--follow", "--json"];
    let follower = Child::start(&mut tidegate.command(&follower)?, Stdio::null())?;
    let asks = &status["asks"][0];
    ensure!(status["result"] == "running" && asks["message"] == "Is node-2 fit to come back?", "{status}");
    ensure!(asks["node"] == "node-2" && asks["until"].is_string() && status["out"]["node-2"].is_string(), "{status}");
    let shown = tidegate.run(&["playbook", "status", &play])?.stdout;
    ensure!(shown.contains("asking") && shown.contains(&format!("playbook approve {play}")), "{shown}");
    ensure!(
        lab.cluster()?.nodes.iter().any(|m| m.name == "node-2" && m.standby),
        "node-2 is not out while it is asked"
    );
    let approved = done(tidegate, &["playbook", "approve", &play, "--operator", "boss", "--json"])?;
    ensure!(approved["asks"] == json!([]), "{approved}");
    let (code, value, ended) = end(running)?;
    ensure!(code == 0 && value["result"] == "done", "exit {code}: {value}\n{}", last(&ended.stderr));
    let question = format!("Is node-2 fit to come back? `tidegate playbook approve {play}`");
    ensure!(ended.stderr.contains(&question), "nobody at the terminal was asked: {}", last(&ended.stderr));
    let look = value["steps"].as_array().into_iter().flatten().find(|s| s["step"] == "node-2, look");
    ensure!(look.is_some_and(|s| s["told"] == "approved by boss"), "{value}");
    let (code, value, _) =
        end(Child::start(&mut tidegate.command(&["playbook", "approve", &play, "--json"])?, Stdio::null())?)?;
    ensure!(code == 3 && value["result"] == "refused", "a second yes: exit {code}: {value}");
    let ended = follower.finish(SOON)?;
    ensure!(ended.status.success(), "{}", last(&ended.stderr));
    followed(&ended.stdout)?;
    done(tidegate, &["playbook", "status", &play, "--json"])
}

/// A line each change, from the first one; the play at the end.
fn followed(stdout: &str) -> Result<()> {
    let lines: Vec<Value> = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (play, changes) = lines.split_last().context("nothing was followed")?;
    ensure!(play["result"] == "done", "{play}");
    let of = |line: &Value| line["change"].as_str().unwrap_or_default().to_owned();
    let steps: Vec<String> =
        changes.iter().filter(|line| line["step"] == "node-2, look" || line["step"] == Value::Null).map(of).collect();
    ensure!(steps == ["begun", "asked", "approved", "done", "measured", "ended"], "{steps:?}");
    let numbers: Vec<u64> = changes.iter().filter_map(|line| line["seq"].as_u64()).collect();
    let all: Vec<u64> = (1..=changes.len() as u64).collect();
    ensure!(numbers == all, "changes are missing, or told twice: {numbers:?}");
    Ok(())
}

/// Who was told got what the documentation says.
fn told(play: &Value, heard: &[Posted], note: &str) -> Result<()> {
    let wanted = |step: &str, message: &str| {
        json!({
            "play": play["play"], "playbook": "asked", "step": step, "node": "node-2", "operator": "anna",
            "reason": "played on the lab", "message": message, "text": message,
        })
    };
    let paths: Vec<&str> = heard.iter().map(|posted| posted.path.as_str()).collect();
    ensure!(paths == ["/begins", "/node-2"], "posted to {paths:?}");
    ensure!(heard.iter().all(|posted| posted.kind == "application/json"), "{heard:?}");
    let bodies: Vec<&Value> = heard.iter().map(|posted| &posted.body).collect();
    let expected = [wanted("node-2, begins", "A node is about to leave"), wanted("node-2, back", "node-2 is back")];
    ensure!(bodies == expected.iter().collect::<Vec<_>>(), "{bodies:?}");
    let note: Value = serde_json::from_str(note)?;
    ensure!(note == wanted("node-2, note", "node-2 is out, and a person is asked"), "{note}");
    let steps = play["steps"].as_array().into_iter().flatten();
    let lost = steps.filter(|step| step["step"] == "node-2, nobody listens").map(|step| step["told"].to_string());
    let lost: String = lost.collect();
    ensure!(lost.contains("nobody was told") && !lost.contains("hook-of-nobody"), "a URL may be a secret: {lost}");
    Ok(())
}

/// What was done once is known the next time.
fn after(tidegate: &Tidegate<'_>, inputs: &[&str]) -> Result<()> {
    let file = own("asked.toml");
    let plan = done(tidegate, &[&["playbook", "plan", file.as_str()], inputs, &["--json"]].concat())?;
    let total = &plan["total"];
    ensure!(total["unknown"] == json!([]) && total["usually_s"].as_f64().is_some_and(|s| s > 0.5), "{total}");
    Ok(())
}

/// A step that was done three times in no time, and then takes long: it is told at once, and afterwards.
pub(super) fn slow(_lab: &Lab, tidegate: &Tidegate<'_>, _inputs: &[String], _outcome: &mut Outcome) -> Result<()> {
    for _ in 0..3 {
        let (code, value, ended) = end(start(tidegate, "nap.toml", &["nap=0.1"])?)?;
        ensure!(code == 0 && value["steps"][0]["told"] == Value::Null, "{value}\n{}", last(&ended.stderr));
    }
    let plan = done(tidegate, &["playbook", "plan", &own("nap.toml"), "nap=0.1", "--json"])?;
    let usual = &plan["rounds"][0]["steps"][0]["usual"];
    ensure!(usual["seen"] == 3 && usual["p95"].as_f64().is_some_and(|s| s >= 0.1), "{plan}");
    let (code, value, ended) = end(start(tidegate, "nap.toml", &["nap=6"])?)?;
    let told = value["steps"][0]["told"].as_str().unwrap_or_default();
    ensure!(code == 0 && told.contains("slow: it usually takes far less"), "exit {code}: {value}");
    ensure!(ended.stderr.contains("sleep: takes longer than"), "nothing was said meanwhile: {}", last(&ended.stderr));
    Ok(())
}

/// Nobody answers in time: the node stays out, and says so; a late yes is none.
pub(super) fn unanswered(lab: &Lab, tidegate: &Tidegate<'_>, _inputs: &[String], _outcome: &mut Outcome) -> Result<()> {
    let listener = Listener::start(lab)?;
    let note = format!("note={}", lab.dir().join("note").display());
    let running = start(tidegate, "asked.toml", &[&format!("listener={}", listener.url), &note, "patience=1s"])?;
    let (code, value, ended) = end(running)?;
    let why = value["why"].as_str().unwrap_or_default();
    ensure!(code == 4 && value["result"] == "held", "exit {code}: {value}\n{}", last(&ended.stderr));
    ensure!(why.contains("nobody approved: Is node-2 fit") && value["out"]["node-2"].is_string(), "{value}");
    let play = newest(tidegate)?;
    let (code, value, _) = tidegate.json(&["playbook", "approve", &play, "--json"])?;
    ensure!(code == 3, "a late yes: exit {code}: {value}");
    let (code, value, _) = tidegate.json(&["playbook", "status", &play, "--follow", "--json"])?;
    ensure!(code == 4 && value["result"] == "held", "following one that is held: exit {code}: {value}");
    let value = done(tidegate, &["playbook", "abort", &play, "--yes", "--json"])?;
    ensure!(value["result"] == "given-up" && value["out"] == json!({}), "{value}");
    let (code, value, _) = tidegate.json(&["playbook", "status", &play, "--follow", "--json"])?;
    ensure!(code == 1 && value["result"] == "given-up", "following one that is over: exit {code}: {value}");
    let paths: BTreeSet<String> = listener.heard().into_iter().map(|posted| posted.path).collect();
    ensure!(paths == BTreeSet::from(["/begins".to_owned()]), "told of what did not happen: {paths:?}");
    Ok(())
}

/// The program that plays it hangs while it is given up: that is said within the time, and done once it goes on.
pub(super) fn hung(lab: &Lab, tidegate: &Tidegate<'_>, _inputs: &[String], _outcome: &mut Outcome) -> Result<()> {
    let running = start(tidegate, "nap.toml", &["nap=0.1", "ask=true"])?;
    let (play, _) = asking(lab, tidegate)?;
    let signal = |name: &str| {
        let kill = std::process::Command::new("kill").args([name, &running.id().to_string()]).status()?;
        ensure!(kill.success(), "kill {name}: {kill}");
        Ok(())
    };
    signal("-STOP")?;
    let abort = ["playbook", "abort", &play, "--yes", "--json", "--timeout", "2s", "--reason", "enough"];
    let given_up = tidegate.json(&abort);
    signal("-CONT")?;
    let (code, value, stderr) = given_up?;
    let (why, next) = (value["why"].as_str().unwrap_or_default(), value["next"].as_str().unwrap_or_default());
    ensure!(code == 4 && value["result"] == "running", "exit {code}: {value}\n{}", last(&stderr));
    let holder = format!(":{}", running.id());
    ensure!(why.contains(&holder) && why.contains("within 2.0 s") && why.contains("under way: ask"), "{value}");
    ensure!(next.contains(&format!("playbook status {play} --follow")), "{value}");
    let (code, value, _) = tidegate.json(&["playbook", "status", &play, "--follow", "--json"])?;
    ensure!(code == 1 && value["result"] == "given-up", "exit {code}: {value}");
    let (code, value, _) = end(running)?;
    ensure!(code == 1 && value["result"] == "given-up", "exit {code}: {value}");
    Ok(())
}

//! Every shipped playbook and drill, played on the lab under load: what they promise is read from the product's own JSON, and
//! afterwards every node serves as before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::harness::{Load, LoadSpec, Tidegate};
use crate::lab::Lab;

mod disturbed;
mod drills;
mod jetty;
mod listener;
mod order;
mod pairs;
mod people;
mod playbooks;
mod rails;

/// Longest time of one play.
const LIMIT: Duration = Duration::from_secs(600);

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// `playbooks/`.
    Playbooks,
    /// `playbooks/drills/`.
    Drills,
}

/// What came of all cases.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Each case.
    pub cases: Vec<Outcome>,
}

/// What came of one case.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Its name: the file's, and what is special about it.
    pub name: String,
    /// Whether everything was as it should be.
    pub ok: bool,
    /// Requests that clients sent.
    pub requests: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Of a drill: what came out, in one word.
    pub verdict: Option<String>,
    /// Of an unplanned drill: seconds from the fault to the first route that knew.
    pub detection_s: Option<f64>,
    /// Its limit.
    pub detection_limit_s: Option<f64>,
    /// Seconds from the fault's end to all being as before.
    pub recovery_s: Option<f64>,
    /// Its limit.
    pub recovery_limit_s: Option<f64>,
    /// Seconds for all of it.
    pub took_s: f64,
    /// What was not as it should be, in words.
    pub wrong: Vec<String>,
}

/// One case.
struct Case {
    name: &'static str,
    /// The file, below `playbooks/`.
    file: &'static str,
    /// What is put in.
    inputs: Vec<String>,
    /// Which configuration.
    config: drills::Config,
    /// Consent to break this.
    consent: Option<&'static str>,
    /// Before it.
    prepare: fn(&Lab, &Tidegate<'_>) -> Result<()>,
    /// After it.
    finish: fn(&Lab, &Tidegate<'_>) -> Result<()>,
    /// Whether it has to fail, since its objective is too tight.
    must_fail: bool,
    /// What disturbs it; it judges the play then.
    script: Option<disturbed::Script>,
}

impl Report {
    /// Whether nothing was wrong.
    pub fn good(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(|case| case.ok)
    }

    /// As people read it.
    pub fn table(&self) -> String {
        let seconds = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.1} s"));
        let head = format!(
            "{:<26}{:>10}{:>8}  {:<10}{:>20}{:>20}{:>9}\n",
            "case", "requests", "failed", "verdict", "detection", "recovery", "took"
        );
        self.cases.iter().fold(head, |text, case| {
            let beside = |time, limit: Option<f64>| format!("{} of {}", seconds(time), seconds(limit));
            let (detection, recovery) =
                (beside(case.detection_s, case.detection_limit_s), beside(case.recovery_s, case.recovery_limit_s));
            let verdict = case.verdict.as_deref().unwrap_or("-");
            let end = if case.ok { "" } else { "  WRONG" };
            let line = format!(
                "{:<26}{:>10}{:>8}  {verdict:<10}{detection:>20}{recovery:>20}{:>7.1} s{end}\n",
                case.name, case.requests, case.failed, case.took_s
            );
            let wrong: String = case.wrong.iter().map(|line| format!("    {line}\n")).collect();
            text + &line + &wrong
        })
    }
}

/// The names of the cases.
pub fn names(shelf: Shelf) -> Vec<&'static str> {
    all(shelf).iter().map(|case| case.name).collect()
}

fn all(shelf: Shelf) -> Vec<Case> {
    match shelf {
        Shelf::Playbooks => playbooks::all(),
        Shelf::Drills => drills::all(),
    }
}

/// Plays the named cases, or all, each on a lab that was reset. A case that breaks is reported, and the next one runs.
pub fn run(lab: &Lab, shelf: Shelf, only: &[String]) -> Result<Report> {
    ensure!(
        lab.options().routes,
        "this lab has HAProxy only; `cargo xtask lab up --routes` makes one with every route"
    );
    let known = names(shelf);
    for name in only {
        ensure!(known.contains(&name.as_str()), "there is no case {name:?}; there are {}", known.join("; "));
    }
    let chosen = all(shelf).into_iter().filter(|case| only.is_empty() || only.iter().any(|name| name == case.name));
    Ok(Report { cases: chosen.map(|case| tried(lab, shelf, &case)).collect() })
}

fn tried(lab: &Lab, shelf: Shelf, case: &Case) -> Outcome {
    let mut outcome = Outcome { name: case.name.to_owned(), ..Outcome::default() };
    let started = Instant::now();
    if let Err(error) = play(lab, shelf, case, &mut outcome) {
        outcome.wrong.push(format!("{error:#}"));
    }
    outcome.took_s = (started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    outcome.ok = outcome.wrong.is_empty();
    let Outcome { name, ok, requests, failed, took_s, wrong, .. } = &outcome;
    let word = if *ok { "ok" } else { "WRONG" };
    eprintln!("plays: {name}: {word}, {failed} of {requests} requests failed, {took_s:.1} s {}", wrong.join("\n    "));
    outcome
}

fn play(lab: &Lab, shelf: Shelf, case: &Case, outcome: &mut Outcome) -> Result<()> {
    lab.reset()?;
    let tidegate = Tidegate::new(lab, case.config.write(lab)?).limit(LIMIT);
    (case.prepare)(lab, &tidegate)?;
    let done = match (shelf, case.script) {
        (Shelf::Playbooks, None) => playbook(lab, &tidegate, case, outcome),
        (Shelf::Drills, None) => drill(lab, &tidegate, case, outcome),
        (Shelf::Playbooks, Some(script)) => script(lab, &tidegate, &arguments(lab, case, "playbook"), outcome),
        (Shelf::Drills, Some(script)) => script(lab, &tidegate, &arguments(lab, case, "drill"), outcome),
    };
    (case.finish)(lab, &tidegate)?;
    done?;
    serves(lab)
}

fn arguments(lab: &Lab, case: &Case, verb: &str) -> Vec<String> {
    let mut arguments = vec![verb.to_owned(), "run".to_owned(), file(case.file)];
    arguments.extend(case.inputs.iter().map(|input| playbooks::put_in(lab, input)));
    arguments.extend(["--yes", "--json", "--reason", "played on the lab"].map(str::to_owned));
    arguments.extend(case.consent.iter().flat_map(|name| ["--break".to_owned(), (*name).to_owned()]));
    arguments
}

fn asked(tidegate: &Tidegate<'_>, lab: &Lab, case: &Case, verb: &str) -> Result<(i32, Value, String)> {
    tidegate.json(&arguments(lab, case, verb).iter().map(String::as_str).collect::<Vec<_>>())
}

fn playbook(lab: &Lab, tidegate: &Tidegate<'_>, case: &Case, outcome: &mut Outcome) -> Result<()> {
    let load = Load::start(lab, LoadSpec { rate: 100, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    let played = asked(tidegate, lab, case, "playbook");
    let seen = load.finish()?;
    (outcome.requests, outcome.failed) = (seen.requests, seen.failed);
    let (code, value, stderr) = played?;
    ensure!(code == 0, "exit {code}: {value}\n{}", last(&stderr));
    ensure!(value["result"] == "done", "{value}");
    ensure!(seen.failed == 0, "{} of {} requests failed: {:?}", seen.failed, seen.requests, seen.by_failure);
    Ok(())
}

fn drill(lab: &Lab, tidegate: &Tidegate<'_>, case: &Case, outcome: &mut Outcome) -> Result<()> {
    let (code, value, stderr) = asked(tidegate, lab, case, "drill")?;
    let play = value["play"].as_str().with_context(|| format!("exit {code}: {value}\n{}", last(&stderr)))?;
    let (reported, evidence, said) = tidegate.json(&["drill", "report", play, "--format", "json", "--json"])?;
    ensure!(reported == 0, "drill report: exit {reported}: {evidence}\n{}", last(&said));
    outcome.requests = evidence["traffic"]["requests"].as_u64().unwrap_or_default();
    outcome.failed = evidence["traffic"]["failed"].as_u64().unwrap_or_default();
    outcome.verdict = evidence["verdict"]["outcome"].as_str().map(str::to_owned);
    let fault = &evidence["fault"];
    outcome.detection_s = fault["detection"]["seconds"].as_f64();
    outcome.detection_limit_s = fault["detection"]["limit"].as_f64();
    outcome.recovery_s = fault["recovery"]["seconds"].as_f64();
    outcome.recovery_limit_s = fault["recovery"]["limit"].as_f64();
    ensure!(outcome.requests > 0, "nothing was counted: {}", evidence["remarks"]);
    let wanted = if case.must_fail { (1, "missed") } else { (0, "kept") };
    let got = (code, outcome.verdict.as_deref().unwrap_or_default());
    ensure!(got == wanted, "{got:?}, not {wanted:?}: {}: {}\n{}", value["why"], evidence["objectives"], last(&stderr));
    Ok(())
}

/// Every node is a member and serves at both load balancers, and nothing of ours is left.
fn serves(lab: &Lab) -> Result<()> {
    lab.until("every node serves", Duration::from_secs(120), |lab| {
        let view = lab.cluster()?;
        let mut up = BTreeMap::new();
        for balancer in lab.balancer_names() {
            let servers = lab.servers(balancer)?.into_iter().filter(|s| s.backend == "app");
            up.insert(balancer, servers.filter(|s| s.status == "UP").count());
        }
        Ok(view.started("app_service") == 3 && view.available() == 3 && up.values().all(|count| *count == 3))
    })?;
    let cib = lab.shell("node-1", "cibadmin --query")?;
    match cib.lines().find(|line| line.contains("tidegate-") && !line.contains("<nvpair id=\"status")) {
        Some(line) => bail!("something of Tidegate's is left in the CIB: {}", line.trim()),
        None => Ok(()),
    }
}

fn file(name: &str) -> String {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).join("playbooks").join(name).display().to_string()
}

fn last(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

fn nothing(_lab: &Lab, _tidegate: &Tidegate<'_>) -> Result<()> {
    Ok(())
}

/// A command that must end well.
fn done(tidegate: &Tidegate<'_>, arguments: &[&str]) -> Result<Value> {
    let (code, value, stderr) = tidegate.json(arguments)?;
    ensure!(code == 0, "tidegate {}: exit {code}: {value}\n{}", arguments.join(" "), last(&stderr));
    Ok(value)
}

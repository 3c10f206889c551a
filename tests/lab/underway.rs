//! A run that is under way: what it tells is read while it waits, and what another hand does meanwhile meets it there.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::{Load, LoadResult, LoadSpec, Tidegate},
    lab::{APP_PORT, Entrance, Lab, RouteText, TidegateConfig, ZONE},
};

use crate::stage::{NODE, Running, events, newest, text, within};

/// The nodes behind their name, and waits that are held soon.
pub fn by_name() -> TidegateConfig {
    let nodes = vec!["node-1", "node-2", "node-3"];
    TidegateConfig {
        entrance: Some((Entrance::named("app", APP_PORT), vec![RouteText::Dns("app", nodes)])),
        extra: "[run]\npatience = \"6s\"\n".into(),
        ..TidegateConfig::default()
    }
}

/// A command of Tidegate that moves something, and what it told so far.
pub struct Underway {
    running: Running,
    told: PathBuf,
}

impl Underway {
    /// Drains or restores the node.
    pub fn start(lab: &Lab, tidegate: &Tidegate<'_>, purpose: &str) -> Result<Self> {
        let told = lab.dir().join("told");
        let mut command = tidegate.command(&[purpose, NODE, "--yes", "--json"])?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&told)?);
        Ok(Self { running: Running(command.spawn()?), told })
    }

    /// What it told a person so far.
    pub fn told(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.told)?)
    }

    /// Waits until it has told this.
    pub fn tells(&mut self, part: &str) -> Result<()> {
        within(20, part, || {
            self.waits()?;
            Ok(self.told()?.contains(part))
        })
        .with_context(|| self.told().unwrap_or_default())
    }

    /// It is not over.
    pub fn waits(&mut self) -> Result<()> {
        let over = self.running.0.try_wait()?;
        ensure!(over.is_none(), "it is over: {over:?}\n{}", self.told()?);
        Ok(())
    }

    /// Waits for its end, which must have this exit code, and hands back its JSON.
    pub fn finish(mut self, code: i32) -> Result<Value> {
        within(60, "the end of the run", || Ok(self.running.0.try_wait()?.is_some()))
            .with_context(|| self.told().unwrap_or_default())?;
        let mut out = String::new();
        std::io::Read::read_to_string(self.running.0.stdout.as_mut().context("no output")?, &mut out)?;
        let got = self.running.0.wait()?.code().unwrap_or(-1);
        ensure!(got == code, "exit {got}, not {code}: {out}\n{}", self.told()?);
        serde_json::from_str(out.lines().last().context("no result")?).context("no JSON")
    }
}

/// Load from the client host, at all of these, each name looked up for each connection.
pub fn load(lab: &Lab, urls: &[String]) -> Result<Load> {
    let spec = LoadSpec {
        rate: 60,
        urls: urls.to_vec(),
        connection_age: Some(Duration::from_secs(1)),
        timeout: Duration::from_secs(10),
        ..LoadSpec::default()
    };
    let load = Load::start(lab, spec)?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(load)
}

/// No request failed, and the node answered some of them.
pub fn unharmed(load: Load, what: &str) -> Result<LoadResult> {
    let seen = load.finish()?;
    eprintln!("{what}: {} of {} requests failed; {:?}", seen.failed, seen.requests, seen.by_node);
    ensure!(seen.requests > 0 && seen.failed == 0, "{} of {}: {:?}", seen.failed, seen.requests, seen.failures);
    ensure!(seen.by_node.contains_key(NODE), "the node answered nobody: {:?}", seen.by_node);
    Ok(seen)
}

/// A route before all others, by a name that no client of the tests uses: while the secondary does not follow, a drain
/// waits there, and everything after it is still to come.
pub fn vestibule(lab: &Lab) -> RouteText {
    RouteText::Other(format!(
        "via = \"dns\"\nservers = [\"10.77.0.31\"]\nzone = \"{ZONE}\"\nrecord-name = \"_app._tcp\"\ntype = \"SRV\"\n\
         record = \"{{node}}.{ZONE}.\"\nkey-file = \"{}\"\ntier = 5\n",
        lab.tsig_key().display()
    ))
}

/// What the secondary is called in the zone.
pub const SECONDARY: &str = "ns2.lab.example";

/// The zone's records of that name at both servers, which agree, sorted.
pub fn records(lab: &Lab, name: &str, kind: &str) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    within(10, "both servers have the same records", || {
        let (mut one, mut two) = (lab.dig("dns-1", name, kind)?, lab.dig("dns-2", name, kind)?);
        one.sort();
        two.sort();
        seen.clone_from(&one);
        Ok(one == two)
    })?;
    Ok(seen)
}

/// The newest run's events that concern a route.
pub fn touching(tidegate: &Tidegate<'_>, route: &str) -> Result<Vec<Value>> {
    let all = events(tidegate, &newest(tidegate)?)?;
    let of = |event: &Value| event.pointer("/effect/route").and_then(Value::as_str).map(str::to_owned);
    Ok(all.into_iter().filter(|event| of(event).is_some_and(|id| id.contains(route))).collect())
}

/// What was not accepted, in the servers' words.
pub fn refusals(tidegate: &Tidegate<'_>) -> Result<Vec<String>> {
    let all = events(tidegate, &newest(tidegate)?)?;
    Ok(all.iter().filter(|e| text(e, "event") == "not-accepted").map(|e| text(e, "error").to_owned()).collect())
}

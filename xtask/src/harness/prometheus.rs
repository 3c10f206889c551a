//! Debian's Prometheus beside the coordinator: it scrapes `/metrics` every second and evaluates the repository's own rules,
//! as they are.
//!
//! It runs in the network of `control`, with its data in a folder of its own that goes with it. Its HTTP API is asked from
//! there. An evaluation that fails (two series where a rule joins on one) is told nowhere but there, so a rule's health is
//! asked too.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::ask;
use super::child::Child;
use crate::lab::Lab;

/// Where it listens, in the network of `control`.
const PORT: u16 = 9790;
/// The name of the scrape, as the dashboard asks for it.
const JOB: &str = "tidegate";

/// A Prometheus that scrapes one coordinator. It is killed when dropped, and its data goes.
#[derive(Debug)]
pub struct Prometheus<'a> {
    lab: &'a Lab,
    /// Taken when it is stopped.
    child: Option<Child>,
    folder: PathBuf,
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// Its labels; `alertname` is its name.
    pub labels: BTreeMap<String, String>,
    /// `pending` or `firing`.
    pub state: String,
}

impl Alert {
    /// A label; empty where it has none of that name.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// Whether it is this one, and fires.
    pub fn fires(&self, name: &str) -> bool {
        self.state == "firing" && self.label("alertname") == name
    }
}

/// A series that a query gave.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its values, the oldest first; what is not known is NaN.
    pub values: Vec<f64>,
}

impl<'a> Prometheus<'a> {
    /// Starts it on the coordinator at this address in `control`, with the rules in this folder. It scrapes some seconds
    /// later: [`Prometheus::scrapes`] says when.
    pub fn start(lab: &'a Lab, target: SocketAddr, rules: &Path) -> Result<Self> {
        let folder = lab.dir().join(format!("prometheus-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        let mut started = Self { lab, child: None, folder };
        let config = started.folder.join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{:?}]\n\
             scrape_configs:\n  - job_name: {JOB}\n    static_configs: [{{ targets: [\"{target}\"] }}]\n",
            rules.join("*.yml")
        );
        fs::write(&config, text).with_context(|| format!("could not write {}", config.display()))?;
        let mut command = lab.command_in("control", "prometheus")?;
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", started.folder.join("data").display()));
        command.args([&format!("--web.listen-address=127.0.0.1:{PORT}"), "--log.level=warn"]);
        started.child = Some(Child::start(&mut command, Stdio::null())?);
        Ok(started)
    }

    /// Ends it, and hands back what it said.
    pub fn stop(mut self) -> Result<String> {
        self.child.take().map_or_else(|| Ok(String::new()), Child::stop)
    }

    /// Whether its one target answers, and every rule is evaluated without an error. A target that failed or a rule that
    /// failed is told in the error.
    pub fn scrapes(&self) -> Result<bool> {
        let targets = self.ask("targets", &[("state", "active")])?;
        let all = targets["activeTargets"].as_array().context("no targets")?;
        ensure!(all.len() == 1, "{} targets: {targets}", all.len());
        let up = all.iter().all(|target| target["health"] == "up");
        let groups = self.ask("rules", &[])?;
        let groups = groups["groups"].as_array().context("no groups of rules")?;
        let rules: Vec<&Value> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        ensure!(!rules.is_empty(), "it has no rules");
        for rule in &rules {
            ensure!(rule["health"] != "err", "{}: {}", rule["name"], rule["lastError"]);
        }
        Ok(up && rules.iter().all(|rule| rule["health"] == "ok"))
    }

    /// Every alert that is pending or firing now.
    pub fn alerts(&self) -> Result<Vec<Alert>> {
        let mut answer = self.ask("alerts", &[])?;
        serde_json::from_value(answer["alerts"].take()).context("alerts that are none")
    }

    /// What a query gives now.
    pub fn instant(&self, query: &str) -> Result<Vec<Series>> {
        series(&self.ask("query", &[("query", query)])?)
    }

    /// What a query gives over a time, in seconds since the epoch, every five seconds: as a panel asks for it.
    pub fn range(&self, query: &str, from: f64, to: f64) -> Result<Vec<Series>> {
        let (from, to) = (from.to_string(), to.to_string());
        series(&self.ask("query_range", &[("query", query), ("start", &from), ("end", &to), ("step", "5")])?)
    }

    /// The values that a label has in these series.
    pub fn label_values(&self, label: &str, of: &str) -> Result<Vec<String>> {
        let answer = self.ask(&format!("label/{label}/values"), &[("match[]", of)])?;
        serde_json::from_value(answer).context("values that are none")
    }

    fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let text = ask::get(self.lab, "control", at, &format!("/api/v1/{what}"), parameters)?;
        let mut answer: Value = serde_json::from_str(&text).with_context(|| format!("{what} answers no JSON"))?;
        ensure!(answer["status"] == "success", "{what}: {}", answer["error"]);
        Ok(answer["data"].take())
    }
}

impl Drop for Prometheus<'_> {
    fn drop(&mut self) {
        // Its data can go only after it.
        drop(self.child.take());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn series(answer: &Value) -> Result<Vec<Series>> {
    let rows = answer["result"].as_array().context("no result")?;
    if answer["resultType"] == "scalar" {
        bail!("a number, and no series");
    }
    rows.iter().map(one).collect()
}

fn one(row: &Value) -> Result<Series> {
    let labels = serde_json::from_value(row["metric"].clone()).context("labels that are none")?;
    let samples = match (row["values"].as_array(), row.get("value")) {
        (Some(many), _) => many.iter().collect(),
        (None, Some(single)) => vec![single],
        (None, None) => bail!("a series without values: {row}"),
    };
    let number = |sample: &&Value| -> Result<f64> {
        let text = sample[1].as_str().with_context(|| format!("a value that is none: {sample}"))?;
        Ok(text.parse()?)
    };
    Ok(Series { labels, values: samples.iter().map(number).collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_kinds_of_answers_are_read() {
        let many = json!({ "resultType": "matrix", "result": [
            { "metric": { "node": "a" }, "values": [[1, "NaN"], [2, "+Inf"], [3, "0.5"]] },
        ] });
        let read = series(&many).expect("a matrix");
        assert_eq!(read[0].labels["node"], "a");
        assert!(read[0].values[0].is_nan() && read[0].values[1].is_infinite());
        let single = json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [1, "7"] }] });
        assert_eq!(series(&single).expect("a vector")[0].values, [7.0]);
        assert!(series(&json!({ "resultType": "scalar", "result": [1, "7"] })).is_err());
        assert!(series(&json!({})).is_err());
    }
}

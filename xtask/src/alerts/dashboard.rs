//! Every query of the dashboard, asked as Grafana asks it: with its variables put in, over the time that was played.
//!
//! By then a unit was killed, and a node was drained, got requests and was restored. A query that falls back on a line
//! without names has to know something without it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage::repository;
use super::{Outcome, Stage, now, until};

/// What a query ends with that shows a line where there is nothing to tell.
const FALLBACK: &str = " or on () vector(0)";
/// How long an answer may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each of them gives a number at some time since `from`.
pub(super) fn answers(stage: &Stage<'_>, from: f64, outcome: &mut Outcome) -> Result<()> {
    let page: Value = serde_json::from_str(&std::fs::read_to_string(repository("config/grafana/tidegate.json"))?)?;
    let entrypoints = entrypoints(stage, &page)?;
    let queries = queries(&page)?;
    for (title, query) in &queries {
        for chosen in [".*", entrypoints.as_str()] {
            let query = query.replace("$entrypoint", chosen);
            for asked in [Some(query.as_str()), query.strip_suffix(FALLBACK)].into_iter().flatten() {
                // What grows is known from the second scrape on.
                let known = until(&format!("an answer to {asked}"), PATIENCE, || knows(stage, asked, from));
                outcome.wrong.extend(known.err().map(|error| format!("{title}: {error:#}")));
            }
        }
    }
    eprintln!("alerts: {} queries of the dashboard were asked", queries.len());
    Ok(())
}

fn knows(stage: &Stage<'_>, query: &str, from: f64) -> Result<bool> {
    ensure!(!query.contains('$'), "a variable that nobody puts in");
    let series = stage.prometheus.range(query, from, now())?;
    Ok(series.iter().flat_map(|one| &one.values).any(|value| value.is_finite()))
}

/// What Grafana offers for the dashboard's own variable, by the dashboard's own query.
fn entrypoints(stage: &Stage<'_>, page: &Value) -> Result<String> {
    let list = page.pointer("/templating/list").and_then(Value::as_array).context("no variables")?;
    let query = list.iter().find(|one| one["name"] == "entrypoint").and_then(|one| one["query"].as_str());
    let inside = query.and_then(|query| query.strip_prefix("label_values(")?.strip_suffix(')'));
    let (series, label) = inside.and_then(|inside| inside.rsplit_once(", ")).context("no query of label values")?;
    let values = stage.prometheus.label_values(label, series)?;
    ensure!(!values.is_empty(), "Grafana would offer no entrypoint");
    Ok(values.join("|"))
}

/// The queries, each with its panel's title.
fn queries(page: &Value) -> Result<Vec<(String, String)>> {
    let panels = page["panels"].as_array().context("no panels")?;
    let of = |panel: &Value| -> Vec<(String, String)> {
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        targets.iter().map(|target| (text(&panel["title"]), text(&target["expr"]))).collect()
    };
    let all: Vec<_> = panels.iter().flat_map(of).collect();
    ensure!(!all.is_empty() && all.iter().all(|(_, query)| !query.is_empty()), "a target without a query");
    Ok(all)
}

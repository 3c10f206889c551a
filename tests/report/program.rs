//! The program itself, on a journal with runs in it: every format, a file, and the trends of the history.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate::{
    drill::report::{Evidence, Outcome},
    journal::{Journal, sqlite::SqliteJournal},
};

#[path = "../support/program.rs"]
mod support;

use support::Place;

use super::runs::{at, event, plan, routing};

/// Three drains of the same node, each a minute longer than the one before; the last one is `drain-3`.
async fn journal(place: &Place) -> Result<()> {
    let journal = SqliteJournal::open(&place.at("journal.db")).await?;
    let lease = journal.acquire("test@here:1/1", at(0), Duration::from_secs(3_600)).await?;
    for number in 1..=3_u64 {
        let (run, start) = (format!("drain-{number}").as_str().into(), number * 600_000);
        journal.open(&lease, &run, &plan("drain"), None, at(start)).await?;
        for (millis, event) in routing() {
            journal.append(&lease, &run, &[event], at(start + millis)).await?;
        }
        let last = [
            event(json!({ "event": "drained", "service": "app" })),
            event(json!({ "event": "step-done", "step": 1 })),
            event(json!({ "event": "ended", "ending": { "ending": "done" } })),
        ];
        journal.append(&lease, &run, &last, at(start + number * 60_000)).await?;
    }
    Ok(())
}

fn tidegate(place: &Place, arguments: &[&str]) -> Result<String> {
    let said = place.run(arguments);
    ensure!(said.code == 0, "{arguments:?}: {}", said.stderr);
    Ok(said.stdout)
}

#[tokio::test]
async fn a_run_is_reported_in_every_format_and_is_the_same_each_time() -> Result<()> {
    let place = Place::new();
    journal(&place).await?;
    let report = |more: &[&str]| tidegate(&place, &[&["drill", "report", "drain-3"], more].concat());

    let markdown = report(&[])?;
    ensure!(markdown.starts_with("# drain node-2\n\n**KEPT**") && markdown.contains("| lb-02 |"), "{markdown}");
    ensure!(report(&["--format", "html"])?.starts_with("<!DOCTYPE html>"));
    let evidence: Evidence = serde_json::from_str(&report(&["--format", "json"])?)?;
    evidence.verify()?;
    ensure!(evidence.verdict.outcome == Outcome::Kept && evidence.took_s() == Some(180.0), "{evidence:?}");
    let again: Evidence = serde_json::from_str(report(&["--json"])?.lines().last().context("a line")?)?;
    ensure!(again == evidence, "the same evidence, asked for twice");

    let file = place.at("report.html");
    let said = report(&["--format", "html", "--json", "--output", &file.display().to_string()])?;
    let said: Value = serde_json::from_str(&said)?;
    ensure!(said["sha256"] == json!(evidence.signature.sha256) && said["verdict"]["outcome"] == "kept", "{said}");
    ensure!(fs::read_to_string(&file)?.contains(&evidence.signature.sha256), "the file is sealed as well");
    ensure!(fs::read_dir(place.at(""))?.flatten().all(|f| !f.path().display().to_string().ends_with(".tmp")));
    Ok(())
}

#[tokio::test]
async fn the_history_tells_whether_runs_take_longer() -> Result<()> {
    let place = Place::new();
    journal(&place).await?;
    let said: Value = serde_json::from_str(&tidegate(&place, &["history", "--limit", "1", "--json"])?)?;
    ensure!(said["runs"].as_array().is_some_and(|runs| runs.len() == 1), "{said}");
    let trend = json!({ "purpose": "drain", "node": "node-2", "runs": 3, "last_s": [60.0, 120.0, 180.0],
        "median_s": 90.0, "direction": "longer" });
    ensure!(said["trends"] == json!([trend]), "{said}");
    let told = tidegate(&place, &["history"])?;
    ensure!(told.contains("longer") && told.contains('█') && told.contains("drain-1"), "{told}");
    Ok(())
}

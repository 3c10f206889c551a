//! `tidegate history`: the runs, newest first, and how long they take by and by; the drills, and what they measured.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    args::Global,
    context::{self, RUNS_READ},
    exit::{Code, Result},
    out::Out,
    report::{Reading, seconds},
    table::Table,
};
use crate::{
    drill::report::Evidence,
    journal::{Journal, PlayReading, Plays, sqlite::SqliteJournal},
    model::{NodeName, RunId},
    observe::{
        drills::{DrillLine, DrillTrend, drill_trends},
        trends::{Trend, trends},
        words,
    },
    plan::Purpose,
    provider::{Clock, SystemClock},
    run::waiting::Short,
};

/// Plays whose evidence is looked at, the newest.
const PLAYS_READ: usize = 200;

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Runs, and drills, to show, at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Debug, Serialize)]
struct Line {
    run: RunId,
    purpose: Purpose,
    node: NodeName,
    operator: String,
    reason: String,
    result: &'static str,
    opened_at: Timestamp,
    seconds: f64,
}

/// Lists the runs and the drills.
pub(super) async fn command(global: &Global, out: Out, args: HistoryArgs) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let journal = SqliteJournal::open(&settings.journal.path).await?;
    let alive = journal.holder(SystemClock.now()).await?.is_some();
    let mut lines = Vec::new();
    for summary in journal.runs(usize::from(args.limit)).await? {
        lines.push(line(&journal, &summary.run, alive).await?);
    }
    let trends = trends(&journal.runs(RUNS_READ).await?);
    let drills = drills(&journal).await?;
    let drill_trends = drill_trends(&drills);
    let shown = &drills[..drills.len().min(usize::from(args.limit))];
    let words = text(&lines) + &below(&trends) + &drilled(shown) + &below_drills(&drill_trends);
    out.result(&json!({ "runs": lines, "trends": trends, "drills": shown, "drill_trends": drill_trends }), &words);
    Ok(Code::Done)
}

/// The drills that are over, newest first. Evidence that cannot be read is none.
async fn drills(plays: &dyn Plays) -> Result<Vec<DrillLine>> {
    let mut lines = Vec::new();
    let summaries = plays.plays(PLAYS_READ).await?;
    for summary in summaries.iter().filter(|p| p.ending.is_some() && p.opening.playbook.drill.is_some()) {
        let reading = PlayReading::of(plays, &summary.play).await?;
        let evidence = reading.state.evidence.and_then(|evidence| serde_json::from_value::<Evidence>(evidence).ok());
        lines.extend(evidence.as_ref().map(DrillLine::of));
    }
    Ok(lines)
}

fn drilled(drills: &[DrillLine]) -> String {
    if drills.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["drill", "place", "result", "failed", "detection", "failover", "recovery", "by"]);
    for drill in drills {
        let failed = drill.failed_ratio().map(percent).unwrap_or_default();
        let took = |seconds: Option<f64>| seconds.map(short).unwrap_or_default();
        let [detection, failover, recovery] = [drill.detection_s, drill.failover_s, drill.recovery_s].map(took);
        let (result, place) = (drill.result.words(), drill.place.as_str());
        table.row([&drill.play, place, result, &failed, &detection, &failover, &recovery, &drill.operator]);
    }
    format!("\n{}", table.unbroken(7))
}

/// The trends of drills, below them.
fn below_drills(trends: &[DrillTrend]) -> String {
    if trends.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["drill", "place", "kept", "failed", "detection", "failover", "recovery"]);
    for trend in trends {
        let kept = format!("{} of {}", trend.kept, trend.drills);
        let failed = DrillTrend::line(&trend.failed_ratio, percent);
        let times = [&trend.detection_s, &trend.failover_s, &trend.recovery_s];
        let [detection, failover, recovery] = times.map(|values| DrillTrend::line(values, short));
        table.row([&trend.drill, &trend.place, &kept, &failed, &detection, &failover, &recovery]);
    }
    format!("\n{}", table.unbroken(7))
}

fn short(seconds: f64) -> String {
    Short(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default()).to_string()
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

async fn line(journal: &dyn Journal, run: &RunId, alive: bool) -> Result<Line> {
    let reading = Reading::of(journal, run).await?;
    let request = reading.plan().request.clone();
    Ok(Line {
        run: run.clone(),
        purpose: request.purpose,
        node: request.node,
        operator: request.operator,
        reason: request.reason,
        result: words::status_word(&reading.state.status, alive),
        opened_at: reading.summary.opened_at,
        seconds: seconds(reading.took()),
    })
}

fn text(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "no runs yet\n".to_owned();
    }
    let mut table = Table::new(["run", "node", "what", "result", "took", "by", "reason"]).unbroken(6);
    for line in lines {
        let took = Short(std::time::Duration::from_secs_f64(line.seconds)).to_string();
        let what = line.purpose.to_string();
        table.row([line.run.as_str(), line.node.as_str(), &what, line.result, &took, &line.operator, &line.reason]);
    }
    table.to_string()
}

/// The trends, below the runs.
fn below(trends: &[Trend]) -> String {
    if trends.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["what", "node", "last", "median before", "", "done"]).unbroken(5);
    for trend in trends {
        let last = trend.last_s.last().map(|seconds| short(*seconds)).unwrap_or_default();
        let median = trend.median_s.map(short).unwrap_or_default();
        let line = format!("{}  {}", trend.sparkline(), trend.direction.words());
        let what = trend.purpose.to_string();
        table.row([&what, trend.node.as_str(), &last, &median, &line, &trend.runs.to_string()]);
    }
    format!("\n{table}")
}

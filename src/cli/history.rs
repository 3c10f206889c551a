//! `tidegate history`: the runs, newest first, and how long they take by and by.

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
    journal::Journal,
    model::{NodeName, RunId},
    observe::{
        trends::{Trend, trends},
        words,
    },
    plan::Purpose,
    provider::{Clock, SystemClock},
    run::waiting::Short,
};

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Runs to show, at most
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

/// Lists the runs.
pub(super) async fn command(global: &Global, out: Out, args: HistoryArgs) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let journal = context::journal(&settings).await?;
    let alive = journal.holder(SystemClock.now()).await?.is_some();
    let mut lines = Vec::new();
    for summary in journal.runs(usize::from(args.limit)).await? {
        lines.push(line(&*journal, &summary.run, alive).await?);
    }
    let trends = trends(&journal.runs(RUNS_READ).await?);
    out.result(&json!({ "runs": lines, "trends": trends }), &(text(&lines) + &below(&trends)));
    Ok(Code::Done)
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
    let short = |seconds: f64| Short(std::time::Duration::from_secs_f64(seconds)).to_string();
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

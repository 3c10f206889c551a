//! `tidegate show`: one run from its journal, as a time line with the time each step took.

use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{
    args::{Global, RunArg},
    context,
    exit::{Code, Result},
    out::Out,
    report::{Reading, RunReport},
    table::printable,
};
use crate::{
    journal::{Record, chain},
    model::observed::age,
    observe::words::{self, Weight},
    plan::{Plan, render},
    provider::{Clock, SystemClock},
    run::{
        state::{RunState, StepState},
        waiting::Short,
    },
};

/// Connections that are listed below an event, unless details are wanted.
const FEW: usize = 8;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    run: RunArg,
}

/// Shows one run.
pub(super) async fn command(global: &Global, out: Out, args: ShowArgs) -> Result<Code> {
    let settings = context::settings(&global.config)?;
    let journal = context::journal(&settings).await?;
    let alive = journal.holder(SystemClock.now()).await?.is_some();
    let run = &args.run.run;
    let reading = Reading::of(&*journal, run).await?;
    let report = RunReport::of(&*journal, run, alive).await?;
    let chain = chain::verify(&reading.records);
    let object = json!({
        "run": run,
        "opened_at": reading.summary.opened_at,
        "ended_at": reading.summary.ended_at,
        "plan": reading.plan(),
        "records": reading.records,
        "receipts": reading.state.receipts,
        "steps": reading.state.steps,
        "status": reading.state.status,
        "chain": { "ok": chain.is_ok(), "broken_at": chain.err() },
        "report": report,
    });
    let mut text = format!("{run}\n\n{}", render::plan(reading.plan(), settings.run.patience));
    let _ = write!(text, "\nSteps\n{}", steps(reading.plan(), &reading.state, &reading.records));
    let _ = write!(
        text,
        "\nWhat happened\n{}",
        time_line(reading.plan(), reading.summary.opened_at, &reading.records, global.verbose > 0)
    );
    let whole = match chain {
        Ok(()) => format!("{} records, hash chain whole", reading.records.len()),
        Err(seq) => format!("The hash chain is BROKEN at record {seq}: the journal was changed"),
    };
    let _ = writeln!(text, "\n{whole}");
    let _ = writeln!(text, "\n{}", report.text());
    out.result(&object, &text);
    Ok(if chain.is_ok() { Code::Done } else { Code::Failed })
}

fn steps(plan: &Plan, state: &RunState, records: &[Record]) -> String {
    let mut text = String::new();
    for (number, (step, at)) in plan.steps.iter().zip(&state.steps).enumerate() {
        let now = records.last().map(|r| r.at);
        let (mark, took) = match at {
            StepState::Pending => ("-", "not begun".to_owned()),
            StepState::Active { since } => (">", format!("begun, {}", Short(age(now.unwrap_or(*since), *since)))),
            StepState::Done { since, at } => ("✓", Short(age(*at, *since)).to_string()),
        };
        let _ = writeln!(text, "  {mark} {:>2}  {:<24} {took}", number + 1, step.action.title());
    }
    text
}

/// Events with the time since the run was opened; single effects only where details are wanted.
fn time_line(plan: &Plan, opened_at: Timestamp, records: &[Record], detail: bool) -> String {
    let mut text = format!("  opened {opened_at}\n");
    for record in records {
        let (weight, words) = words::event(plan, &record.event);
        if weight < Weight::Detail || detail {
            let since = age(record.at, opened_at).as_secs_f64();
            let _ = writeln!(text, "  +{since:>9.3} s  {}", printable(&words));
            for line in words::few(&words::stragglers(&record.event), if detail { usize::MAX } else { FEW }) {
                let _ = writeln!(text, "  {:>12}  {}", "", printable(&line));
            }
        }
    }
    text
}

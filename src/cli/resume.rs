//! `tidegate resume`: go on with a run that was held, paused or interrupted, from wherever its journal says it is.

use super::{
    act::{confirm, may_ask},
    args::{Global, ResumeArgs},
    context::Context,
    execute::Desk,
    exit::{Code, Result},
    out::Out,
    report::{Reading, RunReport},
    standin::Stage,
};
use crate::{journal::Journal, model::RunId, run::wants::Wants};

/// Goes on with the run, or with the one that undoes it, where that is what is left to do.
pub(super) async fn command(global: &Global, out: Out, args: ResumeArgs) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let last = last_of(&*context.journal, &args.run.run).await?;
    if last.summary.ending.is_some() {
        let report = RunReport::of(&*context.journal, &args.run.run, false).await?;
        out.result(&report, &format!("{}\n{}", already(&args.run.run), report.text()));
        return Ok(report.code());
    }
    let run = last.summary.run.clone();
    let plan = last.plan();
    if !args.acting.yes {
        out.say(&RunReport::new(&last, None, false).text());
        confirm(&format!("Go on with the {} of {}?", plan.request.purpose, plan.node()))?;
    }
    let survey = context.survey(|_| Wants::default()).await?;
    let desk = Desk::new(global, &context, &survey);
    let lease = desk.engine.take().await?;
    desk.execute(&run, lease, survey.seen).await?;
    let mut report = RunReport::of(&*context.journal, &args.run.run, false).await?;
    Stage { global, context: &context, out, acting: &args.acting }.afterwards(&mut report).await?;
    out.result(&report, &report.text());
    Ok(report.code())
}

/// The last of a run and those that undo it, each the former's.
pub(super) async fn last_of(journal: &dyn Journal, run: &RunId) -> Result<Reading> {
    let mut reading = Reading::of(journal, run).await?;
    while let Some(undo) = reading.undo().cloned() {
        reading = Reading::of(journal, &undo).await?;
    }
    Ok(reading)
}

fn already(run: &RunId) -> String {
    format!("{run} has ended; there is nothing left to go on with.")
}

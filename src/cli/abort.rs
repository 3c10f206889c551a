//! `tidegate abort`: give a run up and put everything back, whoever executes it.
//!
//! The request is durable first. Where an executor is at work, it carries the abort out, and this command follows it
//! in the journal; where nobody is (any more), this command takes the run over. A stuck run is only acknowledged.

use std::time::Duration;

use clap::Args;

use super::{
    act::{confirm, may_ask},
    args::{Acting, Global, RunArg},
    context::{Context, Survey},
    execute::Desk,
    exit::{Code, Failure, Result},
    out::Out,
    report::{Reading, RunReport},
    resume::last_of,
    standin::Stage,
};
use crate::{
    journal::{Ending, Event, Lease},
    model::RunId,
    run::{
        executor::{RunError, Watcher},
        wants::Wants,
    },
};

/// Time between two looks into the journal.
const FOLLOW: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct AbortArgs {
    #[command(flatten)]
    run: RunArg,
    /// Acknowledge a run that is stuck: what it left behind is seen to by a person
    #[arg(long)]
    acknowledge: bool,
    #[command(flatten)]
    acting: Acting,
}

/// Gives the run up, or acknowledges it.
pub(super) async fn command(global: &Global, out: Out, args: AbortArgs) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let run = &args.run.run;
    let last = last_of(&*context.journal, run).await?;
    if !args.acting.yes {
        out.say(&RunReport::new(&last, None, false).text());
        let what = if args.acknowledge { "Acknowledge" } else { "Give up and put everything back:" };
        confirm(&format!("{what} {}?", last.summary.run))?;
    }
    let survey = context.survey(|_| Wants::default()).await?;
    let desk = Desk::new(global, &context, &survey);
    let by = format!("{}: {}", args.acting.operator(), args.acting.reason);
    if args.acknowledge {
        acknowledge(&desk, &last.summary.run, by).await?;
    } else {
        give_up(&desk, &survey, run, &last, &by).await?;
    }
    let mut report = RunReport::of(&*context.journal, run, false).await?;
    Stage { global, context: &context, out, acting: &args.acting }.afterwards(&mut report).await?;
    out.result(&report, &report.text());
    Ok(report.abort_code())
}

/// Gives a run up without a question, and waits until everything is put back.
pub(super) async fn unasked(global: &Global, context: &Context, run: &RunId, by: &str) -> Result<()> {
    let last = last_of(&*context.journal, run).await?;
    let survey = context.survey(|_| Wants::default()).await?;
    let desk = Desk::new(global, context, &survey);
    give_up(&desk, &survey, run, &last, by).await
}

async fn give_up(desk: &Desk, survey: &Survey, run: &RunId, last: &Reading, by: &str) -> Result<()> {
    let now = desk.engine.world.clock.now();
    let undoing = last.summary.run != *run;
    match &last.summary.ending {
        Some(Ending::Stuck { .. }) => {
            let stuck = &last.summary.run;
            return Err(Failure::new(Code::Held, format!("{stuck} is stuck"))
                .next(format!("See `tidegate show {stuck}`, mend it, then `tidegate abort {stuck} --acknowledge`.")));
        }
        // Aborted before and undone: nothing is left to do. Done: the journal says so.
        Some(_) if undoing => return Ok(()),
        // The undo is under way already; it is followed or taken over, and not aborted itself.
        None if undoing => {}
        _ => desk.engine.journal.request_abort(run, by, now).await?,
    }
    // Ends: an executor's waits are bounded, and one that hangs loses its lease.
    let mut follower = Follower { desk, run: last.summary.run.clone(), told: last.records.len() };
    if let Some(lease) = follower.follow().await? {
        desk.execute(&follower.run, lease, survey.seen.clone()).await?;
    }
    Ok(())
}

/// Somebody who reads along.
struct Follower<'a> {
    desk: &'a Desk,
    run: RunId,
    told: usize,
}

impl Follower<'_> {
    /// Tells what happens until everything is over (`None`) or nobody executes any more: then the lease is ours.
    async fn follow(&mut self) -> Result<Option<Lease>> {
        let journal = &self.desk.engine.journal;
        loop {
            let reading = Reading::of(&**journal, &self.run).await?;
            for record in reading.records.iter().skip(self.told) {
                self.desk.progress.recorded(&self.run, reading.plan(), record, &reading.state);
            }
            self.told = reading.records.len();
            if let Some(undo) = reading.undo() {
                (self.run, self.told) = (undo.clone(), 0);
                continue;
            }
            if reading.summary.ending.is_some() {
                self.desk.progress.finish();
                return Ok(None);
            }
            if journal.holder(self.desk.engine.world.clock.now()).await?.is_none() {
                match self.desk.engine.take().await {
                    Ok(lease) => return Ok(Some(lease)),
                    // Somebody was faster: they are followed.
                    Err(RunError::Unavailable(crate::journal::JournalError::Held { .. })) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            tokio::time::sleep(FOLLOW).await;
        }
    }
}

/// A person takes over what an undo could not do.
async fn acknowledge(desk: &Desk, run: &RunId, by: String) -> Result<()> {
    let (journal, now) = (&desk.engine.journal, desk.engine.world.clock.now());
    let lease = desk.engine.take().await?;
    let ended = Event::Ended { ending: Ending::Acknowledged { by } };
    let acknowledged = journal.append(&lease, run, &[ended], now).await;
    // A lease that cannot be given back runs out by itself; what counts is whether the record is durable.
    let released = journal.release(&lease).await;
    acknowledged?;
    released?;
    Ok(())
}

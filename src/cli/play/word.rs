//! A person's word to a play that is open: yes, or give it up.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        args::{Acting, Global},
        context::Context,
        exit::{Code, Failure, Result},
        out::Out,
    },
    Stage,
    follow::{Follower, line, under_way},
    object, words,
};
use crate::{
    journal::{JournalError, PlayReading, PlayRecord, holder},
    model::PlayId,
    play::Came,
    playbook::{PlayEvent, Spot},
    provider::{Clock, SystemClock},
    run::waiting::Short,
};

/// Says yes to what an open play asks. A yes that comes after its time is none.
pub(in crate::cli) async fn approve(global: &Global, out: Out, play: &PlayId, acting: &Acting) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let reading = PlayReading::of(&*context.plays, play).await?;
    let now = SystemClock.now();
    let asking = || reading.state.spots.iter().filter(|(_, at)| at.asks());
    let asked: Vec<&Spot> =
        asking().filter(|(_, at)| at.asked.is_some_and(|until| until >= now)).map(|(spot, _)| spot).collect();
    if asked.is_empty() {
        let late = asking().next().map(|_| ", and the time for an answer is over").unwrap_or_default();
        let what = if late.is_empty() { "asks nothing" } else { "asked" };
        return Err(Failure::new(Code::Refused, format!("{play} {what}{late}"))
            .next(format!("`tidegate playbook status {play}` shows where it is.")));
    }
    for spot in asked {
        let approved = PlayEvent::Approved { spot: spot.clone(), by: acting.operator() };
        context.plays.tell_play(play, &approved, now).await?;
    }
    let reading = PlayReading::of(&*context.plays, play).await?;
    out.result(&object(&reading, None), &words(&reading, None));
    Ok(Code::Done)
}

/// Gives an open play up: what is broken is mended, what is out is brought back, the clean-up is played. Where a program is
/// at work on it, that program does so, and is waited for no longer than `timeout`.
pub(in crate::cli) async fn give_up(
    global: &Global,
    out: Out,
    play: &PlayId,
    acting: &Acting,
    timeout: Duration,
) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let before = PlayReading::of(&*context.plays, play).await?;
    let why = format!("{}: {}", acting.operator(), acting.reason);
    context.plays.tell_play(play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?;
    let plays = context.plays.clone();
    let tell = |reading: &PlayReading, record: &PlayRecord| {
        if let Some(line) = line(reading, record) {
            out.say(&line);
        }
    };
    let mut follower = Follower::new(&*plays, play, before.records.len(), &tell);
    let began = Instant::now();
    loop {
        let reading = follower.look().await?;
        if reading.state.ending.is_some() {
            out.result(&object(&reading, None), &words(&reading, None));
            return Ok(given_up(&reading));
        }
        match context.plays.take_play(play, &holder::holder_id(), SystemClock.now()).await {
            Ok(()) => {
                let stage = Stage::set(global, out, context, play.clone(), &reading.summary.opening).await?;
                let code = stage.finish(out).await?;
                let reading = PlayReading::of(&*plays, play).await?;
                return Ok(if code == Code::Failed { given_up(&reading) } else { code });
            }
            // Somebody is at work, and sees it.
            Err(JournalError::PlayRefused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if began.elapsed() >= timeout {
            return Ok(not_known(out, &reading, timeout));
        }
        if let Some(line) = follower.quiet(&reading) {
            out.say(&format!("waiting for {}: {line}", worker(&reading)));
        }
        Follower::rest().await;
    }
}

/// What was asked for is done where everything is back and whole; a node that is out still is a person's.
fn given_up(reading: &PlayReading) -> Code {
    let is_whole = reading.state.out(&reading.summary.opening).is_empty() && reading.state.faults().next().is_none();
    if is_whole { Code::Done } else { Code::Held }
}

/// It is written down that the play is given up, and whoever is at work on it has not come to an end.
fn not_known(out: Out, reading: &PlayReading, timeout: Duration) -> Code {
    let (who, limit, now) = (worker(reading), Short(timeout), under_way(reading, SystemClock.now()));
    let why = format!("it is given up, which {who} has not carried out within {limit}; {now}");
    let came = Came::Stopped(why);
    out.result(&object(reading, Some(&came)), &words(reading, Some(&came)));
    Code::Held
}

/// Who is at work on it.
fn worker(reading: &PlayReading) -> &str {
    reading.summary.holder.as_deref().unwrap_or("nobody")
}

//! `tidegate playbook status PLAY --follow`: every change of a play as it is written down, from its first one, until it is over,
//! waits for a person, or nobody carries it out any more. Whoever gives a play up reads along in the same way.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    super::{
        exit::{Code, Result},
        out::Out,
        table::printable,
    },
    text::{self, object, words},
};
use crate::{
    journal::{PlayReading, PlayRecord, Plays},
    model::PlayId,
    play::Came,
    playbook::{PlayEnding, PlayEvent, next},
    provider::{Clock, SystemClock},
    run::waiting::Short,
};

/// Time between two looks into the journal.
const PACE: Duration = Duration::from_millis(200);
/// After so long without a change, what is under way is told again to whoever waits for it.
const QUIET: Duration = Duration::from_secs(10);

/// Somebody who reads along.
pub(super) struct Follower<'f> {
    plays: &'f dyn Plays,
    play: &'f PlayId,
    tell: &'f dyn Fn(&PlayReading, &PlayRecord),
    told: usize,
    since: Instant,
}

impl<'f> Follower<'f> {
    /// From this record on.
    pub(super) fn new(
        plays: &'f dyn Plays,
        play: &'f PlayId,
        told: usize,
        tell: &'f dyn Fn(&PlayReading, &PlayRecord),
    ) -> Self {
        Self { plays, play, tell, told, since: Instant::now() }
    }

    /// Tells what is new, and where the play is.
    pub(super) async fn look(&mut self) -> Result<PlayReading> {
        let reading = PlayReading::of(self.plays, self.play).await?;
        for record in reading.records.iter().skip(self.told) {
            (self.tell)(&reading, record);
            self.since = Instant::now();
        }
        self.told = reading.records.len();
        Ok(reading)
    }

    /// What is under way, where nothing new was to be told for a while.
    pub(super) fn quiet(&mut self, reading: &PlayReading) -> Option<String> {
        (self.since.elapsed() >= QUIET).then(|| {
            self.since = Instant::now();
            under_way(reading, SystemClock.now())
        })
    }

    /// Waits for the next look.
    pub(super) async fn rest() {
        tokio::time::sleep(PACE).await;
    }
}

/// Follows a play. Its end is the command's: 0 done, 1 failed or given up, 4 where a person or a program has to go on, or
/// `timeout` is over.
pub(super) async fn follow(out: Out, plays: &dyn Plays, play: &PlayId, timeout: Option<Duration>) -> Result<Code> {
    let tell = |reading: &PlayReading, record: &PlayRecord| match line(reading, record) {
        Some(line) => out.result(&change(reading, record), &format!("{} {line}", time(record.at))),
        None if out.json => out.result(&change(reading, record), ""),
        None => {}
    };
    let mut follower = Follower::new(plays, play, 0, &tell);
    let began = Instant::now();
    loop {
        let reading = follower.look().await?;
        let late = timeout.filter(|limit| began.elapsed() >= *limit);
        let (came, code) = match (&reading.state.ending, text::result(&reading)) {
            (Some(PlayEnding::Done), _) => (None, Code::Done),
            (Some(_), _) => (None, Code::Failed),
            (None, "held") => (None, Code::Held),
            (None, "paused") => (Some("nobody carries it out".to_owned()), Code::Held),
            (None, _) if late.is_some() => {
                let limit = Short(late.unwrap_or_default());
                let now = under_way(&reading, SystemClock.now());
                (Some(format!("it is not over after {limit}; {now}")), Code::Held)
            }
            (None, _) => {
                if let Some(line) = follower.quiet(&reading) {
                    out.say(&line);
                }
                Follower::rest().await;
                continue;
            }
        };
        let came = came.map(Came::Stopped);
        out.data("");
        out.result(&object(&reading, came.as_ref()), &words(&reading, came.as_ref()));
        return Ok(code);
    }
}

/// The steps that have begun and are not over.
pub(super) fn under_way(reading: &PlayReading, now: Timestamp) -> String {
    let opening = &reading.summary.opening;
    let steps = reading.state.spots.iter().filter(|(_, at)| !at.is_over()).filter_map(|(spot, at)| {
        let since = Short(crate::model::observed::age(now, at.since?));
        let run = at.run.as_ref().map(|run| format!(" ({run})")).unwrap_or_default();
        Some(format!("{}{run} since {since}", next::name(opening, spot)))
    });
    let steps: Vec<String> = steps.collect();
    if steps.is_empty() { "between two steps".to_owned() } else { format!("under way: {}", steps.join(", ")) }
}

/// One change, for programs. The evidence is a document of its own: `drill report` prints it.
fn change(reading: &PlayReading, record: &PlayRecord) -> Value {
    let spot = record.event.spot();
    let mut event = serde_json::to_value(&record.event).unwrap_or_default();
    if let Some(event) = event.as_object_mut() {
        event.remove("evidence");
    }
    json!({
        "play": reading.summary.play, "seq": record.seq, "at": record.at, "change": event["event"],
        "node": spot.and_then(|spot| spot.node.as_ref()),
        "step": spot.map(|spot| next::name(&reading.summary.opening, spot)), "event": event,
    })
}

/// One change, for people; none for what only a program needs to know.
pub(super) fn line(reading: &PlayReading, record: &PlayRecord) -> Option<String> {
    let name = record.event.spot().map(|spot| next::name(&reading.summary.opening, spot)).unwrap_or_default();
    let more = |told: &Option<String>| told.as_ref().map(|told| format!(": {told}")).unwrap_or_default();
    let line = match &record.event {
        PlayEvent::Taken { by } => format!("taken up by {by}"),
        PlayEvent::Begun { .. } => name,
        PlayEvent::Opened { run, .. } => format!("{name}: {run}"),
        PlayEvent::Asked { message, until, .. } => {
            let play = &reading.summary.play;
            format!("{name}: {message} `tidegate playbook approve {play}` says yes, until {}", time(*until))
        }
        PlayEvent::Approved { by, .. } => format!("{name}: approved by {by}"),
        PlayEvent::Broken { .. } => format!("{name}: BROKEN"),
        PlayEvent::Mended { .. } => format!("{name}: mended"),
        PlayEvent::Done { told, .. } => format!("{name}: done{}", more(told)),
        PlayEvent::Failed { why, .. } => format!("{name}: FAILED: {why}"),
        PlayEvent::Again { by, .. } => format!("{name}: is tried again, by {by}"),
        PlayEvent::GivenUp { why } => format!("given up: {why}"),
        PlayEvent::Held { why } => format!("HELD: {why}"),
        PlayEvent::Ended { ending } => {
            let why = ending.why().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{}{why}", ending.word())
        }
        PlayEvent::Intended { .. } | PlayEvent::Said { .. } | PlayEvent::Measured { .. } => return None,
    };
    Some(printable(&line))
}

fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

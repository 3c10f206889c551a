//! Carrying a playbook out: what comes next is decided by `crate::playbook::next`, done here, and written down before and
//! after. A program that dies in between is taken over by the next one, which looks before it does anything again.
//!
//! The player knows no cluster: drains and restores are runs of their own ([`Runs`]), machines are reached over an `Access`,
//! what must hold is found out by [`conditions`], and what breaks is [`Faults`]'.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    journal::{JournalError, PlayReading, Plays},
    model::PlayId,
    playbook::{
        Action, Intent, Next, Opening, PlayEnding, PlayEvent, Spot, SpotState, forecast::Past, next::next, state,
    },
    provider::Clock,
    run::waiting::Short,
};

pub mod command;
pub mod conditions;
pub mod copy;
pub mod hands;
mod heard;
pub mod machines;
mod measured;
pub mod notify;
pub mod reboot;
pub mod runs;

pub use hands::Hands;
pub use machines::Machines;
pub use runs::{RunEnd, Runs, Wish};

/// Why a step did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It failed: the playbook's policy decides.
    Failed(String),
    /// A run of it waits for a person; it goes on with that.
    Held(String),
    /// It was told to stop, or the journal is gone: nothing is written down, and it goes on later.
    Stopped(String),
}

impl Trouble {
    /// A failure.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Self {
        Self::Stopped(error.to_string())
    }
}

/// The result of a step; what is worth to be told of it.
pub type Stepped = Result<Option<String>, Trouble>;

/// What breaks things, and mends them. What `prepare` gives is all that mending needs, by whatever program.
#[async_trait::async_trait]
pub trait Faults: Send + Sync {
    /// Mends it, or says why not; since when what broke it is gone. Mended twice is mended once.
    async fn mend(&self, injected: &Value) -> Result<Timestamp, String>;
}

/// Whoever shows to people what happens.
pub trait Teller: Send + Sync {
    /// One line.
    fn say(&self, line: &str);
}

/// How far a player came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// To the end.
    Ended(PlayEnding),
    /// To where a person has to say something.
    Held(String),
    /// To where it was told to stop; it can be taken up again.
    Stopped(String),
}

/// The journal of one play, for whoever carries it out.
#[derive(Clone)]
pub struct Book {
    /// The journal.
    pub plays: Arc<dyn Plays>,
    /// The play.
    pub play: PlayId,
    /// Who writes.
    pub holder: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Book {
    /// Writes one fact down.
    pub async fn write(&self, event: PlayEvent) -> Result<(), Trouble> {
        Ok(self.plays.append_play(&self.play, &self.holder, &[event], self.clock.now()).await?)
    }

    /// What was written.
    pub async fn read(&self) -> Result<PlayReading, Trouble> {
        Ok(PlayReading::of(&*self.plays, &self.play).await?)
    }
}

/// What is done when a play is over, before that is written down.
#[async_trait::async_trait(?Send)]
pub trait Closing: Send + Sync {
    /// What is to be written down besides, and the ending that it makes of this one.
    async fn close(&self, reading: &PlayReading, ending: PlayEnding) -> (Vec<PlayEvent>, PlayEnding);
}

/// Plays one playbook.
pub struct Player {
    /// Its journal.
    pub book: Book,
    /// What does the steps.
    pub hands: Hands,
    /// What mends what is broken.
    pub faults: Option<Arc<dyn Faults>>,
    /// What a drill makes of its end.
    pub closing: Option<Arc<dyn Closing>>,
    /// How long steps usually take.
    pub past: Past,
    /// Who hears of it.
    pub teller: Arc<dyn Teller>,
}

impl Player {
    /// Goes on until the play is over, waits for a person, or is told to stop.
    pub async fn perform(&self, stop: &CancellationToken) -> Came {
        loop {
            let round = tokio::select! {
                biased;
                () = stop.cancelled() => Err(Trouble::Stopped("told to stop".into())),
                round = self.watched() => round,
            };
            match round {
                Ok(None) => {}
                Ok(Some(came)) => return came,
                Err(Trouble::Held(why)) => return Came::Held(why),
                Err(Trouble::Stopped(why) | Trouble::Failed(why)) => return Came::Stopped(why),
            }
        }
    }

    /// One round, which ends at once when the play is given up. A run that is under way is asked to put things back, and
    /// waited for; anything else is left where it is.
    async fn watched(&self) -> Result<Option<Came>, Trouble> {
        let reading = self.book.read().await?;
        if reading.state.given_up.is_some() {
            self.quieten(&reading.state).await?;
            return self.round(&reading).await;
        }
        let round = self.round(&reading);
        tokio::pin!(round);
        tokio::select! {
            biased;
            done = &mut round => return done,
            given_up = self.given_up() => given_up?,
        }
        let now = self.book.read().await?;
        let mut under_way = now.state.spots.values().filter(|at| !at.is_over()).filter_map(|at| at.run.as_ref());
        match under_way.next() {
            Some(run) => {
                self.hands.runs.ask_to_give_up(run, now.state.given_up.as_deref().unwrap_or_default()).await?;
                round.await
            }
            None => Ok(None),
        }
    }

    /// Waits until somebody gives the play up.
    async fn given_up(&self) -> Result<(), Trouble> {
        loop {
            tokio::time::sleep(LISTENING).await;
            if self.book.read().await?.state.given_up.is_some() {
                return Ok(());
            }
        }
    }

    /// Ends the programs that still run on nodes for a play that was given up.
    async fn quieten(&self, state: &state::PlayState) -> Result<(), Trouble> {
        for (spot, at) in &state.spots {
            let (Some(Intent::Command { unit, .. }), Some(node), false) = (&at.intent, &spot.node, at.is_over()) else {
                continue;
            };
            let service = format!("{unit}.service");
            self.hands.machines.ask(node, &["systemctl", "stop", "--", &service]).await?;
            let why = "ended, since the play was given up".to_owned();
            self.book.write(PlayEvent::Failed { spot: spot.clone(), why }).await?;
        }
        Ok(())
    }

    async fn round(&self, reading: &PlayReading) -> Result<Option<Came>, Trouble> {
        let (opening, state) = (&reading.summary.opening, &reading.state);
        match next(opening, state) {
            Next::Do { spots, together } => {
                let now = if together { &spots[..] } else { &spots[..1] };
                let steps = now.iter().map(|spot| self.step(opening, spot, state.spots.get(spot)));
                // All of a wave come to their end before anything is said about one of them.
                join_all(steps).await.into_iter().collect::<Result<(), Trouble>>()?;
                Ok(None)
            }
            Next::Mend => self.mend(state).await.map(|()| None),
            Next::Hold(why) => {
                self.book.write(PlayEvent::Held { why: why.clone() }).await?;
                Ok(Some(Came::Held(why)))
            }
            Next::End(ending) => Ok(Some(Came::Ended(self.end(reading, ending).await?))),
        }
    }

    async fn end(&self, reading: &PlayReading, ending: PlayEnding) -> Result<PlayEnding, Trouble> {
        if reading.state.ending.is_some() {
            return Ok(ending);
        }
        let (mut events, ending) = match &self.closing {
            Some(closing) => closing.close(reading, ending).await,
            None => (Vec::new(), ending),
        };
        events.push(PlayEvent::Ended { ending: ending.clone() });
        self.book.plays.append_play(&self.book.play, &self.book.holder, &events, self.book.clock.now()).await?;
        Ok(ending)
    }

    /// One step at one place, begun or gone on with.
    async fn step(&self, opening: &Opening, spot: &Spot, before: Option<&SpotState>) -> Result<(), Trouble> {
        let name = crate::playbook::next::name(opening, spot);
        if before.is_none_or(|state| state.since.is_none()) {
            self.book.write(PlayEvent::Begun { spot: spot.clone() }).await?;
            self.teller.say(&name);
        } else {
            self.teller.say(&format!("{name} (gone on with)"));
        }
        if let Some(Action::Pause { message, timeout }) = state::step(opening, spot).map(|step| &step.action) {
            let (asks, limit, play) = (hands::fill(message, spot), Short(*timeout), &self.book.play);
            self.teller.say(&format!("{name}: {asks} `tidegate playbook approve {play}` says yes, within {limit}"));
        }
        let began = self.book.clock.now();
        let act = self.hands.act(&self.book, opening, spot, before);
        tokio::pin!(act);
        let slow_after = self.slow_after(opening, spot);
        let done = tokio::select! {
            biased;
            done = &mut act => done,
            () = after(slow_after) => {
                let limit = slow_after.unwrap_or_default().as_secs_f64();
                self.teller.say(&format!("{name}: takes longer than {limit:.0} s, which is far beyond what it usually takes"));
                act.await
            }
        };
        let took = crate::model::observed::age(self.book.clock.now(), began);
        match done {
            Ok(told) => {
                let slow = slow_after.filter(|limit| took > *limit);
                let slow =
                    slow.map(|limit| format!("slow: it usually takes far less than {:.0} s", limit.as_secs_f64()));
                let told = match (told, slow) {
                    (Some(told), Some(slow)) => Some(format!("{told}; {slow}")),
                    (told, slow) => told.or(slow),
                };
                let more = told.as_deref().map(|told| format!(": {told}")).unwrap_or_default();
                self.teller.say(&format!("{name}: done in {:.1} s{more}", took.as_secs_f64()));
                self.book.write(PlayEvent::Done { spot: spot.clone(), told }).await
            }
            Err(Trouble::Failed(why)) => {
                self.teller.say(&format!("{name}: FAILED: {why}"));
                self.book.write(PlayEvent::Failed { spot: spot.clone(), why }).await
            }
            Err(other) => Err(other),
        }
    }

    fn slow_after(&self, opening: &Opening, spot: &Spot) -> Option<Duration> {
        let step = state::step(opening, spot)?;
        self.past.usual(&opening.playbook.name, step)?.slow_after()
    }

    /// Mends what is broken. What cannot be mended is tried again, and told: its own timer is the last resort.
    async fn mend(&self, state: &state::PlayState) -> Result<(), Trouble> {
        let faults = self.faults.as_ref().ok_or_else(|| Trouble::Held("nobody here can mend what is broken".into()))?;
        for (spot, injected) in state.faults() {
            let mut tries = 0;
            let since = loop {
                let why = match faults.mend(injected).await {
                    Ok(since) => break since,
                    Err(why) => why,
                };
                tries += 1;
                self.teller.say(&format!("what was broken is not mended yet: {why}"));
                if tries >= MENDING {
                    let why = format!("what was broken is not mended: {why}");
                    self.book.write(PlayEvent::Held { why: why.clone() }).await?;
                    return Err(Trouble::Held(why));
                }
                tokio::time::sleep(BREATH).await;
            };
            self.book.write(PlayEvent::Mended { spot: spot.clone(), since }).await?;
        }
        Ok(())
    }
}

/// A moment after so long; never, where that is not known.
async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Time between two looks whether the play was given up.
const LISTENING: Duration = Duration::from_millis(200);
/// Times that mending is tried.
const MENDING: u32 = 20;
/// Time between two tries.
const BREATH: Duration = Duration::from_secs(1);

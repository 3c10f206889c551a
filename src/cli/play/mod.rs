//! A playbook in front of a person: opened, carried out, taken up again, approved, given up, shown.

mod closing;
mod follow;
mod runs;
mod signals;
mod text;
mod word;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::runs::ByCommand;
use super::{
    args::{Acting, Global},
    context::{Context, Survey},
    exit::{Code, Failure, Result},
    out::Out,
    playbook::{Shown, past},
};
use crate::{
    config::settings::Service,
    drill::{
        breaking::Breaker,
        fault::{Injector, Reach, Served},
    },
    journal::{JournalError, PlayReading, holder},
    model::{NodeName, PlayId},
    play::{Book, Came, Hands, Player, Teller, conditions::Conditions},
    playbook::{Opening, PlayEvent, Playbook},
    provider::{Clock, SystemClock},
    run::wants::Wants,
};

pub(super) use closing::Ending;
pub(super) use signals::Signals;
pub(super) use text::{object, words};
pub(super) use word::{approve, give_up};

/// One play with everything that carries it out.
pub(super) struct Stage {
    pub(super) context: Context,
    pub(super) survey: Survey,
    pub(super) player: Player,
    pub(super) closing: Arc<Ending>,
}

/// What breaks and mends, for this cluster.
pub(super) fn injector(context: &Context, survey: &Survey) -> Injector {
    let machines = context.machines(&survey.topology.nodes);
    let served = |s: &Service| (s.name.clone(), Served { unit: s.unit.clone(), resource: s.clone.resource.clone() });
    Injector::new(Reach {
        nodes: machines.access,
        others: context.others(),
        hosts: machines.hosts,
        services: context.settings.services.iter().map(served).collect(),
        limit: context.settings.run.call_timeout,
        clock: survey.world.clock.clone(),
    })
}

/// Lines onto stderr.
struct Lines(Out);

impl Teller for Lines {
    fn say(&self, line: &str) {
        self.0.say(line);
    }
}

impl Stage {
    /// Everything that a play needs, for one that is in the journal.
    pub(super) async fn set(
        global: &Global,
        out: Out,
        context: Context,
        play: PlayId,
        opening: &Opening,
    ) -> Result<Self> {
        let survey = context.survey(|_| Wants::default()).await?;
        let machines = context.machines(&survey.topology.nodes);
        let conditions = Conditions {
            world: survey.world.clone(),
            topology: survey.topology.clone(),
            settings: context.settings.clone(),
            machines: machines.clone(),
        };
        let breaker = Arc::new(Breaker::new(Arc::new(injector(&context, &survey)), survey.world.clock.clone()));
        let closing = Arc::new(Ending::new(global, &context, &survey));
        let hands = Hands {
            runs: Arc::new(ByCommand::new(global, &context, opening.operator.clone())),
            machines,
            conditions: Arc::new(conditions),
            breaking: Some(breaker.clone()),
        };
        let book =
            Book { plays: context.plays.clone(), play, holder: holder::holder_id(), clock: survey.world.clock.clone() };
        let teller = Arc::new(Lines(out));
        let past = past(&*context.journal, &*context.plays).await?;
        let player = Player { book, hands, faults: Some(breaker), closing: Some(closing.clone()), past, teller };
        Ok(Self { context, survey, player, closing })
    }

    /// Carries it out until it is over, a person is needed, or a signal comes.
    pub(super) async fn perform(&self) -> Came {
        let stop = CancellationToken::new();
        let came = tokio::select! {
            came = self.player.perform(&stop) => came,
            () = signalled() => Came::Stopped("told to stop".into()),
        };
        self.leave().await;
        came
    }

    /// Lets go of the play.
    pub(super) async fn leave(&self) {
        let Book { plays, play, holder, .. } = &self.player.book;
        // Whoever takes it up next finds by the process that nobody is at work, if this fails.
        let _ = plays.leave_play(play, holder).await;
    }

    /// Gives the play up, unless somebody did, or it is over.
    pub(super) async fn give_up(&self, why: &str) -> Result<()> {
        let Book { plays, play, .. } = &self.player.book;
        let reading = PlayReading::of(&**plays, play).await?;
        if reading.state.given_up.is_none() && reading.summary.ending.is_none() {
            let why = why.to_owned();
            plays.tell_play(play, &PlayEvent::GivenUp { why }, SystemClock.now()).await?;
        }
        Ok(())
    }

    /// Carries it out, and says at the end what became of it.
    pub(super) async fn finish(&self, out: Out) -> Result<Code> {
        let came = self.perform().await;
        self.tell(out, &came).await
    }

    /// Says what became of it.
    pub(super) async fn tell(&self, out: Out, came: &Came) -> Result<Code> {
        let reading = PlayReading::of(&*self.context.plays, &self.player.book.play).await?;
        out.result(&object(&reading, Some(came)), &words(&reading, Some(came)));
        Ok(match came {
            Came::Ended(crate::playbook::PlayEnding::Done) => Code::Done,
            Came::Ended(_) => Code::Failed,
            Came::Held(_) | Came::Stopped(_) => Code::Held,
        })
    }
}

/// Runs listen for signals by themselves while they are executed, and end first.
async fn signalled() {
    Signals::listen().next().await;
    // A run that is under way ends its waiting at the same signal; what it says at its end is kept.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
}

/// Opens a play of this playbook on these waves.
pub(super) async fn open(
    context: &Context,
    playbook: Playbook,
    waves: Vec<Vec<NodeName>>,
    acting: &Acting,
    overrides: Vec<crate::plan::gates::Override>,
) -> Result<(PlayId, Opening)> {
    let (operator, reason) = (acting.operator(), acting.reason.clone());
    let opening = Opening { playbook, waves, operator, reason, overrides };
    let play = name(context, &opening).await?;
    context.plays.open_play(&play, &opening, &holder::holder_id(), SystemClock.now()).await?;
    Ok((play, opening))
}

async fn name(context: &Context, opening: &Opening) -> Result<PlayId> {
    let base = format!("{}-{}", opening.playbook.name, SystemClock.now().strftime("%Y%m%dT%H%M%S"));
    for n in 1..1000 {
        let name = PlayId::new(if n == 1 { base.clone() } else { format!("{base}-{n}") });
        match context.plays.play(&name).await {
            Err(JournalError::NoSuchPlay(_)) => return Ok(name),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
    }
    Err(Failure::new(Code::Failed, "a thousand plays within one second"))
}

/// Takes an open play up again. What failed is tried again.
pub(super) async fn resume(global: &Global, out: Out, play: &PlayId, acting: &Acting) -> Result<Code> {
    let context = Context::open(&global.config).await?;
    let reading = PlayReading::of(&*context.plays, play).await?;
    if reading.summary.ending.is_some() {
        out.result(&object(&reading, None), &words(&reading, None));
        return Ok(Code::Done);
    }
    let (holder, now) = (holder::holder_id(), SystemClock.now());
    context.plays.take_play(play, &holder, now).await?;
    if reading.summary.opening.playbook.drill.is_some() {
        // Nobody measured meanwhile: it is ended, and says so.
        let why = "the program that played it died in the middle".to_owned();
        context.plays.append_play(play, &holder, &[PlayEvent::GivenUp { why }], now).await?;
    }
    let reading = PlayReading::of(&*context.plays, play).await?;
    let by = format!("{}: {}", acting.operator(), acting.reason);
    let again = |spot: &crate::playbook::Spot| PlayEvent::Again { spot: spot.clone(), by: by.clone() };
    let again: Vec<PlayEvent> = reading.state.failures().map(|(spot, _)| again(spot)).collect();
    if !again.is_empty() && reading.state.given_up.is_none() {
        context.plays.append_play(play, &holder, &again, now).await?;
    }
    Stage::set(global, out, context, play.clone(), &reading.summary.opening).await?.finish(out).await
}

/// Shows one play, once or until it ends, or lists them.
pub(super) async fn status(global: &Global, out: Out, shown: &Shown) -> Result<Code> {
    let settings = super::context::settings(&global.config)?;
    let journal = crate::journal::sqlite::SqliteJournal::open(&settings.journal.path).await?;
    let plays: &dyn crate::journal::Plays = &journal;
    match &shown.play {
        Some(play) if shown.follow => return follow::follow(out, plays, play, shown.timeout).await,
        Some(play) => {
            let reading = PlayReading::of(plays, play).await?;
            out.result(&object(&reading, None), &words(&reading, None));
        }
        None => {
            let plays = plays.plays(LISTED).await?;
            out.result(&text::list_object(&plays), &text::list(&plays));
        }
    }
    Ok(Code::Done)
}

/// Plays that are listed.
const LISTED: usize = 50;

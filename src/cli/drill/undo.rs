//! `tidegate drill undo`: whatever a drill left on machines is found there, and ended.
//!
//! The machines are what counts: a fault is found there also where the journal is gone. Where the journal knows whose it was,
//! the end is written down, and a drill that is still being played is given up with it.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::super::{
    act::{confirm, may_ask},
    args::{Acting, Global},
    context::Context,
    exit::{Code, Result},
    out::Out,
    play::injector,
};
use crate::{
    drill::fault::{Injected, Injector, Leftover},
    journal::{JournalError, PlayReading, holder},
    model::{NodeName, PlayId},
    playbook::{Place, PlayEvent, Spot},
    provider::{Clock, SystemClock},
    run::wants::Wants,
};

/// Plays that are looked through: one that is open is among the newest.
const PLAYS_READ: usize = 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Undo {
    /// Hosts that are no members, to be searched besides every node
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    #[command(flatten)]
    acting: Acting,
}

/// What is said at the end.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    objects: Vec<Value>,
    failed: bool,
}

impl Said {
    /// Somewhere nobody could look.
    fn unknown(&mut self, at: &str, why: &str) {
        self.failed = true;
        self.objects.push(json!({ "place": at, "error": why }));
        self.lines.push(format!("{at}: not known: {why}"));
    }

    /// What became of a line in the journal. A drill that has ended meanwhile wants none.
    fn written(&mut self, written: std::result::Result<(), JournalError>) {
        match written {
            Ok(()) | Err(JournalError::PlayRefused { .. }) => {}
            Err(error) => self.lines.push(format!("it could not be written down: {error}")),
        }
    }
}

/// Every member, the hosts that were named, and wherever the journal knows of a fault.
fn places(members: &[NodeName], hosts: &[String], open: &Open) -> Vec<Place> {
    let mut places: Vec<Place> = members.iter().cloned().map(Place::Node).collect();
    let named = hosts.iter().cloned().map(|host| Place::Host { host, instance: None });
    for place in named.chain(open.seats.iter().cloned()) {
        if !places.iter().any(|known| name(known) == name(&place)) {
            places.push(place);
        }
    }
    places
}

fn name(place: &Place) -> String {
    match place {
        Place::Node(node) => node.to_string(),
        Place::Host { host, .. } => host.clone(),
    }
}

/// Finds and ends them.
pub(super) async fn command(global: &Global, out: Out, args: Undo) -> Result<Code> {
    may_ask(&args.acting)?;
    let context = Context::open(&global.config).await?;
    let survey = context.survey(|_| Wants::default()).await?;
    let injector = injector(&context, &survey);
    let mut said = Said::default();
    // The journal helps where it can; that it cannot must not keep a fault alive.
    let open = Open::of(&context).await.unwrap_or_else(|failure| {
        said.lines.push(format!("whose faults there are cannot be read: {}", failure.message));
        Open::default()
    });
    if survey.topology.nodes.is_empty() {
        said.unknown("the cluster", "which members it has is not known, so none of them was searched");
    }
    let places = places(&survey.topology.nodes, &args.hosts, &open);
    for (place, found) in injector.leftovers(&places).await {
        let at = name(&place);
        match found {
            Ok(found) => {
                for left in found {
                    end(&context, &injector, &open, &args.acting, &at, &left, &mut said).await?;
                }
            }
            Err(error) => said.unknown(&at, &error.to_string()),
        }
    }
    if said.objects.is_empty() {
        let names: Vec<String> = places.iter().map(name).collect();
        said.lines.push(format!("no fault of ours is on {}", names.join(", ")));
    }
    let abandoned: Vec<&PlayId> = open.plays.iter().filter(|(_, dead)| **dead).map(|(play, _)| play).collect();
    for play in &abandoned {
        said.lines.push(format!("{play} is open, and nobody is at work on it: `tidegate drill stop {play}` closes it"));
    }
    let word = if said.failed { "failed" } else { "done" };
    let object = json!({ "result": word, "found": said.objects, "open": abandoned });
    out.result(&object, &said.lines.join("\n"));
    Ok(if said.failed { Code::Failed } else { Code::Done })
}

async fn end(
    context: &Context,
    injector: &Injector,
    open: &Open,
    acting: &Acting,
    at: &str,
    left: &Leftover,
    said: &mut Said,
) -> Result<()> {
    let word = left.injected.fault.word();
    let whose = open.faults.get(left.injected.id.as_str());
    if !acting.yes {
        let playing = whose.filter(|(play, _)| open.plays.get(play) == Some(&false));
        let of = playing.map(|(play, _)| format!(", which {play} plays just now")).unwrap_or_default();
        confirm(&format!("End {word} at {at}{of}?"))?;
    }
    if let Some((play, _)) = whose {
        // A program that still plays it ends, too.
        let why = format!("{}: {} (drill undo)", acting.operator(), acting.reason);
        said.written(context.plays.tell_play(play, &PlayEvent::GivenUp { why }, SystemClock.now()).await);
    }
    let since = SystemClock.now();
    let undone = injector.undo(&left.injected).await;
    if let (Ok(()), Some((play, spot))) = (&undone, whose) {
        let mended = PlayEvent::Mended { spot: spot.clone(), since };
        said.written(context.plays.tell_play(play, &mended, SystemClock.now()).await);
    }
    said.failed |= undone.is_err();
    let error = undone.err().map(|error| error.to_string());
    said.lines.push(match &error {
        None => format!("{at}: {word} is undone"),
        Some(why) => format!("{at}: {word} is NOT undone: {why}; there: {}", left.injected.by_hand()),
    });
    let play = whose.map(|(play, _)| play);
    said.objects.push(json!({ "place": at, "fault": word, "id": left.injected.id, "play": play, "error": error }));
    Ok(())
}

/// What the journal knows of drills that are open.
#[derive(Default)]
struct Open {
    /// Each, and whether the program that played it is dead.
    plays: BTreeMap<PlayId, bool>,
    /// Whose fault each is that may still be there.
    faults: BTreeMap<String, (PlayId, Spot)>,
    /// The machines that they are ended from.
    seats: Vec<Place>,
}

impl Open {
    async fn of(context: &Context) -> Result<Self> {
        let mut open = Self::default();
        let plays = context.plays.plays(PLAYS_READ).await?;
        for summary in plays.iter().filter(|p| p.ending.is_none() && p.opening.playbook.drill.is_some()) {
            let reading = PlayReading::of(&*context.plays, &summary.play).await?;
            let dead = summary.holder.as_deref().is_none_or(holder::is_dead);
            open.plays.insert(summary.play.clone(), dead);
            for (spot, injected) in reading.state.faults() {
                if let Ok(injected) = serde_json::from_value::<Injected>(injected.clone()) {
                    open.faults.insert(injected.id.as_str().to_owned(), (summary.play.clone(), spot.clone()));
                    open.seats.push(injected.seat);
                }
            }
        }
        Ok(open)
    }
}

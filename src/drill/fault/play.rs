//! Planning, beginning and ending a fault.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{
    FaultId, FaultState, Injected, Injector, LASTS, Leftover,
    machine::{Look, Machine, failed, name, why},
    recipe,
    recipe::{Recipe, Seat},
    state, timer,
};
use crate::{
    playbook::{Fault, Place},
    provider::{ProviderError, Result, access::Output},
};

const BEGIN_LATER: &str = include_str!("scripts/later.sh");
const LIST: &str = include_str!("scripts/list.sh");
/// How long after its answer a fault begins that cuts the way, as `scripts/frame.sh` has it.
const LATER: Duration = Duration::from_millis(300);
/// How long such a machine is asked whether it still answers. The longest of round trips is shorter.
const SILENCE: Duration = Duration::from_millis(1500);
/// How often it is asked, a moment apart, for a machine that is busy begins late.
const BUSY_MACHINE: u32 = 10;
/// What SSH ends with when the machine goes in mid-command.
const SSH_BROKE: i32 = 255;
/// Pause between two looks at what is not gone yet.
const AGAIN: Duration = Duration::from_millis(500);

/// Where a fault is played from, and how.
pub(super) struct Stage {
    pub(super) recipe: Recipe,
    pub(super) seat: Place,
    pub(super) machine: Machine,
    pub(super) look: Look,
}

impl Injector {
    /// Finds out how a fault is played in a place.
    pub(super) async fn stage(&self, fault: &Fault, place: &Place, lasts: Duration) -> Result<Stage> {
        if !LASTS.contains(&lasts) {
            let (least, most) = (LASTS.start().as_secs(), LASTS.end().as_secs() / 60);
            return Err(ProviderError::Refused(format!("a fault lasts {least} s at least and {most} min at most")));
        }
        let (seat, machine, look) = match Seat::of(fault) {
            Seat::OtherMember => self.helper(place).await?,
            Seat::There => {
                let machine = self.machine(place)?;
                let look = machine.look().await?;
                (place.clone(), machine, look)
            }
        };
        let recipe = recipe(fault, place, &self.reach.services, look.interface.as_deref());
        Ok(Stage { recipe: recipe.map_err(ProviderError::Refused)?, seat, machine, look })
    }

    /// Another member that answers.
    async fn helper(&self, place: &Place) -> Result<(Place, Machine, Look)> {
        let mut said = Vec::new();
        for node in self.reach.hosts.keys().map(|node| Place::Node(node.clone())).filter(|node| node != place) {
            let machine = self.machine(&node)?;
            match machine.look().await {
                Ok(look) => return Ok((node, machine, look)),
                Err(error) => said.push(format!("{}: {error}", name(&node))),
            }
        }
        let why = format!("no other member can be asked to fence {}: {}", name(place), said.join("; "));
        Err(ProviderError::Unreachable(why))
    }

    pub(super) async fn planned(&self, fault: &Fault, place: &Place, lasts: Duration) -> Result<Injected> {
        let Stage { recipe, seat, machine, look } = self.stage(fault, place, lasts).await?;
        let now = self.reach.clock.now();
        let id = FaultId::new(now);
        let program = |verb: &str| {
            let words = ["sh", "-c", recipe.script, "tidegate-fault", verb, id.as_str(), look.boot.as_str()];
            words.iter().map(|w| (*w).to_owned()).chain(recipe.arguments.iter().cloned()).collect::<Vec<String>>()
        };
        let (timer, deadline) = (format!("tidegate-undo-{id}.timer"), now + lasts + timer::GRACE);
        let (undo, there) = (program("undo"), program("state"));
        let mut injected = Injected {
            begin: Vec::new(),
            fault: fault.clone(),
            place: place.clone(),
            seat,
            host: machine.host,
            lasts,
            deadline,
            timer,
            boot: look.boot.clone(),
            sudo: look.sudo,
            undo,
            there,
            begins_within: recipe.begins_within,
            ends_within: recipe.ends_within,
            id: id.clone(),
        };
        injected.begin = program(if injected.cuts_way() { "later" } else { "begin" });
        Ok(injected)
    }

    pub(super) async fn begin(&self, injected: &Injected) -> Result<Timestamp> {
        let machine = self.machine(&injected.seat)?;
        if injected.seat != injected.place
            && let Some(other) = self.list(&injected.place).await?.first()
        {
            let (place, by_hand) = (name(&injected.place), other.injected.by_hand());
            return Err(ProviderError::Refused(format!(
                "{place}: an earlier fault is there: 'tidegate drill undo' ends it, or there '{by_hand}'"
            )));
        }
        timer::arm(&machine, injected).await?;
        let begun = if injected.cuts_way() {
            self.begin_later(&machine, injected).await
        } else {
            let output = run(&machine, injected, &injected.begin, injected.begins_within).await?;
            done("it could not be begun", &output).map(|()| self.reach.clock.now())
        };
        let Err(error) = begun else { return begun };
        // What was half begun is worse than none; where it cannot be ended, that is for the caller and the timer.
        match self.end(injected).await {
            Ok(()) => Err(ProviderError::Refused(format!("{error}; it was undone"))),
            Err(_) => Err(error),
        }
    }

    /// The SSH session dies with the way, so systemd begins it, a moment after it answered.
    async fn begin_later(&self, machine: &Machine, injected: &Injected) -> Result<Timestamp> {
        let begin = timer::program(&injected.begin);
        let output = machine.script(injected.sudo, BEGIN_LATER, &[injected.id.as_str()], begin.as_bytes()).await?;
        done("it could not be begun", &output)?;
        let from = self.reach.clock.now() + LATER;
        sleep(LATER).await;
        let mut last = FaultState::NeverBegun;
        for _ in 0..BUSY_MACHINE {
            sleep(LATER).await;
            match tokio::time::timeout(SILENCE, self.seen(injected)).await {
                // It is silent; or the way is by another interface, and it says that it has begun.
                Err(_) | Ok(FaultState::Active) => return Ok(from),
                Ok(FaultState::Unknown(why)) if why.starts_with(SILENT) => return Ok(from),
                Ok(other) => last = other,
            }
        }
        Err(ProviderError::Unexpected(format!("it has not begun: {last:?}")))
    }

    pub(super) async fn end(&self, injected: &Injected) -> Result<()> {
        let machine = self.machine(&injected.seat)?;
        let began = Instant::now();
        loop {
            let error = match run(&machine, injected, &injected.undo, injected.ends_within).await {
                Ok(output) if output.code != Some(SSH_BROKE) => return done("it could not be undone", &output),
                Ok(output) => failed("the way broke", &output),
                Err(error) => error,
            };
            if injected.cuts_way() {
                let why = format!("{error}; its timer on {} undoes it at {}", injected.host, injected.deadline);
                return Err(ProviderError::Unreachable(why));
            }
            // A machine that is fenced for it dies in the middle, and answers again when it is back.
            if began.elapsed() >= injected.ends_within {
                return Err(error);
            }
            sleep(AGAIN).await;
        }
    }

    pub(super) async fn seen(&self, injected: &Injected) -> FaultState {
        let look = async {
            let machine = self.machine(&injected.seat)?;
            run(&machine, injected, &injected.there, Duration::ZERO).await
        };
        match look.await {
            Ok(output) if output.code == Some(0) => state::state(injected, &output.stdout),
            Ok(output) => FaultState::Unknown(format!("{}: {}", injected.host, why(&output))),
            Err(error) => FaultState::Unknown(format!("{SILENT} {}: {error}", injected.host)),
        }
    }

    pub(super) async fn wait(&self, injected: &Injected, patience: Duration) -> Result<()> {
        let now = self.reach.clock.now();
        let left: Duration = injected.deadline.duration_since(now).try_into().unwrap_or(Duration::ZERO);
        let end = Instant::now() + left + patience;
        loop {
            let state = self.seen(injected).await;
            if matches!(state, FaultState::Undone | FaultState::NeverBegun) {
                return Ok(());
            }
            if Instant::now() >= end {
                let why = format!("{} on {} is not gone: {state:?}", injected.fault.word(), name(&injected.place));
                return Err(ProviderError::Unexpected(why));
            }
            sleep(AGAIN).await;
        }
    }

    pub(super) async fn list(&self, place: &Place) -> Result<Vec<Leftover>> {
        let machine = self.machine(place)?;
        let sudo = machine.look().await?.sudo;
        state::leftovers(&machine.script(sudo, LIST, &[], &[]).await?)
    }
}

/// How a state begins that is unknown because nobody answered.
const SILENT: &str = "no answer from";

async fn run(machine: &Machine, injected: &Injected, program: &[String], more: Duration) -> Result<Output> {
    let argv: Vec<&str> = program.iter().map(String::as_str).collect();
    machine.root(injected.sudo, &argv, &[], more).await
}

fn done(what: &str, output: &Output) -> Result<()> {
    if output.code == Some(0) { Ok(()) } else { Err(failed(what, output)) }
}

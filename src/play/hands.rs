//! What does a step: conditions before, the action, conditions after.

use std::{sync::Arc, time::Duration};

use super::{Book, Machines, RunEnd, Runs, Stepped, Trouble, command, conditions::Conditions, copy, notify, reboot};
use crate::{
    model::NodeName,
    plan::{Purpose, gates::Answer},
    playbook::{
        Action, Condition, Opening, Part, PlayEvent, Spot, SpotState,
        model::{Step, Where},
        state,
    },
};

/// Time between two looks while something is waited for.
const PACE: Duration = Duration::from_millis(250);

/// All that steps need.
#[derive(Clone)]
pub struct Hands {
    /// Drains and restores.
    pub runs: Arc<dyn Runs>,
    /// The nodes' machines.
    pub machines: Machines,
    /// What must hold.
    pub conditions: Arc<Conditions>,
    /// What breaks things, where a drill is played.
    pub breaking: Option<Arc<dyn Breaking>>,
}

/// What plays a fault for its time, and mends it.
#[async_trait::async_trait]
pub trait Breaking: Send + Sync {
    /// Breaks, waits, mends; each is written down.
    async fn play(&self, book: &Book, spot: &Spot, action: &Action, before: Option<&SpotState>) -> Stepped;
}

/// One step at one place.
struct At<'a> {
    book: &'a Book,
    opening: &'a Opening,
    spot: &'a Spot,
    before: Option<&'a SpotState>,
}

impl Hands {
    /// Does a step, or goes on with one.
    pub async fn act(&self, book: &Book, opening: &Opening, spot: &Spot, before: Option<&SpotState>) -> Stepped {
        let at = At { book, opening, spot, before };
        if spot.part == Part::Recovery {
            return self.restore(&at).await;
        }
        let step = state::step(opening, spot).ok_or_else(|| Trouble::failed("the playbook has no such step"))?;
        // What may have happened already is not asked for again.
        if before.is_none_or(|state| state.intent.is_none() && state.run.is_none()) {
            self.all_hold("it requires", &step.require, spot).await?;
        }
        self.still_out(&at).await?;
        let told = self.action(&at, step).await?;
        self.all_hold("afterwards it wants", &step.ensure, spot).await?;
        Ok(told)
    }

    async fn action(&self, at: &At<'_>, step: &Step) -> Stepped {
        match &step.action {
            Action::Gate => self.gate(node(at.spot)?).await,
            Action::Drain { service } => self.drain(at, service.clone()).await,
            Action::Restore => self.restore(at).await,
            Action::Run { command, on: Where::Here, timeout, expect, keep } => {
                let command = filled(command, at.spot);
                command::here(&self.machines, &command, *timeout, expect, *keep).await
            }
            Action::Run { command, on: Where::Node, timeout, expect, keep } => {
                let job = command::Job { command: filled(command, at.spot), timeout: *timeout, expect, keep: *keep };
                command::on_node(&self.machines, at.book, at.spot, node(at.spot)?, &job, at.before).await
            }
            Action::Copy { from, to, mode, timeout } => {
                let to = fill(to, at.spot);
                copy::copy(&self.machines, node(at.spot)?, from, &to, *mode, *timeout).await
            }
            Action::Reboot { timeout } => {
                reboot::reboot(self, at.book, at.spot, node(at.spot)?, *timeout, at.before).await
            }
            Action::WaitUntil { condition, hold, timeout } => self.wait(condition, *hold, *timeout, at.spot).await,
            Action::Pause { message, timeout } => self.pause(at, &fill(message, at.spot), *timeout).await,
            Action::Check { condition } => self.holds(condition, at.spot).await.map(Some).map_err(Trouble::Failed),
            Action::Notify { through, message, required, timeout } => {
                let word = notify::Word {
                    at: at.spot,
                    opening: at.opening,
                    play: &at.book.play,
                    text: fill(message, at.spot),
                };
                let told = notify::tell(&self.machines, through, &word, *timeout).await;
                match told {
                    Err(why) if *required => Err(Trouble::Failed(why)),
                    Err(why) => Ok(Some(format!("nobody was told: {why}"))),
                    Ok(()) => Ok(None),
                }
            }
            Action::Adopt { service } => self.runs.adopt(service, &at.reason()).await.map(|()| None),
            Action::Fault { .. } | Action::Observe { .. } => match &self.breaking {
                Some(breaking) => breaking.play(at.book, at.spot, &step.action, at.before).await,
                None => Err(Trouble::failed("only a drill breaks things: `tidegate drill run`")),
            },
        }
    }

    /// Whether the node can be drained; what may come by itself is waited for.
    async fn gate(&self, node: &NodeName) -> Stepped {
        let began = tokio::time::Instant::now();
        let patience = self.conditions.settings.run.patience;
        loop {
            let gates = self.runs.verdict(node).await?;
            let against: Vec<_> = gates.iter().filter(|g| !g.passes()).collect();
            if against.is_empty() {
                return Ok(None);
            }
            let waits = against.iter().all(|g| g.answer == Answer::Hold || g.code == "capacity");
            if !waits || began.elapsed() > patience {
                let lines: Vec<String> = against.iter().map(|g| format!("{}: {}", g.code, g.detail)).collect();
                return Err(Trouble::Failed(lines.join("; ")));
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn drain(&self, at: &At<'_>, service: Option<crate::model::ServiceName>) -> Stepped {
        let wish = at.wish(Purpose::Drain, node(at.spot)?.clone(), service);
        self.run(at, wish).await
    }

    /// Brings the node back; where the step has none, every node that this play holds out.
    async fn restore(&self, at: &At<'_>) -> Stepped {
        let out = at.book.read().await?.state.out(at.opening);
        match &at.spot.node {
            Some(node) if out.contains_key(node) || at.before.is_some_and(|b| b.run.is_some()) => {
                self.bring_back(at, node).await
            }
            // A play that takes no node out itself brings a repaired one back.
            Some(node) if at.opening.playbook.all_steps().all(|s| !matches!(s.action, Action::Drain { .. })) => {
                self.bring_back(at, node).await
            }
            Some(_) => Ok(Some("this play holds it out no more".into())),
            None => {
                for node in out.keys() {
                    self.bring_back(at, node).await?;
                }
                Ok(None)
            }
        }
    }

    async fn bring_back(&self, at: &At<'_>, node: &NodeName) -> Stepped {
        let out = at.book.read().await?.state.out(at.opening);
        if let Some(drain) = out.get(node) {
            if self.runs.is_open(drain).await? {
                let end = self.runs.give_up(drain, &at.reason()).await?;
                return match end {
                    RunEnd::Done | RunEnd::Aborted(_) => Ok(Some(format!("{drain} was given up"))),
                    RunEnd::Held(why) => Err(Trouble::failed(format!("{drain} could not be given up: {why}"))),
                };
            }
            if !self.runs.is_out(node, drain).await? && at.before.is_none_or(|b| b.run.is_none()) {
                return Ok(Some(format!("{node} is in traffic already")));
            }
        }
        let wish = at.wish(Purpose::Restore, node.clone(), None);
        self.run(at, wish).await
    }

    /// Opens a run, or finds the one that a program which died had opened, and executes it.
    async fn run(&self, at: &At<'_>, wish: super::Wish) -> Stepped {
        let known = at.before.and_then(|before| before.run.clone());
        let since = at.before.and_then(|before| before.since);
        let run = match (known, since) {
            (Some(run), _) => run,
            (None, Some(since)) => match self.runs.find(&wish, since).await? {
                Some(run) => self.opened(at, run).await?,
                None => self.open(at, &wish).await?,
            },
            (None, None) => self.open(at, &wish).await?,
        };
        match self.runs.execute(&run).await? {
            RunEnd::Done => Ok(Some(run.to_string())),
            RunEnd::Held(why) => {
                let why = format!("{run} is held: {why}");
                at.book.write(PlayEvent::Held { why: why.clone() }).await?;
                Err(Trouble::Held(why))
            }
            RunEnd::Aborted(why) => Err(Trouble::Failed(format!("{run} was given up: {why}"))),
        }
    }

    async fn open(&self, at: &At<'_>, wish: &super::Wish) -> Result<crate::model::RunId, Trouble> {
        let run = self.runs.open(wish).await?;
        self.opened(at, run).await
    }

    async fn opened(&self, at: &At<'_>, run: crate::model::RunId) -> Result<crate::model::RunId, Trouble> {
        at.book.write(PlayEvent::Opened { spot: at.spot.clone(), run: run.clone() }).await?;
        Ok(run)
    }

    /// After its drain nothing is done to a node that another hand has brought back meanwhile.
    async fn still_out(&self, at: &At<'_>) -> Result<(), Trouble> {
        let Some(node) = at.spot.node.as_ref().filter(|_| at.spot.part == Part::Each) else { return Ok(()) };
        let action = state::step(at.opening, at.spot).map(|s| &s.action);
        if matches!(action, Some(Action::Drain { .. } | Action::Restore | Action::Notify { .. })) {
            return Ok(());
        }
        let out = at.book.read().await?.state.out(at.opening);
        match out.get(node) {
            Some(run) if !self.runs.is_out(node, run).await? => Err(Trouble::failed(format!(
                "{node} was brought back by another hand since {run}; nothing more is done to it"
            ))),
            _ => Ok(()),
        }
    }

    /// Waits for a person's approval.
    async fn pause(&self, at: &At<'_>, message: &str, timeout: Duration) -> Stepped {
        let until = match at.before.and_then(|before| before.asked) {
            Some(until) => until,
            None => {
                let until = at.book.clock.now().checked_add(timeout).unwrap_or(jiff::Timestamp::MAX);
                let (spot, message) = (at.spot.clone(), message.to_owned());
                at.book.write(PlayEvent::Asked { spot, message, until }).await?;
                until
            }
        };
        loop {
            let state = at.book.read().await?.state;
            if let Some(by) = state.spots.get(at.spot).and_then(|s| s.approved.clone()) {
                return Ok(Some(format!("approved by {by}")));
            }
            if at.book.clock.now() > until {
                return Err(Trouble::failed(format!("nobody approved: {message}")));
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Waits until a condition has held for so long.
    pub(super) async fn wait(&self, condition: &Condition, hold: Duration, timeout: Duration, spot: &Spot) -> Stepped {
        let began = tokio::time::Instant::now();
        let mut holds_since = None;
        loop {
            let now = tokio::time::Instant::now();
            let missing = match self.holds(condition, spot).await {
                Ok(told) if now.duration_since(*holds_since.get_or_insert(now)) >= hold => return Ok(Some(told)),
                Ok(told) => format!("it does not hold for {:.0} s yet: {told}", hold.as_secs_f64()),
                Err(why) => {
                    holds_since = None;
                    why
                }
            };
            if began.elapsed() > timeout {
                return Err(Trouble::failed(format!("not within {:.0} s: {missing}", timeout.as_secs_f64())));
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn all_hold(&self, which: &str, conditions: &[Condition], spot: &Spot) -> Result<(), Trouble> {
        let mut missing = Vec::new();
        for condition in conditions {
            if let Err(why) = self.holds(condition, spot).await {
                missing.push(why);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(Trouble::Failed(format!("{which}: {}", missing.join("; ")))) }
    }

    async fn holds(&self, condition: &Condition, spot: &Spot) -> Result<String, String> {
        let found = self.conditions.holds(condition, spot.node.as_ref());
        let late = |_| format!("not known within {:.0} s", condition.timeout.as_secs_f64());
        tokio::time::timeout(condition.timeout, found).await.map_err(late)?
    }
}

impl At<'_> {
    fn reason(&self) -> String {
        format!("{}: {}: {}", self.book.play, self.opening.playbook.name, self.opening.reason)
    }

    fn wish(&self, purpose: Purpose, node: NodeName, service: Option<crate::model::ServiceName>) -> super::Wish {
        let overrides = if purpose == Purpose::Drain { self.opening.overrides.clone() } else { Vec::new() };
        super::Wish {
            purpose,
            node,
            service,
            operator: self.opening.operator.clone(),
            reason: self.reason(),
            overrides,
        }
    }
}

fn node(spot: &Spot) -> Result<&NodeName, Trouble> {
    spot.node.as_ref().ok_or_else(|| Trouble::failed("this step needs a node, and is done once for all"))
}

/// A text with the node's name put in.
pub(super) fn fill(text: &str, spot: &Spot) -> String {
    match &spot.node {
        Some(node) => text.replace("{node}", node.as_str()),
        None => text.to_owned(),
    }
}

/// The words of a command with it.
pub(super) fn filled(command: &[String], spot: &Spot) -> Vec<String> {
    command.iter().map(|word| fill(word, spot)).collect()
}

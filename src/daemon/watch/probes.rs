//! The probes: what the engine reports becomes what is seen, what the guard reads, what is counted, and, where a service
//! turned, a note.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinSet};

use super::Eyes;
use crate::{
    daemon::metrics::{self, Outcome, Reason},
    guard::{Place, Probed, Standing},
    health::{Engine, Handle, Report, State, Target, Verdict},
    journal::{Note, Notebook},
    model::{Observed, Readiness},
};

/// Reports that wait until they are taken in.
const ROOM: usize = 4096;

/// Probes these targets; the handle has one probed at once.
pub(super) fn watch(eyes: &Eyes, targets: Vec<Target>, notebook: Arc<dyn Notebook>, tasks: &mut JoinSet<()>) -> Handle {
    let (engine, handle) = Engine::new(Arc::clone(&eyes.world.clock));
    let (sender, mut reports) = mpsc::channel::<Report>(ROOM);
    tasks.spawn(engine.run(targets, sender, eyes.stop.clone()));
    let (notes, writing) = mpsc::channel::<Note>(ROOM);
    tasks.spawn(write(eyes.clone(), notebook, writing));
    let eyes = eyes.clone();
    tasks.spawn(async move {
        while let Some(report) = reports.recv().await {
            count(&report);
            if let Some(note) = turned(&report) {
                // A journal that cannot take a note must not delay what is seen; it says so by itself.
                let _ = notes.try_send(note);
            }
            take_in(&eyes, &report);
        }
    });
    handle
}

fn take_in(eyes: &Eyes, report: &Report) {
    let readiness = match &report.answer {
        Ok(()) => Readiness::Ready,
        Err(failure) => Readiness::NotReady { reason: failure.to_string() },
    };
    let place: Place = (report.node.clone(), report.service.clone());
    eyes.sight.send_modify(|sight| {
        let ready = &mut sight.seen.nodes.entry(report.node.clone()).or_default().ready;
        ready.insert(report.service.clone(), Observed::known(readiness, report.at));
        let before = sight.probes.remove(&place);
        sight.probes.insert(place, probed(before, report));
    });
    if report.answer.is_err()
        && let Some(service) = eyes.settings.service(&report.service)
        && let Some(nudge) = eyes.nudges.units.get(&(report.node.clone(), service.unit.clone()))
    {
        // The node's systemd is the second witness.
        nudge.notify_one();
    }
}

fn probed(before: Option<Probed>, report: &Report) -> Probed {
    let standing = match report.verdict.state() {
        State::Unknown | State::Starting => Standing::Unknown,
        State::Healthy => Standing::Healthy,
        State::Unhealthy => Standing::Unhealthy,
        State::Suppressed => Standing::Suppressed,
    };
    match &report.answer {
        Ok(()) => Probed { standing, passed: Some(report.at), ..Probed::default() },
        Err(failure) => Probed {
            standing,
            passed: None,
            failing_since: before.and_then(|b| b.failing_since).or(Some(report.at)),
            failed: Some(report.at),
            why: failure.to_string(),
        },
    }
}

fn count(report: &Report) {
    let (node, service) = (report.node.as_str(), report.service.as_str());
    let outcome = if report.answer.is_ok() { Outcome::Passed } else { Outcome::Failed };
    metrics::probed(node, service, report.took, outcome);
    let why = match &report.verdict {
        Verdict::Healthy => None,
        Verdict::Unknown if report.answer.is_ok() => Some(Reason::Rising),
        Verdict::Unknown => Some(Reason::Unknown),
        Verdict::Starting => Some(Reason::Starting),
        Verdict::Unhealthy { suppressed: true, .. } => Some(Reason::Damped),
        Verdict::Unhealthy { reason, .. } => Some(reason.kind.into()),
    };
    metrics::readiness(node, service, why.is_none(), why);
    if report.changed.is_some() {
        metrics::turned(node, service, why.is_none());
    }
}

/// A change of state is written down; that a first answer came is none.
fn turned(report: &Report) -> Option<Note> {
    let before = report.changed.as_ref()?;
    let well = report.verdict == Verdict::Healthy;
    if well && *before == Verdict::Unknown {
        return None;
    }
    let why = match (&report.verdict, &report.answer) {
        (Verdict::Unhealthy { reason, .. }, _) => reason.to_string(),
        (_, Err(failure)) => failure.to_string(),
        (_, Ok(())) => String::new(),
    };
    let to = report.verdict.state().as_str().to_owned();
    Some(Note::Turned { node: report.node.clone(), service: report.service.clone(), to, why })
}

async fn write(eyes: Eyes, notebook: Arc<dyn Notebook>, mut writing: mpsc::Receiver<Note>) {
    while let Some(note) = writing.recv().await {
        if let Err(error) = notebook.note(&[note], eyes.now()).await {
            tracing::warn!("a change of readiness could not be written down: {error}");
        }
    }
}

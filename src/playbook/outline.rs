//! The whole of a playbook before it is played: who is in which wave, what is done, what it waits for, and how long that
//! took before.

use serde::Serialize;

use super::{
    forecast::{Past, Usual},
    model::{Action, OnFailure, Playbook, Step},
    words,
};
use crate::model::NodeName;

/// A playbook as it will be played.
#[derive(Clone, Debug, Serialize)]
pub struct Outline {
    /// The playbook.
    pub playbook: String,
    /// What it is for.
    pub about: String,
    /// The digest of its files and inputs.
    pub digest: String,
    /// What is played, in order.
    pub rounds: Vec<Round>,
    /// How long all of it usually takes.
    pub total: Total,
}

/// Steps that are played together: once, or on the nodes of a wave.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// `before`, `wave 1`, …, `after`, `clean-up`.
    pub round: String,
    /// Its nodes; none for what is played once.
    pub nodes: Vec<NodeName>,
    /// Its steps.
    pub steps: Vec<Line>,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub step: String,
    /// Its action's word.
    pub action: &'static str,
    /// What it does, and what it waits for.
    pub what: String,
    /// What must hold before it.
    pub require: Vec<String>,
    /// What must hold after it.
    pub ensure: Vec<String>,
    /// What happens when it fails, where that is not the playbook's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// How long it took before, on one node; `None` where that is not known.
    pub usual: Option<Usual>,
}

/// How long all of it takes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Total {
    /// With every step as long as it usually takes, in seconds.
    pub usually_s: f64,
    /// With every step as long as the longest of twenty, in seconds.
    pub at_worst_s: f64,
    /// Steps of which nothing is known, and which are not in it.
    pub unknown: Vec<String>,
    /// Steps that wait for a person, and are not in it.
    pub people: Vec<String>,
}

/// The outline of a playbook on these waves.
pub fn outline(playbook: &Playbook, waves: &[Vec<NodeName>], past: &Past) -> Outline {
    let mut rounds = vec![("before".to_owned(), Vec::new(), &playbook.before)];
    for (number, wave) in waves.iter().enumerate() {
        rounds.push((format!("wave {}", number + 1), wave.clone(), &playbook.steps));
    }
    rounds.push(("after".to_owned(), Vec::new(), &playbook.after));
    rounds.push(("clean-up".to_owned(), Vec::new(), &playbook.clean_up));
    let mut total = Total::default();
    let rounds = rounds
        .into_iter()
        .filter(|(_, _, steps)| !steps.is_empty())
        .map(|(round, nodes, steps)| {
            let line = |step: &Step| line(step, &playbook.name, past, nodes.len(), &mut total);
            Round { round, steps: steps.iter().map(line).collect(), nodes }
        })
        .collect();
    Outline {
        playbook: playbook.name.clone(),
        about: playbook.about.clone(),
        digest: playbook.digest.clone(),
        rounds,
        total,
    }
}

fn line(step: &Step, playbook: &str, past: &Past, nodes: usize, total: &mut Total) -> Line {
    let usual = past.usual(playbook, step);
    // What moves the cluster goes from node to node, everything else is done on all of a wave at once.
    let times = if super::next::in_turn(&step.action) { nodes.max(1) } else { 1 };
    let unknown = match (&step.action, usual) {
        (Action::Pause { .. }, _) => Some(&mut total.people),
        (_, None) => Some(&mut total.unknown),
        (_, Some(usual)) => {
            total.usually_s += usual.p50.as_secs_f64() * times as f64;
            total.at_worst_s += usual.p95.as_secs_f64() * times as f64;
            None
        }
    };
    if let Some(names) = unknown.filter(|names| !names.contains(&step.name)) {
        names.push(step.name.clone());
    }
    Line {
        step: step.name.clone(),
        action: step.action.word(),
        what: words::step(step),
        require: step.require.iter().map(words::condition).collect(),
        ensure: step.ensure.iter().map(words::condition).collect(),
        on_failure: step.on_failure,
        usual: usual.filter(|_| !matches!(step.action, Action::Pause { .. })),
    }
}

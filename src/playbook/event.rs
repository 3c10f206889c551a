//! Everything that can happen in a play, which is one execution of a playbook. `state` folds these into where it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::Playbook;
use crate::{
    model::{NodeName, RunId},
    plan::gates::Override,
};

/// What a play is opened with: all that it does follows from this and its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// What is played.
    pub playbook: Playbook,
    /// On which nodes, those of a wave at once.
    pub waves: Vec<Vec<NodeName>>,
    /// Who asked.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// Gates that are overridden in its drains, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// Where in a playbook something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    /// The list that the step is in.
    pub part: Part,
    /// The wave, from 0; 0 outside of `Each`.
    pub wave: usize,
    /// The step's place in its list, from 0.
    pub step: usize,
    /// The node; none for what is done once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
}

/// A list of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Once, before the first node.
    Before,
    /// On each node.
    Each,
    /// Bringing a node back, since a step failed whose policy says so, or the play was given up.
    Recovery,
    /// Once, after the last node.
    After,
    /// Once, at the end, whatever happened.
    CleanUp,
}

/// What has to be known afterwards to tell whether something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "kebab-case")]
pub enum Intent {
    /// A program is about to be started as this transient unit on the node.
    Command {
        /// The unit.
        unit: String,
        /// The node's boot id.
        boot: String,
    },
    /// The node is about to be rebooted: its boot id until then.
    Boot {
        /// The id.
        id: String,
    },
    /// Something is about to be broken; what undoing it needs, as `drill::fault` wrote it.
    Fault {
        /// That.
        injected: Value,
    },
}

/// One fact about a play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum PlayEvent {
    /// A program took the play up.
    Taken {
        /// `user@host:pid`.
        by: String,
    },
    /// A step began.
    Begun {
        /// Where.
        spot: Spot,
    },
    /// Something is about to happen. From here on it *may have happened*.
    Intended {
        /// Where.
        spot: Spot,
        /// What.
        #[serde(flatten)]
        intent: Intent,
    },
    /// A run was opened for a step.
    Opened {
        /// Where.
        spot: Spot,
        /// The run.
        run: RunId,
    },
    /// What a program said, and how it ended.
    Said {
        /// Where.
        spot: Spot,
        /// Its exit code; none where it was ended otherwise.
        code: Option<i32>,
        /// The end of its output, as much as the step keeps.
        output: String,
    },
    /// A person is asked.
    Asked {
        /// Where.
        spot: Spot,
        /// What.
        message: String,
        /// Until when.
        until: Timestamp,
    },
    /// A person said yes.
    Approved {
        /// Where.
        spot: Spot,
        /// Who.
        by: String,
    },
    /// Something is broken now.
    Broken {
        /// Where.
        spot: Spot,
        /// Since when, by whoever broke it.
        since: Timestamp,
    },
    /// It is whole again.
    Mended {
        /// Where.
        spot: Spot,
        /// Since when what broke it is gone; what that leads to may have taken longer.
        since: Timestamp,
    },
    /// A step is done.
    Done {
        /// Where.
        spot: Spot,
        /// What is worth to be told of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<String>,
    },
    /// A step failed.
    Failed {
        /// Where.
        spot: Spot,
        /// Why.
        why: String,
    },
    /// A person has a failed step tried again.
    Again {
        /// Where.
        spot: Spot,
        /// Who.
        by: String,
    },
    /// It is given up: nothing more is begun, what is broken is mended, what is out is brought back, and the clean-up played.
    GivenUp {
        /// Why.
        why: String,
    },
    /// It waits for a person.
    Held {
        /// Why.
        why: String,
    },
    /// The evidence, as `drill::report` writes it.
    Measured {
        /// That.
        evidence: Value,
    },
    /// It is over.
    Ended {
        /// How.
        ending: PlayEnding,
    },
}

impl PlayEvent {
    /// Where it happened, where it is about a step.
    pub fn spot(&self) -> Option<&Spot> {
        match self {
            Self::Begun { spot }
            | Self::Intended { spot, .. }
            | Self::Opened { spot, .. }
            | Self::Said { spot, .. }
            | Self::Asked { spot, .. }
            | Self::Approved { spot, .. }
            | Self::Broken { spot, .. }
            | Self::Mended { spot, .. }
            | Self::Done { spot, .. }
            | Self::Failed { spot, .. }
            | Self::Again { spot, .. } => Some(spot),
            Self::Taken { .. }
            | Self::GivenUp { .. }
            | Self::Held { .. }
            | Self::Measured { .. }
            | Self::Ended { .. } => None,
        }
    }
}

/// How a play ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum PlayEnding {
    /// Every step is done; of a drill, that its measurements are within its objectives.
    Done,
    /// A step failed, or an objective was missed.
    Failed {
        /// Why.
        why: String,
    },
    /// It was given up.
    GivenUp {
        /// Why.
        why: String,
    },
}

impl PlayEnding {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::GivenUp { .. } => "given-up",
        }
    }

    /// Why, where it is not done.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Done => None,
            Self::Failed { why } | Self::GivenUp { why } => Some(why),
        }
    }
}

//! Everything that can happen in a run. `run::state` folds these into the run's state.

use serde::{Deserialize, Serialize};

use crate::{
    config::settings::OnDeadline,
    model::{Effect, Exact, InstanceName, Receipt, RouteId, RouteTarget, RunId, Straggler, topology::Listener},
    traffic::decay::Verdict,
};

/// One fact about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An executor took the run up: its first record, and again after every crash or pause.
    Taken {
        /// `user@host:pid`.
        by: String,
    },
    /// A step began.
    StepBegun {
        /// The step's number, from 0.
        step: usize,
    },
    /// An effect is about to be carried out. From here on it *may have happened*.
    Intended {
        /// The step.
        step: usize,
        /// The effect.
        effect: Effect,
        /// The exact state before, on the first touch of a thing.
        receipt: Option<Receipt>,
    },
    /// The real system accepted the effect. That is not an acknowledgement yet.
    Accepted {
        /// The step.
        step: usize,
        /// The effect.
        effect: Effect,
    },
    /// The effect was read back from the real system: this is the acknowledgement.
    Acknowledged {
        /// The step.
        step: usize,
        /// The effect.
        effect: Effect,
        /// The process that showed it, where it is a route's: whatever a later process shows is no person's doing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<String>,
    },
    /// The effect was refused, lost or timed out; what it did is seen by looking.
    NotAccepted {
        /// The step.
        step: usize,
        /// The effect.
        effect: Effect,
        /// What went wrong.
        error: String,
        /// Whether the real system said no, so that nothing was changed; else the outcome is open.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refused: bool,
    },
    /// A thing was found to be as wanted already; its state is kept as the receipt, and nothing was done.
    AlreadySo {
        /// The step.
        step: usize,
        /// Its state.
        receipt: Receipt,
    },
    /// On the first touch a member was not as the plan had seen it: another hand was there in between. What is there now
    /// is what a restore puts back.
    Changed {
        /// The member.
        target: RouteTarget,
        /// Its state when the plan was made.
        planned: Exact,
        /// Its state now.
        now: Exact,
    },
    /// The cluster did something else than it had rehearsed for this plan.
    Unrehearsed {
        /// What is elsewhere, one line each.
        differences: Vec<String>,
    },
    /// A step's target was lost after it had been acknowledged (a reload, another hand) and is set again.
    Reasserted {
        /// The member.
        target: RouteTarget,
        /// What was seen.
        saw: String,
    },
    /// A person (or another program) put back what this run had taken out, on the very process that acknowledged it. It
    /// is not fought over: the run is held until somebody says which of the two is meant.
    Overruled {
        /// The member.
        target: RouteTarget,
        /// What was seen.
        saw: String,
    },
    /// Seen while the node was out and nobody executed a run: something that should not be. The only fact that a run
    /// takes after its end.
    Drifted {
        /// The member.
        target: RouteTarget,
        /// What was seen.
        saw: String,
        /// What is behind it.
        drift: Drift,
    },
    /// No residual traffic of this service for as long as configured.
    Drained {
        /// What its clients are connected to.
        #[serde(flatten)]
        listener: Listener,
    },
    /// The wait for connections is over without them being gone.
    DeadlineReached {
        /// What its clients are connected to.
        #[serde(flatten)]
        listener: Listener,
        /// Connections left.
        remaining: u64,
        /// What the policy does about it.
        policy: OnDeadline,
        /// Who they are: the oldest, at most [`MAX_NOTED`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<Straggler>,
    },
    /// What is known of the end of a wait, when that became known or changed.
    Stragglers {
        /// What they are connected to.
        #[serde(flatten)]
        listener: Listener,
        /// Connections left.
        remaining: u64,
        /// When they will be gone.
        verdict: Verdict,
        /// Who they are: the oldest, at most [`MAX_NOTED`].
        oldest: Vec<Straggler>,
    },
    /// The connections of a listener are about to be cut.
    Cutting {
        /// What they are connected to.
        #[serde(flatten)]
        listener: Listener,
        /// How many each load balancer holds.
        through: Vec<Held>,
    },
    /// They were cut, as far as they let themselves be cut.
    Cut {
        /// What they were connected to.
        #[serde(flatten)]
        listener: Listener,
        /// How many are gone at each load balancer.
        through: Vec<Held>,
        /// How many were cut on the node itself.
        sockets: u64,
        /// How many are left all the same.
        remaining: u64,
    },
    /// Traffic came back after a service counted as drained, before standby: the wait begins again.
    DrainLost {
        /// The wait that begins again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
        /// What its clients are connected to.
        #[serde(flatten)]
        listener: Listener,
        /// Connections seen.
        residual: u64,
    },
    /// A stage of the ramp is reached on all instances.
    RampStage {
        /// The step.
        step: usize,
        /// The stage, from 0.
        stage: usize,
        /// What each instance counted so far: the baseline of the stage.
        baseline: Vec<Counted>,
    },
    /// Errors rose (or readiness was lost) at a stage of the ramp: the node is taken out again, to try later.
    RampBackedOff {
        /// The step.
        step: usize,
        /// The stage that failed.
        stage: usize,
        /// Why.
        why: String,
    },
    /// A step is proven.
    StepDone {
        /// The step.
        step: usize,
    },
    /// The run waits for a person: nothing is undone, nothing goes on until `resume` or `abort`.
    Held {
        /// Why.
        why: String,
    },
    /// Somebody asked for the run to be aborted.
    AbortRequested {
        /// Who.
        by: String,
    },
    /// The run is over.
    Ended {
        /// How.
        ending: Ending,
    },
}

/// What is behind a drained member that gets clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// Another process than the one that acknowledged the drain: a reload or a restart forgot it. It is set again.
    Forgotten,
    /// The same process: somebody put it back on purpose. It is shown, and not fought over.
    Overruled,
    /// It is still drained, and requests reached it all the same.
    Requests,
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Forgotten => "forgotten",
            Self::Overruled => "overruled",
            Self::Requests => "requests",
        })
    }
}

/// Stragglers that one record lists.
pub const MAX_NOTED: usize = 64;

/// Connections to the node at one instance of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The route.
    pub route: RouteId,
    /// The instance.
    pub instance: InstanceName,
    /// How many.
    pub connections: u64,
}

/// What one instance of a route counted for the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The route.
    pub route: RouteId,
    /// The instance.
    pub instance: InstanceName,
    /// Failed requests.
    pub errors: u64,
    /// Requests.
    pub requests: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// Everything that the plan promised is proven.
    Done,
    /// It was given up; the run named here puts things back.
    Aborted {
        /// Why.
        why: String,
        /// The run that undoes it; `None` where there was nothing to undo.
        undo: Option<RunId>,
    },
    /// An undo did not succeed. It stays so until a person acknowledges it.
    Stuck {
        /// Why.
        why: String,
    },
    /// A person acknowledged a stuck run.
    Acknowledged {
        /// Who.
        by: String,
    },
}

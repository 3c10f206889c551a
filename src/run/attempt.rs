//! Attempts: what a run did to the real systems, as far as its journal knows.

use jiff::Timestamp;

use crate::model::Effect;

/// One effect and what became of its latest attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The step.
    pub step: usize,
    /// The effect.
    pub effect: Effect,
    /// How often it was intended.
    pub tries: u32,
    /// When the latest attempt was intended.
    pub at: Timestamp,
    /// What is known of it.
    pub outcome: Outcome,
    /// Whether every attempt before the latest was refused.
    pub fresh: bool,
    /// The process that acknowledged it.
    pub generation: Option<String>,
}

impl Attempt {
    /// The first time.
    pub fn new(step: usize, effect: Effect, at: Timestamp) -> Self {
        Self { step, effect, tries: 1, at, outcome: Outcome::InDoubt, fresh: true, generation: None }
    }

    /// Once more.
    pub fn again(&mut self, at: Timestamp) {
        self.fresh = self.changed_nothing();
        (self.tries, self.at, self.outcome) = (self.tries + 1, at, Outcome::InDoubt);
    }

    /// Whether the real system said no each time: then nothing that is there now is our doing.
    pub fn changed_nothing(&self) -> bool {
        self.fresh && matches!(self.outcome, Outcome::Refused(_))
    }
}

/// What is known of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Intended, no outcome recorded: it may have happened.
    InDoubt,
    /// The real system said yes; not read back yet.
    Accepted,
    /// It failed, or its answer was lost.
    Failed(String),
    /// The real system said no, and changed nothing.
    Refused(String),
    /// Read back.
    Acknowledged,
}

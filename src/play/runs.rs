//! What a player needs of the runs: drains and restores with every gate, and the taking over of a service.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Trouble;
use crate::{
    model::{NodeName, RunId, ServiceName},
    plan::{
        Purpose,
        gates::{Gate, Override},
    },
};

/// A run that a step wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Drain or restore.
    pub purpose: Purpose,
    /// The node.
    pub node: NodeName,
    /// Only this service.
    pub service: Option<ServiceName>,
    /// Who asked.
    pub operator: String,
    /// Why. It begins with the play, so that its runs are found again.
    pub reason: String,
    /// Gates that are overridden.
    pub overrides: Vec<Override>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Done.
    Done,
    /// It waits for a person.
    Held(String),
    /// It was given up, and things were put back.
    Aborted(String),
}

/// Whoever drains and restores.
#[async_trait(?Send)]
pub trait Runs: Send + Sync {
    /// Every gate of a drain of the node.
    async fn verdict(&self, node: &NodeName) -> Result<Vec<Gate>, Trouble>;

    /// Opens a run. What may come by itself is waited for, within the configured patience.
    async fn open(&self, wish: &Wish) -> Result<RunId, Trouble>;

    /// Executes an open run, from wherever it is.
    async fn execute(&self, run: &RunId) -> Result<RunEnd, Trouble>;

    /// The newest run of this wish that was opened since, whatever became of it.
    async fn find(&self, wish: &Wish, since: Timestamp) -> Result<Option<RunId>, Trouble>;

    /// Whether the node is out by this drain still: nobody brought it back since.
    async fn is_out(&self, node: &NodeName, run: &RunId) -> Result<bool, Trouble>;

    /// Whether the run has not ended.
    async fn is_open(&self, run: &RunId) -> Result<bool, Trouble>;

    /// Asks whoever executes an open run to give it up.
    async fn ask_to_give_up(&self, run: &RunId, why: &str) -> Result<(), Trouble>;

    /// Gives an open run up, and waits until everything is put back.
    async fn give_up(&self, run: &RunId, why: &str) -> Result<RunEnd, Trouble>;

    /// Takes the service's unit over on every node.
    async fn adopt(&self, service: &ServiceName, reason: &str) -> Result<(), Trouble>;
}

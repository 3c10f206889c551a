//! Where a connection leads: the addresses of a target's name, and how long a client believes them.
//!
//! A client that looks a name up for each connection follows DNS as soon as its resolver does, so within the TTL. Many do
//! not: a runtime that keeps an address for ever goes on connecting to a node whose record is gone. Both are here, since a
//! drain has to be right for both.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use tokio::net::lookup_host;

use super::{FailureKind, Target};

/// When a client looks up the name that it connects to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Lookup {
    /// For every connection, with this machine's resolver
    #[default]
    Each,
    /// Once: the first answer is used to the end, whatever its TTL
    Once,
}

/// The addresses of one target, used in turn.
pub(super) struct Addresses {
    lookup: Lookup,
    kept: Mutex<Option<Vec<SocketAddr>>>,
    turn: AtomicUsize,
}

impl Addresses {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self { lookup, kept: Mutex::default(), turn: AtomicUsize::new(0) }
    }

    /// The address for the next connection.
    pub(super) async fn next(&self, target: &Target) -> Result<SocketAddr, (FailureKind, String)> {
        let found = match self.kept() {
            Some(kept) => kept,
            None => self.look_up(target).await?,
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        found.get(turn % found.len().max(1)).copied().ok_or_else(|| nothing(target))
    }

    async fn look_up(&self, target: &Target) -> Result<Vec<SocketAddr>, (FailureKind, String)> {
        let found: Vec<SocketAddr> = lookup_host((target.host(), target.port()))
            .await
            .map_err(|e| (FailureKind::NoAddress, e.to_string()))?
            .collect();
        if self.lookup == Lookup::Each || found.is_empty() {
            return Ok(found);
        }
        // The first answer counts: others were under way meanwhile.
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found).clone())
    }

    fn kept(&self) -> Option<Vec<SocketAddr>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn nothing(target: &Target) -> (FailureKind, String) {
    (FailureKind::NoAddress, format!("{} has no address", target.host()))
}

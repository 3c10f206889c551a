//! What a run remembers of the connections that it waits for: how many there were when, when the last client came, since
//! when each socket is seen. Bounded, however many there are and however long it takes.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use jiff::Timestamp;

use super::look::Look;
use crate::{
    model::{Holder, observed::age},
    plan::steps::ConnectionWait,
    traffic::decay::{Series, Verdict},
};

/// Sockets whose age is remembered. Of more than that nobody would read a list.
const MOST_SOCKETS: usize = 4096;
/// Sockets that a node is asked about with one question.
const ASKED_SOCKETS: usize = 64;

/// The memory of one wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    series: Series,
    /// Since when each socket on the node is seen.
    sockets: BTreeMap<SocketAddr, Timestamp>,
    came: Option<Timestamp>,
    busy: Option<Timestamp>,
    holders: Vec<(Holder, Vec<SocketAddr>)>,
}

impl Lasting {
    /// Takes one look into account. `came` says whether clients were counted since the one before.
    pub(super) fn absorb(&mut self, look: &Look<'_>, wait: &ConnectionWait, came: bool) {
        let now = look.now;
        if came {
            self.came = Some(now);
        }
        let (Ok(left), Ok(sockets)) = (look.residual(wait), look.sockets(&wait.node, wait.port)) else { return };
        let new = || sockets.peers.iter().take(MOST_SOCKETS);
        self.sockets = new().map(|peer| (*peer, self.sockets.get(peer).copied().unwrap_or(now))).collect();
        if !look.all_drained(wait) {
            // Clients are still let in: whatever was seen says nothing about how they leave.
            (self.series, self.busy) = (Series::default(), None);
            return;
        }
        self.series.push(now, left.total, came);
        self.busy = (left.total > 0).then(|| self.busy.unwrap_or(now));
        self.holders = holders(look, wait, &left.unexplained);
    }

    /// What can be said of the end.
    pub fn verdict(&self) -> Option<Verdict> {
        self.series.verdict()
    }

    /// For how long a socket has been seen.
    pub fn seen_for(&self, peer: &SocketAddr, now: Timestamp) -> Option<Duration> {
        self.sockets.get(peer).map(|since| age(now, *since))
    }

    /// How long ago the last client came, while this was watched.
    pub fn came(&self, now: Timestamp) -> Option<Duration> {
        self.came.map(|at| age(now, at))
    }

    /// For how long something has been left.
    pub(super) fn busy_for(&self, now: Timestamp) -> Option<Duration> {
        self.busy.map(|since| age(now, since))
    }

    /// Who holds what is left, and which sockets that is on a node.
    pub(super) fn holders(&self) -> &[(Holder, Vec<SocketAddr>)] {
        &self.holders
    }
}

fn holders(look: &Look<'_>, wait: &ConnectionWait, unexplained: &[SocketAddr]) -> Vec<(Holder, Vec<SocketAddr>)> {
    let busy = wait.through.iter().filter(|t| !t.blind && look.member(&t.target).is_ok_and(|m| m.sessions > 0));
    let instance = |target: &crate::model::RouteTarget| Holder::Instance {
        route: target.route.clone(),
        instance: target.instance.clone(),
        server: target.server.clone(),
    };
    let mut holders: Vec<_> = busy.map(|t| (instance(&t.target), Vec::new())).collect();
    if !unexplained.is_empty() {
        let some = unexplained.iter().take(ASKED_SOCKETS).copied().collect();
        holders.push((Holder::Node { node: wait.node.clone(), port: wait.port }, some));
    }
    holders
}

#[cfg(test)]
mod tests;

//! What a run remembers of the connections that it waits for: how many there were when, when the last client came, since
//! when each socket is seen. Bounded, however many there are and however long it takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use jiff::Timestamp;

use super::look::Look;
use crate::{
    model::{Holder, observed::age},
    plan::steps::ConnectionWait,
    traffic::decay::{Series, Verdict},
};

/// Sockets whose age is remembered. Of more than that nobody would read a list.
const MOST_SOCKETS: usize = 4096;
/// Clients that are remembered after they came and went, and for how long.
const MOST_PASSERS: usize = 64;
const REMEMBERED: Duration = Duration::from_secs(60);
/// Sockets that a node is asked about with one question.
const ASKED_SOCKETS: usize = 64;

/// The memory of one wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    series: Series,
    /// Since when each socket on the node is seen.
    sockets: BTreeMap<SocketAddr, Timestamp>,
    came: Option<Timestamp>,
    /// Who ended lately, and when that was looked at.
    ended: Option<(Timestamp, BTreeSet<SocketAddr>)>,
    /// The last ones that came and were gone before anybody saw them, the newest last.
    passers: Vec<(SocketAddr, Timestamp)>,
    empty: bool,
    busy: Option<Timestamp>,
    holders: Vec<(Holder, Vec<SocketAddr>)>,
}

impl Lasting {
    /// Takes one look into account. `counted` says whether clients were counted since the one before; back comes whether
    /// any came at all.
    pub(super) fn absorb(&mut self, look: &Look<'_>, wait: &ConnectionWait, counted: bool) -> bool {
        let now = look.now;
        let passed = self.passed_by(look, wait);
        let came = counted || passed;
        if came {
            self.came = Some(now);
        }
        self.watch(look, wait, came);
        came
    }

    fn watch(&mut self, look: &Look<'_>, wait: &ConnectionWait, came: bool) {
        let now = look.now;
        let (Ok(left), Ok(sockets)) = (look.residual(wait), look.sockets(&wait.node, wait.port)) else { return };
        self.empty = left.total == 0;
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

    /// Whether connections ended that nobody ever saw, and that were no load balancer's.
    fn passed_by(&mut self, look: &Look<'_>, wait: &ConnectionWait) -> bool {
        let Some(Ok((seen, at))) = look.ended(&wait.node, wait.port).filter(|_| wait.needs_ended()) else {
            self.ended = None;
            return false;
        };
        let Some((before, known)) = &self.ended else {
            self.ended = Some((at, seen.peers.iter().copied().collect()));
            return false;
        };
        if at <= *before {
            return false;
        }
        let source = |peer: &SocketAddr| wait.through.iter().any(|t| t.source.contains(&peer.ip()));
        let new: Vec<SocketAddr> =
            seen.peers.iter().filter(|peer| !known.contains(peer) && !source(peer)).copied().collect();
        self.passers.extend(new.iter().map(|peer| (*peer, at)));
        let many = self.passers.len().saturating_sub(MOST_PASSERS);
        self.passers.drain(..many);
        self.ended = Some((at, seen.peers.iter().copied().collect()));
        !new.is_empty()
    }

    /// When it was last looked at who ended lately.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        self.ended.as_ref().map(|(at, _)| *at)
    }

    /// Whether the last look saw nothing left.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    /// Clients that came and were gone before they were seen, within the last minute, the newest first.
    pub fn passers(&self, now: Timestamp) -> impl Iterator<Item = (SocketAddr, Duration)> {
        let recent = self.passers.iter().rev().map(move |(peer, at)| (*peer, age(now, *at)));
        recent.take_while(|(_, ago)| *ago < REMEMBERED)
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
    let mut holders: Vec<_> = busy.map(|t| (t.holder(), Vec::new())).collect();
    // Who cannot list its connections has them listed by the node.
    let unlisted = |number: &usize| wait.through.get(*number).is_some_and(|t| look.lists_nothing(&t.holder()));
    let owned = look.owned(wait).into_iter().filter(|(number, _)| unlisted(number)).map(|(_, peer)| peer);
    let mut some: Vec<SocketAddr> = unexplained.iter().copied().chain(owned).collect();
    some.truncate(ASKED_SOCKETS);
    if !some.is_empty() {
        holders.push((Holder::Node { node: wait.node.clone(), port: wait.port }, some));
    }
    holders
}

#[cfg(test)]
mod tests;

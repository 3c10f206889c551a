//! Who is still connected, as a wait tells it: how many, through which load balancer, the oldest of them, and whether
//! they will ever leave.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::Serialize;

use super::{
    look::Look,
    streaks::Streaks,
    waiting::{MAX_LISTED, Short},
};
use crate::{
    journal::MAX_NOTED,
    model::{Holder, InstanceName, NodeName, Straggler, observed::age, straggler::oldest_first, topology::Listener},
    plan::steps::{ConnectionWait, Through},
    traffic::{decay::Verdict, residual::Residual},
};

/// Stragglers that a person is shown.
const SHOWN: usize = 3;

/// The connections that a wait is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Connected {
    /// The node.
    pub node: NodeName,
    /// What its clients are connected to.
    #[serde(flatten)]
    pub listener: Listener,
    /// All of them.
    pub total: u64,
    /// Sessions at each load balancer.
    pub sessions: Vec<(InstanceName, u64)>,
    /// Sockets on the node that neither a session nor an idle pool explains; at most [`MAX_LISTED`].
    pub unexplained: Vec<SocketAddr>,
    /// How many of those there are.
    pub direct: u64,
    /// The oldest of all, as far as they can be listed; at most [`MAX_NOTED`].
    pub oldest: Vec<Straggler>,
    /// When they will be gone, where that can be said.
    pub verdict: Option<Verdict>,
    /// Who cannot list them, and why.
    pub unlisted: Vec<String>,
    /// Time to the deadline.
    pub left: Duration,
}

impl Connected {
    /// What is left, without a word about who.
    pub fn plain(wait: &ConnectionWait, left: Residual, time: Duration) -> Self {
        let direct = u64::try_from(left.unexplained.len()).unwrap_or(u64::MAX);
        Self {
            node: wait.node.clone(),
            listener: wait.listener.clone(),
            total: left.total,
            sessions: left.by_instance,
            unexplained: left.unexplained.into_iter().take(MAX_LISTED).collect(),
            direct,
            oldest: Vec::new(),
            verdict: None,
            unlisted: Vec::new(),
            left: time,
        }
    }

    /// What is left, and who.
    pub fn of(look: &Look<'_>, streaks: &Streaks, wait: &ConnectionWait, left: Residual, time: Duration) -> Self {
        let lasting = streaks.lasting(&wait.listener);
        let (oldest, unlisted) = oldest(look, streaks, wait, &left);
        let verdict = lasting.and_then(|lasting| lasting.verdict());
        Self { oldest, unlisted, verdict, ..Self::plain(wait, left, time) }
    }

    /// More about them, a line each: the oldest few.
    pub fn details(&self) -> Vec<String> {
        let shown = self.oldest.iter().take(SHOWN).map(ToString::to_string);
        shown.chain(self.unlisted.iter().take(1).map(|why| format!("not listed: {why}"))).collect()
    }
}

/// The oldest connections from every side, and who does not list any. Ages go on since they were listed.
pub fn oldest(
    look: &Look<'_>,
    streaks: &Streaks,
    wait: &ConnectionWait,
    left: &Residual,
) -> (Vec<Straggler>, Vec<String>) {
    let (mut all, mut unlisted) = (Vec::new(), Vec::new());
    for through in wait.through.iter().filter(|t| !t.blind) {
        let sessions = look.member(&through.target).map_or(0, |m| m.sessions);
        match look.stragglers(&through.holder()) {
            Some(Ok((list, at))) => {
                let since = age(look.now, at);
                // Some of the list have left since; there are never more of them than there are now.
                let some = list.oldest.iter().take(usize::try_from(sessions).unwrap_or(usize::MAX));
                all.extend(some.cloned().map(|s| Straggler { age: s.age.map(|age| age + since), ..s }));
            }
            Some(Err(why)) if sessions > 0 => unlisted.push(format!("{}: {why}", through.target.instance)),
            _ => {}
        }
    }
    all.extend(on_the_node(look, streaks, wait, left));
    if left.total == 0 {
        let passers = streaks.lasting(&wait.listener).into_iter().flat_map(|lasting| lasting.passers(look.now));
        all.extend(passers.map(|(peer, ago)| Straggler { idle: Some(ago), ..Straggler::direct(&peer) }));
    }
    oldest_first(&mut all);
    all.truncate(MAX_NOTED);
    (all, unlisted)
}

/// The sockets that nothing explains, and those of load balancers that cannot list them: with what the node tells of
/// them, and since when they are seen.
fn on_the_node(look: &Look<'_>, streaks: &Streaks, wait: &ConnectionWait, left: &Residual) -> Vec<Straggler> {
    let held = Holder::Node { node: wait.node.clone(), port: wait.port };
    let list = look.stragglers(&held).and_then(Result::ok).map(|(list, _)| list.oldest.as_slice()).unwrap_or_default();
    let lasting = streaks.lasting(&wait.listener);
    let one = |peer: &SocketAddr, through: Option<InstanceName>| {
        let bare = Straggler::direct(peer);
        let told = list.iter().find(|s| s.id == bare.id).cloned().unwrap_or(bare);
        Straggler { age: lasting.and_then(|lasting| lasting.seen_for(peer, look.now)), through, ..told }
    };
    let direct = left.unexplained.iter().map(|peer| one(peer, None));
    direct
        .chain(unlisted(look, wait).map(|(through, peer)| one(&peer, Some(through.target.instance.clone()))))
        .collect()
}

/// The sockets that are surely a load balancer's that cannot list its connections, and of which none is idle: each has
/// a client behind it.
pub fn unlisted<'a>(look: &Look<'_>, wait: &'a ConnectionWait) -> impl Iterator<Item = (&'a Through, SocketAddr)> {
    let busy = |through: &Through| {
        let all_busy = look.member(&through.target).is_ok_and(|m| m.sessions > 0 && m.idle == 0);
        all_busy && look.lists_nothing(&through.holder())
    };
    let owned = look.owned(wait).into_iter();
    owned.filter_map(|(number, peer)| Some((wait.through.get(number)?, peer))).filter(move |(t, _)| busy(t))
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.total == 1 { "" } else { "s" };
        write!(f, "{} still has {} connection{s} of {}", self.node, self.total, self.listener)?;
        let mut parts: Vec<String> =
            self.sessions.iter().filter(|(_, n)| *n > 0).map(|(lb, n)| format!("{n} through {lb}")).collect();
        if self.direct > 0 {
            let peers: Vec<String> = self.unexplained.iter().take(SHOWN).map(ToString::to_string).collect();
            let more = if self.direct > SHOWN as u64 { ", …" } else { "" };
            parts.push(format!("{} that no load balancer explains ({}{more})", self.direct, peers.join(", ")));
        }
        if !parts.is_empty() {
            write!(f, ": {}", parts.join(", "))?;
        }
        if let Some(verdict) = &self.verdict {
            write!(f, "; {verdict}")?;
        }
        write!(f, "; {} to the deadline", Short(self.left))
    }
}

#[cfg(test)]
mod tests;

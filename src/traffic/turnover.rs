//! New connections of a node by its own sockets, where no load balancer counts them: behind a name, an announced
//! prefix, or an NGINX. Pure.
//!
//! The kernel counts connections for the whole machine, not for a port. So what is counted is turnover: a far end that
//! is there, or ended since, and was not there at the look before. One that came and went between two looks is seen only
//! where the endings are known (see [`super::sockets`]); a client that takes up the same port again within the minute
//! for which an ending is remembered is not told from the one before. So it is never too much, and may be too little.

use std::{collections::BTreeSet, net::SocketAddr};

use crate::model::SocketsView;

/// Counts new connections to one port from look to look.
#[derive(Clone, Debug, Default)]
pub struct Turnover {
    known: Option<BTreeSet<SocketAddr>>,
    total: u64,
}

impl Turnover {
    /// Takes one look: what is open, and what ended within the last minute. Gives back all new connections since the
    /// first look; `None` at the first, which has nothing to compare with.
    pub fn count(&mut self, open: &SocketsView, ended: &SocketsView) -> Option<u64> {
        let now: BTreeSet<SocketAddr> = open.peers.iter().chain(&ended.peers).copied().collect();
        let before = self.known.replace(now.clone())?;
        let new = now.difference(&before).count();
        self.total = self.total.saturating_add(u64::try_from(new).unwrap_or(u64::MAX));
        Some(self.total)
    }

    /// A look that failed: what came since is not known, so the next look is a first one. What was counted stays.
    pub fn lost_sight(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(ports: &[u16]) -> SocketsView {
        SocketsView { peers: ports.iter().map(|port| SocketAddr::from(([10, 0, 0, 1], *port))).collect() }
    }

    #[test]
    fn each_connection_counts_once_whether_it_stays_or_ends() {
        let mut turnover = Turnover::default();
        let mut look = |open: &[u16], ended: &[u16]| turnover.count(&peers(open), &peers(ended));
        assert_eq!(look(&[1, 2], &[]), None, "those may be hours old");
        assert_eq!(look(&[1, 2, 3], &[]), Some(1));
        assert_eq!(look(&[1], &[2, 3]), Some(1), "an ending is no new connection");
        assert_eq!(look(&[1], &[2, 3, 4]), Some(2), "came and went between two looks");
        assert_eq!(look(&[1], &[]), Some(2));
        assert_eq!(look(&[1, 2], &[]), Some(3), "the port is used again");
    }

    #[test]
    fn what_came_while_nobody_looked_is_not_made_up() {
        let mut turnover = Turnover::default();
        turnover.count(&peers(&[1]), &peers(&[]));
        assert_eq!(turnover.count(&peers(&[1, 2]), &peers(&[])), Some(1));
        turnover.lost_sight();
        assert_eq!(turnover.count(&peers(&[7, 8, 9]), &peers(&[])), None);
        assert_eq!(turnover.count(&peers(&[7, 8, 9, 10]), &peers(&[])), Some(2));
    }
}

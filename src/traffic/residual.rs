//! What is still traffic on a node that should have none.
//!
//! Two views are put together: the sessions that the load balancers count, and the sockets that the node itself
//! counts. Neither is enough alone: a load balancer does not see a client that goes around it, and a node does
//! not see which of its sockets belong to a pool that a load balancer keeps open without any client (such pools
//! outlive a drain, and are no traffic).
//!
//! So sessions count by themselves, and a socket counts when nothing explains it: no session of a load balancer
//! (it would be counted twice) and no idle pool. The sum is zero only where no load balancer has a session *and*
//! idle pools explain every socket. Explanations are bounded by what each load balancer admits to: a pool of
//! three explains three sockets, not four.

use std::net::{IpAddr, SocketAddr};

use crate::model::{InstanceName, SocketsView};

/// What one load balancer says of its connections to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LbShare {
    /// The load balancer.
    pub instance: InstanceName,
    /// The addresses from which it connects to the node. Empty where they are not known: then it may explain a
    /// socket from anywhere.
    pub source: Vec<IpAddr>,
    /// Client sessions on the node.
    pub sessions: u64,
    /// Connections to the node that it keeps open without a client.
    pub idle: u64,
}

/// The traffic that is left on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residual {
    /// Sessions plus sockets that nothing explains. Never less than either view alone: the sum of the sessions, or
    /// the sockets beyond all idle pools.
    pub total: u64,
    /// Load balancers that still have sessions, and how many.
    pub by_instance: Vec<(InstanceName, u64)>,
    /// Sockets that neither a session nor an idle pool explains, by their far end.
    pub unexplained: Vec<SocketAddr>,
    /// Those of them that are surely no load balancer's: where one has three sockets and explains two, nobody knows
    /// which the third is.
    pub certain: Vec<SocketAddr>,
}

/// Puts the views together. IPv4 addresses mapped into IPv6 are the same as plain ones.
pub fn residual(sockets: &SocketsView, lbs: &[LbShare]) -> Residual {
    let mut left: Vec<SocketAddr> = sockets.peers.iter().map(canonical).collect();
    let (anywhere, mut known): (Vec<&LbShare>, Vec<&LbShare>) = lbs.iter().partition(|lb| lb.source.is_empty());
    // The most particular first: whoever connects from one address only cannot explain any other socket.
    known.sort_by_key(|lb| lb.source.len());
    for lb in known.iter().chain(&anywhere) {
        let mut explains = lb.idle.saturating_add(lb.sessions);
        left.retain(|peer| {
            let explained = explains > 0 && could_be_from(lb, peer.ip());
            explains -= u64::from(explained);
            !explained
        });
    }
    let certain =
        |peer: &&SocketAddr| !lbs.iter().any(|lb| (lb.idle, lb.sessions) != (0, 0) && could_be_from(lb, peer.ip()));
    let certain = left.iter().filter(certain).copied().collect();
    let sessions = lbs.iter().fold(0_u64, |sum, lb| sum.saturating_add(lb.sessions));
    Residual {
        total: sessions.saturating_add(u64::try_from(left.len()).unwrap_or(u64::MAX)),
        by_instance: lbs.iter().filter(|lb| lb.sessions > 0).map(|lb| (lb.instance.clone(), lb.sessions)).collect(),
        unexplained: left,
        certain,
    }
}

/// The sockets that can be of one load balancer only, by its number in `lbs`: no other one that holds anything connects
/// from there.
pub fn owned(sockets: &SocketsView, lbs: &[LbShare]) -> Vec<(usize, SocketAddr)> {
    let owner = |peer: SocketAddr| {
        let mut could =
            lbs.iter().enumerate().filter(|(_, lb)| (lb.idle, lb.sessions) != (0, 0) && could_be_from(lb, peer.ip()));
        match (could.next(), could.next()) {
            (Some((number, lb)), None) if !lb.source.is_empty() => Some((number, peer)),
            _ => None,
        }
    };
    sockets.peers.iter().map(canonical).filter_map(owner).collect()
}

fn could_be_from(lb: &LbShare, peer: IpAddr) -> bool {
    lb.source.is_empty() || lb.source.iter().any(|source| source.to_canonical() == peer)
}

fn canonical(peer: &SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(list: &[&str]) -> SocketsView {
        SocketsView { peers: list.iter().map(|p| p.parse().expect("an address")).collect() }
    }

    fn lb(name: &str, source: &[&str], sessions: u64, idle: u64) -> LbShare {
        let source = source.iter().map(|s| s.parse().expect("an address")).collect();
        LbShare { instance: name.into(), source, sessions, idle }
    }

    #[test]
    fn nothing_anywhere_is_no_residual() {
        assert_eq!(residual(&peers(&[]), &[lb("lb-01", &["10.0.0.1"], 0, 0)]), Residual::default());
    }

    #[test]
    fn an_idle_pool_is_no_traffic_up_to_its_size() {
        let seen = peers(&["10.0.0.1:1001", "10.0.0.1:1002", "10.0.0.1:1003"]);
        assert_eq!(residual(&seen, &[lb("lb-01", &["10.0.0.1"], 0, 3)]).total, 0);
        let left = residual(&seen, &[lb("lb-01", &["10.0.0.1"], 0, 2)]);
        assert_eq!(left.total, 1);
        assert_eq!(left.unexplained, peers(&["10.0.0.1:1003"]).peers);
    }

    #[test]
    fn a_pool_does_not_explain_another_address() {
        let left = residual(&peers(&["10.0.0.9:4000"]), &[lb("lb-01", &["10.0.0.1"], 0, 5)]);
        assert_eq!(left.unexplained, peers(&["10.0.0.9:4000"]).peers);
        assert_eq!(left.total, 1);
    }

    #[test]
    fn what_may_be_a_load_balancers_is_not_certain() {
        let seen = peers(&["10.0.0.1:1", "10.0.0.1:2", "10.0.0.9:3"]);
        let left = residual(&seen, &[lb("lb-01", &["10.0.0.1"], 1, 0)]);
        assert_eq!((left.unexplained.len(), left.certain), (2, peers(&["10.0.0.9:3"]).peers));
        // One that holds nothing has nothing that could be meant; one that connects from anywhere may have all.
        assert_eq!(residual(&seen, &[lb("lb-01", &["10.0.0.1"], 0, 0)]).certain.len(), 3);
        assert!(residual(&seen, &[lb("lb-01", &[], 1, 0)]).certain.is_empty());
    }

    #[test]
    fn a_socket_is_owned_where_only_one_can_be_meant() {
        let seen = peers(&["10.0.0.1:1", "10.0.0.2:2", "10.0.0.9:3"]);
        let (one, two) = (lb("lb-01", &["10.0.0.1"], 1, 0), lb("lb-02", &["10.0.0.1", "10.0.0.2"], 0, 0));
        assert_eq!(owned(&seen, &[one.clone(), two.clone()]), [(0, "10.0.0.1:1".parse().expect("an address"))]);
        let busy = LbShare { sessions: 1, ..two };
        assert_eq!(owned(&seen, &[one.clone(), busy]), [(1, "10.0.0.2:2".parse().expect("an address"))]);
        assert!(owned(&seen, &[one, lb("lb-03", &[], 1, 0)]).is_empty(), "it may connect from anywhere");
    }

    #[test]
    fn an_unknown_source_explains_what_the_known_ones_leave() {
        let seen = peers(&["10.0.0.1:1", "10.0.0.7:2", "10.0.0.8:3"]);
        let lbs = [lb("lb-02", &[], 0, 1), lb("lb-01", &["10.0.0.1"], 0, 1)];
        let left = residual(&seen, &lbs);
        assert_eq!((left.total, left.unexplained), (1, peers(&["10.0.0.8:3"]).peers));
    }

    #[test]
    fn sessions_count_once_though_both_sides_see_them() {
        let seen = peers(&["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"]);
        let left = residual(&seen, &[lb("lb-01", &["10.0.0.1"], 2, 1)]);
        assert_eq!(left.total, 2);
        assert_eq!(left.by_instance, vec![("lb-01".into(), 2)]);
        assert!(left.unexplained.is_empty());
    }

    #[test]
    fn sessions_count_without_any_socket() {
        // HTTP/2 to the node: many sessions on one connection; or the session still waits in a queue.
        let left = residual(&peers(&[]), &[lb("lb-01", &["10.0.0.1"], 4, 0), lb("lb-02", &[], 1, 0)]);
        assert_eq!(left.total, 5);
    }

    #[test]
    fn a_mapped_address_is_the_same_address() {
        let left = residual(&peers(&["[::ffff:10.0.0.1]:1"]), &[lb("lb-01", &["10.0.0.1"], 0, 1)]);
        assert_eq!(left.total, 0);
        let left = residual(&peers(&["10.0.0.1:1"]), &[lb("lb-01", &["::ffff:10.0.0.1"], 0, 1)]);
        assert_eq!(left.total, 0);
    }

    #[test]
    fn shared_addresses_go_to_the_most_particular_first() {
        let seen = peers(&["10.0.0.2:1", "10.0.0.1:1"]);
        let lbs = [lb("lb-01", &["10.0.0.1", "10.0.0.2"], 0, 1), lb("lb-02", &["10.0.0.2"], 0, 1)];
        assert_eq!(residual(&seen, &lbs).total, 0);
    }

    proptest::proptest! {
        /// Zero exactly where there are no sessions and pools cover everything; never less than either view.
        #[test]
        fn never_less_than_either_view(n in 0_usize..8, idle in 0_u64..8, sessions in 0_u64..8) {
            let seen = SocketsView { peers: vec!["10.0.0.1:1".parse().expect("an address"); n] };
            let total = residual(&seen, &[lb("lb-01", &["10.0.0.1"], sessions, idle)]).total;
            let beyond = (n as u64).saturating_sub(idle);
            proptest::prop_assert_eq!(total, sessions.max(beyond));
        }
    }
}

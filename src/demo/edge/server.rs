//! The servers of one load balancer: who is next, and what each is doing.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Admin, Checks, Setting, check::CheckState};

/// Idle connections kept to one server.
const MAX_IDLE: usize = 32;
/// The weight that a server begins with.
const WEIGHT: u32 = 100;

/// A connection to a server.
pub(super) type Upstream = SendRequest<Full<Bytes>>;

/// One server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) setting: Setting,
    pub(super) health: CheckState,
    pub(super) changed: Instant,
    pub(super) requests: u64,
    pub(super) errors: u64,
    sessions: u64,
    idle: Vec<Upstream>,
    /// Ends the sessions of now when they are to be cut.
    cut: CancellationToken,
    /// How much it is owed, for the round by weight.
    owed: i64,
}

impl Server {
    fn new(name: String, address: SocketAddr) -> Self {
        Self {
            name,
            address,
            setting: Setting { admin: Admin::Ready, weight: WEIGHT },
            health: CheckState::assumed_up(),
            changed: Instant::now(),
            requests: 0,
            errors: 0,
            sessions: 0,
            idle: Vec::new(),
            cut: CancellationToken::new(),
            owed: 0,
        }
    }

    fn takes_requests(&self) -> bool {
        self.setting.admin == Admin::Ready && self.setting.weight > 0 && self.health.is_up()
    }

    pub(super) fn set(&mut self, setting: Setting) {
        if setting.admin != self.setting.admin {
            self.changed = Instant::now();
            if self.setting.admin == Admin::Maint {
                self.health.assume_up();
            }
        }
        self.setting = setting;
    }

    pub(super) fn check_afresh(&mut self) {
        self.set(Setting { admin: Admin::Drain, ..self.setting });
        self.health.void();
        self.changed = Instant::now();
    }

    /// Takes note of a check that began in `epoch`.
    pub(super) fn note_check(&mut self, epoch: u64, result: Result<(), String>, checks: &Checks) {
        if self.health.epoch == epoch && self.health.note(result, checks) {
            self.changed = Instant::now();
        }
    }

    pub(super) fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Pooled connections that are still open.
    pub(super) fn idle(&mut self) -> u64 {
        self.idle.retain(|c| !c.is_closed());
        self.idle.len() as u64
    }

    pub(super) fn close_sessions(&mut self) {
        std::mem::take(&mut self.cut).cancel();
    }

    /// A request begins: on an idle connection where there is one.
    fn begin(&mut self) -> (Option<Upstream>, CancellationToken) {
        self.sessions += 1;
        self.requests += 1;
        self.idle();
        (self.idle.pop(), self.cut.clone())
    }

    /// It ended. Its connection becomes idle in the same moment in which its session goes, so that nobody who
    /// looks sees a connection that neither explains.
    pub(super) fn end(&mut self, failed: bool, connection: Option<Upstream>) {
        self.sessions = self.sessions.saturating_sub(1);
        self.errors += u64::from(failed);
        if let Some(connection) = connection
            && self.idle.len() < MAX_IDLE
        {
            self.idle.push(connection);
        }
    }
}

/// A request on its way: which server, and by which connection.
pub(super) struct Assigned {
    pub(super) server: usize,
    pub(super) address: SocketAddr,
    pub(super) pooled: Option<Upstream>,
    pub(super) cut: CancellationToken,
}

/// All servers.
pub(super) struct Servers(Vec<Server>);

impl Servers {
    pub(super) fn new(servers: &[(String, SocketAddr)]) -> Self {
        Self(servers.iter().map(|(name, address)| Server::new(name.clone(), *address)).collect())
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut Server> {
        self.0.iter_mut().find(|s| s.name == name)
    }

    pub(super) fn at(&mut self, server: usize) -> Option<&mut Server> {
        self.0.get_mut(server)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Server> {
        self.0.iter_mut()
    }

    pub(super) fn drop_idle(&mut self) {
        for server in &mut self.0 {
            server.idle.clear();
        }
    }

    /// The next server's turn, and the beginning of a request there; `None` where no server takes requests.
    pub(super) fn assign(&mut self) -> Option<Assigned> {
        let number = self.next()?;
        let server = &mut self.0[number];
        let (pooled, cut) = server.begin();
        Some(Assigned { server: number, address: server.address, pooled, cut })
    }

    /// Smooth weighted round robin: all gain their weight, the one that is owed most pays for the round.
    fn next(&mut self) -> Option<usize> {
        let mut round = 0;
        let mut best: Option<(usize, i64)> = None;
        for (number, server) in self.0.iter_mut().enumerate() {
            if !server.takes_requests() {
                server.owed = 0;
                continue;
            }
            let weight = i64::from(server.setting.weight);
            server.owed += weight;
            round += weight;
            if best.is_none_or(|(_, owed)| server.owed > owed) {
                best = Some((number, server.owed));
            }
        }
        let (number, _) = best?;
        self.0[number].owed -= round;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> Servers {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        Servers::new(&["a", "b", "c"].map(|n| (n.to_owned(), address)))
    }

    fn counts(servers: &mut Servers, rounds: usize) -> [usize; 3] {
        let mut counts = [0; 3];
        for _ in 0..rounds {
            counts[servers.assign().expect("a server").server] += 1;
        }
        counts
    }

    #[test]
    fn requests_follow_the_weights() {
        let mut all = servers();
        assert_eq!(counts(&mut all, 300), [100; 3]);
        all.0[1].setting.weight = 50;
        assert_eq!(counts(&mut all, 250), [100, 50, 100]);
    }

    #[test]
    fn drained_down_and_weightless_servers_get_nothing() {
        let mut all = servers();
        all.0[0].set(Setting { admin: Admin::Drain, weight: WEIGHT });
        assert_eq!(counts(&mut all, 10), [0, 5, 5]);
        all.0[1].health.void();
        assert_eq!(counts(&mut all, 10), [0, 0, 10]);
        all.0[2].setting.weight = 0;
        assert!(all.assign().is_none());
    }

    #[test]
    fn leaving_maintenance_counts_as_up_and_a_fresh_check_does_not() {
        let mut all = servers();
        let server = &mut all.0[0];
        server.health.void();
        server.set(Setting { admin: Admin::Maint, weight: WEIGHT });
        server.set(Setting { admin: Admin::Ready, weight: WEIGHT });
        assert!(server.takes_requests(), "the trap of every load balancer that works so");
        server.check_afresh();
        server.set(Setting { admin: Admin::Ready, weight: WEIGHT });
        assert!(!server.takes_requests());
    }
}

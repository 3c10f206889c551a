//! Clients with habits: connections that stay, clients that are bound to a node by a cookie and come back, and clients
//! that go around every load balancer.

use std::{net::SocketAddr, time::Duration};

use tidegate::model::{Straggler, Stragglers};

use crate::world::{Admin, Broken, LBS, Sim, excused};

/// One session at a load balancer, in milliseconds of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: u64,
    pub since: u64,
    pub end: u64,
}

/// A client with a cookie: it goes to its node as long as it is let in, and takes what it gets otherwise.
#[derive(Clone, Debug)]
pub struct Bound {
    pub home: String,
    pub every: u64,
    next: u64,
    /// Requests that were answered, and at which node the last one was.
    pub answered: u64,
}

impl Bound {
    pub fn to(home: &str, every: u64) -> Self {
        Self { home: home.into(), every, next: 0, answered: 0 }
    }
}

impl Sim {
    /// Sessions at one load balancer that begin now and stay for so long.
    pub fn stay(&mut self, lb: usize, node: &str, count: usize, millis: u64) {
        for _ in 0..count {
            let session = self.session(self.now + millis);
            if let Some(server) = self.lbs[lb].servers.get_mut(node) {
                server.sessions.push(session);
            }
        }
    }

    /// A session that begins now.
    pub fn session(&mut self, end: u64) -> Session {
        self.ids += 1;
        Session { id: self.ids, since: self.now, end }
    }

    /// The requests of clients with a cookie. Each is short, so a look may never see one.
    pub fn bound_clients(&mut self) {
        for n in 0..self.bound.len() {
            if self.now < self.bound[n].next {
                continue;
            }
            let mut client = self.bound[n].clone();
            client.next = self.now + client.every;
            let lb = n % self.lbs.len();
            let lets_in = |admin: Admin| matches!(admin, Admin::Ready | Admin::Drain);
            let servers = &mut self.lbs[lb].servers;
            if !servers.get(&client.home).is_some_and(|s| lets_in(s.admin) && s.up) {
                let other = servers.iter().find(|(_, s)| s.admin == Admin::Ready && s.up).map(|(name, _)| name.clone());
                client.home = other.unwrap_or_default();
            }
            if let Some(server) = servers.get_mut(&client.home) {
                server.requests += 1;
            }
            if self.answers(&client.home) {
                client.answered += 1;
                let session = self.session(self.now + 20);
                self.lbs[lb].servers.get_mut(&client.home).into_iter().for_each(|s| s.sessions.push(session));
            } else if !excused(&self.faults, self.watched_since, lb, &self.lbs[lb], self.now) {
                self.lost += 1;
                let what = format!("{} ms: a client that is bound to {} met nobody there", self.now, client.home);
                self.broken.push(Broken(what));
            }
            self.bound[n] = client;
        }
    }

    /// What a load balancer would list of a server.
    pub fn stragglers(&self, lb: usize, server: &str) -> Option<Stragglers> {
        let sessions = &self.lbs[lb].servers.get(server)?.sessions;
        let one = |s: &Session| Straggler {
            peer: format!("192.0.2.7:{}", 1000 + s.id),
            age: Some(Duration::from_millis(self.now.saturating_sub(s.since))),
            received: Some(s.id),
            sent: Some(0),
            idle: None,
            through: Some(LBS[lb].into()),
            id: s.id.to_string(),
        };
        Some(Stragglers::of(sessions.iter().map(one).collect()))
    }

    /// Cuts one session, if it is still there.
    pub fn cut_session(&mut self, lb: usize, server: &str, id: &str) {
        let now = self.now;
        let Some(sessions) = self.lbs[lb].servers.get_mut(server).map(|s| &mut s.sessions) else { return };
        let Some(at) = sessions.iter().position(|s| s.id.to_string() == id) else { return };
        let session = sessions.remove(at);
        self.cut += 1;
        self.cut_ages.push(now - session.since);
        self.note(format!("{} {server} cut one", LBS[lb]));
    }

    /// Cuts sockets on a node; says whether there were any that are nobody else's.
    pub fn cut_direct(&mut self, peers: &[SocketAddr]) -> bool {
        let before = self.direct.len();
        self.direct.retain(|peer| !peers.contains(peer));
        let cut = before - self.direct.len();
        self.note(format!("{cut} sockets cut"));
        cut > 0
    }
}

//! The simulated world: three nodes, two load balancers with checks and clients, a cluster with Pacemaker's habits.
//! It moves in steps of 20 ms of virtual time, from one seed, and counts every request that it loses.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use tidegate::model::{
    Admission, CloneInstance, ClusterView, Exact, Health, InstanceView, Member, MemberView, NodeName, Ownership, Role,
    RunId, cluster::Ban,
};

use crate::clients::{Bound, Session};

pub const STEP: u64 = 20;
pub const SERVERS: [&str; 3] = ["node-1", "node-2", "node-3"];
pub const LBS: [&str; 2] = ["lb-1", "lb-2"];

/// What goes wrong, and how often.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Chance that a call is lost before it does anything, in percent.
    pub lost: u8,
    /// Chance that a change happens and its answer is lost, in percent.
    pub unanswered: u8,
    /// Chance that the cluster answers from up to half a second ago, in percent.
    pub stale: u8,
    /// Moments (ms) at which a load balancer forgets its runtime state.
    pub reloads: Vec<(u64, usize)>,
    /// Spans (ms) in which the cluster has no quorum.
    pub no_quorum: Vec<(u64, u64)>,
    /// Spans (ms) in which a load balancer does not answer.
    pub cut: Vec<(u64, u64, usize)>,
    /// Longest time of a client session in ms.
    pub longest_session: u64,
}

impl Faults {
    pub fn none() -> Self {
        Self {
            lost: 0,
            unanswered: 0,
            stale: 0,
            reloads: vec![],
            no_quorum: vec![],
            cut: vec![],
            longest_session: 1500,
        }
    }

    pub fn random(rng: &mut Rng) -> Self {
        let span = |rng: &mut Rng| {
            let from = rng.u64(0..12_000);
            (from, from + rng.u64(200..6_000))
        };
        Self {
            lost: if rng.bool() { rng.u8(0..15) } else { 0 },
            unanswered: if rng.bool() { rng.u8(0..15) } else { 0 },
            stale: if rng.bool() { rng.u8(0..20) } else { 0 },
            reloads: (0..rng.usize(0..3)).map(|_| (rng.u64(0..25_000), rng.usize(0..2))).collect(),
            no_quorum: (0..rng.usize(0..2)).map(|_| span(rng)).collect(),
            cut: (0..rng.usize(0..2)).map(|_| (span(rng), rng.usize(0..2))).map(|((a, b), lb)| (a, b, lb)).collect(),
            longest_session: rng.u64(200..6_000),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    Ready,
    Drain,
    Maint,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub admin: Admin,
    pub weight: u32,
    pub up: bool,
    /// No check has been made since the process began.
    pub unchecked_yet: bool,
    streak: u32,
    changed: u64,
    pub sessions: Vec<Session>,
    pub idle: u64,
    pub requests: u64,
    pub errors: u64,
}

#[derive(Clone, Debug)]
pub struct Lb {
    pub servers: BTreeMap<String, Server>,
    pub generation: u64,
    reloaded_at: Option<u64>,
    next_check: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Running { ready_at: u64 },
    Stopping { until: u64 },
    Stopped,
    Starting { until: u64 },
}

#[derive(Clone, Debug)]
pub struct Node {
    pub standby: Option<String>,
    pub owner: Option<Ownership>,
    pub unit: Unit,
    /// When the cluster's record follows the unit.
    recorded_at: u64,
    pub recorded: Unit,
    pub extra_running: bool,
    /// `/ready` fails although the unit runs.
    pub sick: bool,
}

/// What must never happen, when it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

pub struct Sim {
    pub rng: Rng,
    pub now: u64,
    pub faults: Faults,
    pub lbs: Vec<Lb>,
    pub nodes: BTreeMap<NodeName, Node>,
    /// Requests lost although nobody may lose any.
    pub lost: u64,
    /// Sessions that a policy cut on purpose.
    pub cut: u64,
    /// How old each of those was that were cut one by one.
    pub cut_ages: Vec<u64>,
    /// Clients with a cookie.
    pub bound: Vec<Bound>,
    /// Clients of the drained node that go around every load balancer.
    pub direct: Vec<SocketAddr>,
    /// How long a list of sessions takes, and how many were asked for.
    pub list_time: u64,
    pub lists: u64,
    pub broken: Vec<Broken>,
    /// How many instances the clone may have; `None` is one a node.
    pub clone_max: Option<usize>,
    /// Nodes that a run has banned for it.
    pub bans: BTreeMap<NodeName, RunId>,
    /// Effects as they happened: the servers' own log.
    pub log: Vec<(u64, String)>,
    /// Since when a program executes a run; nobody answers a reload while none does.
    pub watched_since: Option<u64>,
    past: Vec<ClusterView>,
    port: u16,
    pub ids: u64,
}

impl Sim {
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut rng = Rng::with_seed(seed);
        let weight = *[1_u32, 10, 100, 256].get(rng.usize(0..4)).unwrap_or(&100);
        let server = Server {
            admin: Admin::Ready,
            weight,
            up: true,
            unchecked_yet: false,
            streak: 0,
            changed: 0,
            sessions: vec![],
            idle: 0,
            requests: 0,
            errors: 0,
        };
        let lb = Lb {
            servers: SERVERS.iter().map(|s| ((*s).to_owned(), server.clone())).collect(),
            generation: 1,
            reloaded_at: None,
            next_check: 0,
        };
        let node = Node {
            standby: None,
            owner: None,
            unit: Unit::Running { ready_at: 0 },
            recorded_at: 0,
            recorded: Unit::Running { ready_at: 0 },
            extra_running: true,
            sick: false,
        };
        Self {
            rng,
            now: 0,
            faults,
            lbs: vec![lb.clone(), lb],
            nodes: SERVERS.iter().map(|s| (NodeName::from(*s), node.clone())).collect(),
            lost: 0,
            cut: 0,
            cut_ages: vec![],
            bound: vec![],
            direct: vec![],
            list_time: 30,
            lists: 0,
            broken: vec![],
            clone_max: None,
            bans: BTreeMap::new(),
            log: vec![],
            watched_since: None,
            past: vec![],
            port: 40_000,
            ids: 0,
        }
    }

    /// Moves the world to `to` milliseconds.
    pub fn advance(&mut self, to: u64) {
        while self.now + STEP <= to {
            self.now += STEP;
            self.reload();
            self.units();
            self.enough_ready();
            self.checks();
            self.traffic();
            self.bound_clients();
            if self.now.is_multiple_of(100) {
                let view = self.cluster_now();
                self.past.push(view);
                if self.past.len() > 6 {
                    self.past.remove(0);
                }
            }
        }
    }

    pub fn note(&mut self, what: impl Into<String>) {
        self.log.push((self.now, what.into()));
    }

    fn reload(&mut self) {
        let now = self.now;
        let due: Vec<usize> =
            self.faults.reloads.iter().filter(|(at, _)| *at > now - STEP && *at <= now).map(|(_, lb)| *lb).collect();
        for lb in due {
            let lb = &mut self.lbs[lb];
            lb.generation += 1;
            lb.reloaded_at = Some(now);
            for server in lb.servers.values_mut() {
                // A new process believes in every server until a check says otherwise, and counts from zero.
                (server.admin, server.up, server.unchecked_yet, server.streak) = (Admin::Ready, true, true, 0);
                (server.requests, server.errors, server.idle, server.changed) = (0, 0, 0, now);
            }
            self.note("reload");
        }
    }

    fn units(&mut self) {
        let now = self.now;
        let mut ended = Vec::new();
        let unwanted = self.unwanted();
        for (name, node) in &mut self.nodes {
            let out = unwanted.contains(name);
            let next = match node.unit {
                Unit::Running { .. } if out => Unit::Stopping { until: now + self.rng.u64(40..400) },
                Unit::Stopping { until } if now >= until => {
                    ended.push(name.clone());
                    node.recorded_at = now + self.rng.u64(0..2_200);
                    Unit::Stopped
                }
                Unit::Stopped if !out && node.recorded == Unit::Stopped => {
                    Unit::Starting { until: now + self.rng.u64(100..2_000) }
                }
                Unit::Starting { until } if now >= until => {
                    node.recorded_at = now + self.rng.u64(0..2_200);
                    Unit::Running { ready_at: now + self.rng.u64(0..3_000) }
                }
                same => same,
            };
            node.unit = next;
            if now >= node.recorded_at {
                node.recorded = node.unit;
            }
        }
        for name in ended {
            for (number, lb) in self.lbs.iter_mut().enumerate() {
                let excused = excused(&self.faults, self.watched_since, number, lb, now);
                if let Some(server) = lb.servers.get_mut(name.as_str()) {
                    let open = server.sessions.len() as u64;
                    (server.sessions, server.idle) = (vec![], 0);
                    // A client that a reload let in within the last moments is the reload's loss.
                    self.lost += if excused { 0 } else { open };
                }
            }
            self.note(format!("stopped {name}"));
        }
    }

    pub fn answers(&self, node: &str) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|n| matches!(n.unit, Unit::Running { ready_at } if self.now >= ready_at) && !n.sick)
    }

    fn runs(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|n| matches!(n.unit, Unit::Running { .. } | Unit::Stopping { .. }))
    }

    fn checks(&mut self) {
        for lb in 0..self.lbs.len() {
            if self.now < self.lbs[lb].next_check {
                continue;
            }
            self.lbs[lb].next_check = self.now + 2_000;
            for name in SERVERS {
                let pass = self.answers(name);
                let now = self.now;
                let Some(server) = self.lbs[lb].servers.get_mut(name) else { continue };
                if server.admin == Admin::Maint {
                    continue;
                }
                server.unchecked_yet = false;
                server.streak = if pass == server.up { 0 } else { server.streak + 1 };
                if server.streak >= 2 {
                    (server.up, server.streak, server.changed) = (pass, 0, now);
                }
            }
        }
    }

    fn traffic(&mut self) {
        let now = self.now;
        for lb in 0..self.lbs.len() {
            for name in SERVERS {
                let Some(server) = self.lbs[lb].servers.get_mut(name) else { continue };
                let before = server.sessions.len();
                server.sessions.retain(|s| s.end > now);
                server.idle = (server.idle + (before - server.sessions.len()) as u64).min(3);
            }
            for _ in 0..self.rng.usize(0..3) {
                self.request(lb);
            }
        }
    }

    fn request(&mut self, lb: usize) {
        let open: Vec<(String, u32)> = self.lbs[lb]
            .servers
            .iter()
            .filter(|(_, s)| s.admin == Admin::Ready && s.up && s.weight > 0)
            .map(|(n, s)| (n.clone(), s.weight))
            .collect();
        let total: u32 = open.iter().map(|(_, w)| w).sum();
        let excused = excused(&self.faults, self.watched_since, lb, &self.lbs[lb], self.now);
        if total == 0 {
            self.lost += 1;
            self.broken.push(Broken(format!("{} ms: nobody serves at {}", self.now, LBS[lb])));
            return;
        }
        let mut pick = self.rng.u32(0..total);
        let Some((name, _)) = open.into_iter().find(|(_, w)| {
            let hit = pick < *w;
            pick = pick.saturating_sub(*w);
            hit
        }) else {
            return;
        };
        let answered = self.runs(&name) && self.answers(&name);
        let end = self.now + self.rng.u64(20..self.faults.longest_session.max(21));
        let session = self.session(end);
        let Some(server) = self.lbs[lb].servers.get_mut(&name) else { return };
        server.requests += 1;
        if answered {
            server.idle = server.idle.saturating_sub(1);
            server.sessions.push(session);
        } else {
            server.errors += 1;
            self.lost += u64::from(!excused);
            if !excused {
                self.broken.push(Broken(format!(
                    "{} ms: {} sent a client to {name}, which does not serve",
                    self.now, LBS[lb]
                )));
            }
        }
    }

    /// Client sessions on a node, those aside that a reload let in before anybody could do something about it.
    fn open_sessions(&self, node: &str) -> u64 {
        let calm = |(n, lb): &(usize, &Lb)| !excused(&self.faults, self.watched_since, *n, lb, self.now);
        let servers = self.lbs.iter().enumerate().filter(calm).filter_map(|(_, lb)| lb.servers.get(node));
        servers.map(|s| s.sessions.len() as u64).sum()
    }

    pub fn set_server(&mut self, lb: usize, name: &str, admin: Option<Admin>, weight: Option<u32>) -> bool {
        let now = self.now;
        let Some(server) = self.lbs[lb].servers.get_mut(name) else { return false };
        if let Some(weight) = weight {
            server.weight = weight;
        }
        if let Some(admin) = admin {
            if server.admin != admin {
                server.changed = now;
            }
            server.admin = admin;
        }
        if !self.lbs[lb].servers.values().any(|s| s.admin == Admin::Ready && s.up) {
            self.broken.push(Broken(format!("{now} ms: the last server of {} was drained", LBS[lb])));
        }
        true
    }

    pub fn health_down(&mut self, lb: usize, name: &str) {
        let now = self.now;
        if let Some(server) = self.lbs[lb].servers.get_mut(name) {
            // In maintenance nothing is checked: the way to a check leads through drain.
            if server.admin == Admin::Maint {
                server.admin = Admin::Drain;
            }
            (server.up, server.streak, server.changed) = (false, 0, now);
        }
    }

    /// Standby, or a ban.
    pub fn leave(&mut self, node: &NodeName, owner: &Ownership, forced: bool, ban: bool) {
        let open = self.open_sessions(node.as_str());
        if open > 0 && !forced {
            self.broken.push(Broken(format!("{} ms: standby of {node} with {open} sessions open", self.now)));
        }
        let serving = SERVERS.iter().filter(|n| **n != node.as_str() && self.answers(n)).count();
        if serving < 2 {
            self.broken.push(Broken(format!("{} ms: standby of {node} leaves {serving} ready", self.now)));
        }
        if ban {
            self.note(format!("ban {node}"));
            self.bans.insert(node.clone(), owner.run.clone());
            return;
        }
        self.note(format!("standby {node}"));
        if let Some(n) = self.nodes.get_mut(node) {
            n.standby = Some("on".into());
            n.owner = Some(owner.clone());
        }
    }

    pub fn quorate(&self) -> bool {
        !self.faults.no_quorum.iter().any(|(from, to)| (*from..*to).contains(&self.now))
    }

    pub fn cut_off(&self, lb: usize) -> bool {
        self.faults.cut.iter().any(|(from, to, which)| *which == lb && (*from..*to).contains(&self.now))
    }

    /// The cluster now, or (where an old answer is due) up to half a second ago.
    pub fn cluster(&mut self) -> ClusterView {
        let stale = self.rng.u8(0..100) < self.faults.stale;
        match self.past.first() {
            Some(old) if stale => old.clone(),
            _ => self.cluster_now(),
        }
    }

    fn cluster_now(&self) -> ClusterView {
        let member = |n: &Node| Member {
            online: true,
            standby: n.standby.as_deref() == Some("on"),
            attributes: Default::default(),
            standby_attribute: n.standby.clone(),
            owner: n.owner.clone(),
            ..Member::default()
        };
        let instance = |(name, n): (&NodeName, &Node)| {
            let (role, active, pending) = match (n.recorded, n.unit) {
                (Unit::Running { .. }, Unit::Stopping { .. } | Unit::Stopped) => {
                    (Role::Started, true, Some("Stopping"))
                }
                (Unit::Stopping { .. }, _) => (Role::Started, true, Some("Stopping")),
                (Unit::Running { .. }, _) => (Role::Started, true, None),
                (_, Unit::Starting { .. }) => (Role::Started, true, Some("Starting")),
                (Unit::Starting { .. }, Unit::Running { .. }) => (Role::Started, true, Some("Starting")),
                _ => return None,
            };
            Some(CloneInstance {
                resource: "app_service".into(),
                node: Some(name.clone()),
                role,
                active,
                pending: pending.map(Into::into),
                failed: false,
                blocked: false,
                managed: true,
            })
        };
        let ban = |(node, run): (&NodeName, &RunId)| Ban {
            resource: "app_service".into(),
            node: node.clone(),
            run: run.clone(),
        };
        ClusterView {
            dc: Some("node-1".into()),
            quorate: self.quorate(),
            version: None,
            maintenance_mode: false,
            fencing: true,
            transition: self.nodes.values().any(|n| n.recorded != n.unit),
            nodes: self.nodes.iter().map(|(name, n)| (name.clone(), member(n))).collect(),
            instances: self.nodes.iter().filter_map(instance).collect(),
            resources: Vec::new(),
            bans: self.bans.iter().map(ban).collect(),
            withheld: Vec::new(),
            clone_max: self.clone_max.map(|n| ("app_service".to_owned(), n.to_string())).into_iter().collect(),
        }
    }

    pub fn lb_view(&self, lb: usize) -> InstanceView {
        let view = |s: &Server| MemberView {
            admission: match s.admin {
                Admin::Ready => Admission::Serving,
                Admin::Drain => Admission::Draining,
                Admin::Maint => Admission::Out,
            },
            health: match s.admin {
                Admin::Maint => Health::Failing { reason: "MAINT".into() },
                _ if s.up && !s.unchecked_yet => Health::Passing,
                _ => Health::Failing { reason: if s.unchecked_yet { "INI" } else { "L7STS/503" }.into() },
            },
            weight: s.weight,
            sessions: s.sessions.len() as u64,
            idle: s.idle,
            requests_total: s.requests,
            errors_total: s.errors,
            since_change: Some(Duration::from_secs((self.now - s.changed) / 1000)),
            exact: exact(s.admin, s.weight),
            admits_bound: s.admin == Admin::Drain,
            ..MemberView::default()
        };
        InstanceView {
            generation: self.lbs[lb].generation.to_string(),
            members: self.lbs[lb].servers.iter().map(|(n, s)| (n.clone(), view(s))).collect(),
            ..InstanceView::default()
        }
    }

    /// Sockets on a node: a client's session has one, and so has each idle connection.
    pub fn sockets(&mut self, node: &str) -> Vec<(usize, u16)> {
        let mut list = Vec::new();
        for (lb, balancer) in self.lbs.iter().enumerate() {
            let Some(server) = balancer.servers.get(node) else { continue };
            for _ in 0..server.sessions.len() as u64 + server.idle {
                self.port = self.port.checked_add(1).unwrap_or(40_000);
                list.push((lb, self.port));
            }
        }
        list
    }
}

/// A load balancer that reloads sends clients to a drained node until somebody sees it: four seconds (calls are lost)
/// after the reload, after a program watches, or after the load balancer can be reached again.
pub fn excused(faults: &Faults, watched: Option<u64>, number: usize, lb: &Lb, now: u64) -> bool {
    let Some(at) = lb.reloaded_at else { return false };
    let Some(watched) = watched else { return true };
    let at = at.max(watched);
    let reachable =
        faults.cut.iter().filter(|(from, to, n)| *n == number && *from <= at + 4_000 && *to > at).map(|c| c.1);
    now < reachable.max().unwrap_or(at).max(at) + 4_000
}

pub fn exact(admin: Admin, weight: u32) -> Exact {
    Exact(
        serde_json::json!({ "admin": match admin { Admin::Ready => 0, Admin::Drain => 8, Admin::Maint => 1 }, "weight": weight }),
    )
}

/// Virtual time zero.
pub fn epoch() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("a time")
}

//! DNS: the records of one name, changed by dynamic update (RFC 2136) with TSIG, on every server of the zone.
//!
//! What makes this more than an `nsupdate`:
//! * **Nobody's edit is overwritten.** An update names the whole set as it was read a moment before, and the zone's
//!   serial; a server that holds something else by then does nothing. If another hand changed *our* member's record or
//!   the TTL since the run looked, that is refused and told; if it changed somebody else's record, the new set is read
//!   and ours is changed in it, which leaves the other edit as it is. Where the serial is no guard, because the server
//!   signs the zone and serves another serial than it updates, the values alone guard.
//! * **Never the last record.** The update that would remove it is not made; and since the update names the set that
//!   it was made from, a record that somebody else removes in the same moment cannot make it the last one either.
//! * **Accepted by the primary is not served by all.** Each server that the zone names (secondaries too) is asked for
//!   itself, and compared by the records and the TTL that it answers with. The serial is shown, and proves nothing.
//! * **Silence after an update is no refusal.** The connection may break after the server has done it. Only an answer
//!   says more, and only with a valid signature that it was done.
//! * **The TTL is the set's**, and what clients remember: the wait after a drain lasts at least that long, and ends
//!   with the traffic, since not every client keeps to it.
//!
//! Records that the configuration knows no node for are shown under their own text and left alone.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use hickory_proto::rr::{Name, RecordType, TSigner};

use crate::{
    config::settings::Place,
    model::{Desired, InstanceName, InstanceView, RouteId, topology::InstanceShape},
    provider::{ProviderError, Result, RouteProvider},
};

mod change;
mod data;
mod exchange;
mod key;
mod keys;
mod message;
mod names;
mod resolvers;
mod servers;
mod set;
mod settings;
mod update;
mod verdict;

pub use data::Type;
pub use resolvers::Served;
pub use servers::Server;
pub use settings::Settings;

use exchange::Line;
use message::Reading;
use servers::Found;
use set::{Entry, Receipt, RrSet};

/// The records of one name and type, on every server of its zone.
pub struct Dns {
    id: RouteId,
    settings: Settings,
    zone: Name,
    name: Name,
    entries: Vec<Entry>,
    limit: Duration,
    found: Mutex<BTreeMap<InstanceName, Found>>,
    seen: Mutex<BTreeMap<String, Receipt>>,
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dns {
    /// Drives the records of `settings` for these nodes. Nodes of which no record can be told are no members. `limit`
    /// bounds every exchange with one server.
    ///
    /// # Panics
    /// On settings that the configuration does not let through: a zone or a name that is none, no server.
    pub fn new(id: RouteId, settings: Settings, places: &[Place], limit: Duration) -> Self {
        assert!(!settings.servers.is_empty(), "a route without a server");
        let zone = names::full(&settings.zone).expect("the configuration checks the zone's name");
        let name = names::full(&settings.name).expect("the configuration checks the records' name");
        let entries = places.iter().filter_map(|place| settings.entry(&place.node, place.address).ok()).collect();
        let (found, seen) = (Mutex::default(), Mutex::default());
        Self { id, settings, zone, name, entries, limit, found, seen }
    }

    /// The server that changes are sent to: the first that is configured.
    fn driven(&self) -> &InstanceName {
        &self.settings.servers[0].name
    }

    fn entry(&self, server: &str) -> Result<&Entry> {
        let found = self.entries.iter().find(|entry| entry.node.as_str() == server);
        found.ok_or_else(|| ProviderError::Refused(format!("{} has no record of {server}", self.id)))
    }

    fn configured(&self) -> impl Iterator<Item = &Server> {
        self.settings.servers.iter().chain(&self.settings.secondaries)
    }

    /// Where an instance is. Names that only the zone knows are looked up once, and again where nobody answers there.
    async fn places(&self, instance: &InstanceName) -> Result<Vec<SocketAddr>> {
        if let Some(server) = self.configured().find(|server| &server.name == instance) {
            return server.addresses(self.limit).await;
        }
        let known = lock(&self.found).get(instance).cloned();
        let found = match known {
            Some(found) => found,
            None => {
                let unknown = || ProviderError::Refused(format!("the zone {} has no server {instance}", self.zone));
                self.find().await?.remove(instance).ok_or_else(unknown)?
            }
        };
        if found.addresses.is_empty() { found.server.addresses(self.limit).await } else { Ok(found.addresses) }
    }

    /// Asks the first configured server that answers for the zone's servers.
    async fn find(&self) -> Result<BTreeMap<InstanceName, Found>> {
        let known: Vec<&Server> = self.configured().collect();
        let mut failed = None;
        for server in &self.settings.servers {
            let asked = async {
                let mut line = self.line(server).await?;
                servers::of_zone(&mut line, &self.zone, &known, self.limit).await
            };
            match asked.await {
                Ok(mut found) => {
                    found.retain(|name, _| !self.settings.not_following.contains(name));
                    lock(&self.found).clone_from(&found);
                    return Ok(found);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| ProviderError::Refused("no server is configured".into())))
    }

    /// A connection to a server, at the first of its addresses that accepts one.
    async fn line(&self, server: &Server) -> Result<Line> {
        let mut failed = None;
        for address in server.addresses(self.limit).await? {
            match Line::open(address, self.limit).await {
                Ok(line) => return Ok(line),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| ProviderError::Unreachable(format!("{} has no address", server.name))))
    }

    /// What the server at the other end holds, by its own authority.
    async fn read(&self, line: &mut Line) -> Result<Reading> {
        let server = line.server();
        let unexpected = |why: String| ProviderError::Unexpected(format!("{server}: {why}"));
        let soa = line.authority(&message::question(&self.zone, RecordType::SOA, false)).await?;
        let set = line.authority(&message::question(&self.name, self.settings.kind.wire(), false)).await?;
        Ok(Reading {
            soa: message::soa(&soa, &self.zone).map_err(unexpected)?,
            set: message::set(&set, &self.name, self.settings.kind).map_err(unexpected)?,
        })
    }

    async fn read_at(&self, address: SocketAddr) -> Result<Reading> {
        self.read(&mut Line::open(address, self.limit).await?).await
    }

    /// The key, read anew.
    async fn key(&self) -> std::result::Result<TSigner, String> {
        let path = self.settings.key_file.clone();
        let read = tokio::task::spawn_blocking(move || key::load(&path));
        match tokio::time::timeout(self.limit, read).await {
            Ok(Ok(key)) => key,
            _ => Err(format!("the key file {} cannot be read", self.settings.key_file.display())),
        }
    }

    /// What an operator should know of the server that changes are sent to.
    async fn warnings(&self, set: &RrSet) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Err(why) = self.key().await {
            warnings.push(format!("no record can be changed: {why}"));
        }
        if let (Some(expected), Some(ttl)) = (self.settings.ttl, set.ttl)
            && ttl != expected
            && Some(ttl) != self.settings.ttl_during_maintenance
        {
            warnings.push(format!("the TTL is {ttl} s, and the configuration expects {expected} s"));
        }
        warnings
    }
}

#[async_trait]
impl RouteProvider for Dns {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn discover(&self) -> Result<BTreeMap<InstanceName, InstanceShape>> {
        Ok(self.find().await?.into_keys().map(|name| (name, settings::follower())).collect())
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let places = self.places(instance).await?;
        let readings = try_join_all(places.iter().map(|address| self.read_at(*address))).await;
        if matches!(readings, Err(ProviderError::Unreachable(_))) {
            lock(&self.found).remove(instance);
        }
        let readings = readings?;
        let read: Vec<(SocketAddr, Reading)> = places.into_iter().zip(readings).collect();
        let (set, version) = message::agreed(&read).map_err(ProviderError::Unexpected)?;
        let kind = self.settings.kind;
        let mut warnings = Vec::new();
        if instance == self.driven() {
            let receipts = self.entries.iter().map(|e| (e.node.to_string(), set.receipt(kind, e)));
            lock(&self.seen).extend(receipts);
            warnings = self.warnings(set).await;
        }
        let generation = format!("zone {}", names::plain(&self.zone));
        let members = set.members(kind, &self.entries);
        Ok(InstanceView { generation, version: Some(version), members, warnings })
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        if instance != self.driven() {
            return Err(ProviderError::Refused(format!("{instance} follows {}: changes go there", self.driven())));
        }
        self.change_member(self.entry(server)?, desired).await
    }

    async fn elsewhere(&self) -> Vec<(String, Result<Vec<String>>)> {
        let said = self.resolvers().await.into_iter();
        said.map(|(server, served)| (format!("resolver {}", server.name), served.map(|s| s.words()))).collect()
    }

    async fn window(&self, open: bool) -> Result<Option<Duration>> {
        let (Some(usual), Some(during)) = (self.settings.ttl, self.settings.ttl_during_maintenance) else {
            return Ok(None);
        };
        let (from, to) = if open { (usual, during) } else { (during, usual) };
        self.set_ttl(from, to).await?;
        Ok(Some(Duration::from_secs(to.into())))
    }

    /// A record holds no connection, so there is none to cut.
    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        self.places(instance).await?;
        self.entry(server).map(drop)
    }
}

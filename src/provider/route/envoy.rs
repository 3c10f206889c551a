//! Envoy by a file of endpoints (EDS), acknowledged through the admin interface.
//!
//! Envoy watches the file's folder and takes over a file that is renamed into place, within milliseconds and without a
//! reload. What follows from that, and from how it balances:
//! * `DRAINING` on a member is the drain: no new requests, and what is under way ends by itself. Its weight stays.
//!   Connections that Envoy keeps open without a request are idle: `cx_active` less `rq_active`.
//! * **The file is what a restart reads, the admin interface what clients meet.** A member is draining when both say so.
//!   Where the running Envoy still sends clients, it serves; where only the file lets them in, nothing is known.
//! * **A file that Envoy rejects stays without effect**, and Envoy goes on with the old one: it is never acknowledged.
//! * **Below its panic threshold Envoy sends requests to drained members too.** That is computed before the drain, which
//!   is refused then; and a drained member whose cluster is in panic is shown as what it is: serving. See [`panic`].
//! * Where `override_host_status` lets clients that are bound to a member find it draining, it `admits_bound`, and
//!   `Closed` makes it `UNHEALTHY`.
//! * A check cannot be asked for. After [`Desired::FreshCheck`] the checks' result does not count until one that began
//!   later must have shown. Without checks, health is unchecked; outliers that Envoy ejected fail all the same.
//! * The process before a hot restart tells nothing of its members: while it lives, its connections count for each.
//! * The admin interface cuts nothing. `ss -K` on Envoy's machine does, and only towards the member.
//!
//! Nobody's edit is overwritten: of the file one object changes (see [`eds`]), and a file that is not what was read is
//! read again (see `commit.sh`).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{
    Tools,
    machine::{Machine, failed},
    outgoing::{self, Outgoing},
};
use crate::{
    config::settings::Place,
    model::{Admission, Desired, InstanceName, InstanceView, RouteId},
    provider::{ProviderError, Result, RouteProvider},
    traffic::sockets::far_ends,
};

mod admin;
mod eds;
mod look;
mod panic;
mod running;
mod settings;

use admin::Admin;
use look::Look;
use running::Running;
pub use settings::{Instance, Settings};

/// Between two looks while Envoy takes over a file.
const PAUSE: Duration = Duration::from_millis(20);
/// How long that may take before the difference is told.
const TAKING_OVER: Duration = Duration::from_secs(1);
/// How often a change is tried again where another hand changes the file at the same moment.
const TRIES: usize = 3;
/// The file is not what was read; nothing was changed.
const CHANGED: i32 = 4;
/// Longest file that is read.
const MAX_FILE: usize = 8 << 20;

/// One cluster's members on every Envoy that balances over it.
pub struct Envoy {
    id: RouteId,
    cluster: String,
    sites: BTreeMap<InstanceName, Site>,
    /// The members' names in the file, as the configuration gives them.
    members: BTreeSet<String>,
    /// Until when a check that was asked for can be an old one.
    asked: Mutex<HashMap<(InstanceName, String), Instant>>,
}

/// One Envoy.
struct Site {
    admin: Admin,
    file: String,
}

impl Envoy {
    /// Drives `settings.cluster` on `settings.instances` for the members that `places` are.
    pub fn new(id: RouteId, settings: &Settings, places: &[Place], tools: &Tools) -> Self {
        let site = |i: &Instance| {
            let machine = Machine::new(i.seat.host.as_deref(), i.sudo, tools);
            let admin = Admin { endpoint: i.admin.clone(), machine, access: tools.access.clone() };
            Site { admin, file: settings.eds_file(i).to_owned() }
        };
        Self {
            id,
            cluster: settings.cluster.clone(),
            sites: settings.instances.iter().map(|i| (i.seat.name.clone(), site(i))).collect(),
            members: places.iter().map(|p| p.fill(&settings.server)).collect(),
            asked: Mutex::default(),
        }
    }

    fn site(&self, instance: &InstanceName) -> Result<&Site> {
        let found = self.sites.get(instance);
        found.ok_or_else(|| ProviderError::Refused(format!("{} has no instance {instance}", self.id)))
    }

    async fn look(&self, site: &Site) -> Result<Look> {
        let text = site.read().await?;
        let answers = site.admin.ask(running::questions(&self.cluster)).await?;
        let running = Running::read(&self.cluster, answers).map_err(ProviderError::Unexpected)?;
        let wrong = |why| ProviderError::Unexpected(format!("{}: {why}", site.file));
        Look::new(text, &self.cluster, running, &self.members).map_err(wrong)
    }

    /// What is written and what runs, where both are the same; else what there is after a while.
    async fn settled(&self, site: &Site) -> Result<Look> {
        let began = Instant::now();
        loop {
            let look = self.look(site).await?;
            if look.differences().is_empty() || began.elapsed() >= TAKING_OVER.min(site.admin.machine.limit) {
                return Ok(look);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn is_fresh(&self, instance: &InstanceName, server: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&(instance.clone(), server.to_owned())).is_none_or(|until| *until <= Instant::now())
    }

    fn ask_for_a_check(&self, instance: &InstanceName, server: &str, look: &Look) {
        let until = Instant::now() + look.running.fresh_after();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert((instance.clone(), server.to_owned()), until);
    }
}

impl Site {
    async fn read(&self) -> Result<String> {
        let script = "[ -f \"$1\" ] && [ ! -L \"$1\" ] || { echo \"$1 is no regular file\" >&2; exit 3; }\n\
                      exec head -c \"$2\" -- \"$1\"";
        let most = (MAX_FILE + 1).to_string();
        let output = self.admin.machine.script(script, &[&self.file, &most], &[]).await?;
        if output.code != Some(0) {
            return Err(failed("the look at Envoy's endpoints", &output));
        }
        if output.stdout.len() > MAX_FILE {
            return Err(ProviderError::Unexpected(format!("{} has more than {MAX_FILE} bytes", self.file)));
        }
        Ok(output.stdout)
    }

    /// Replaces the file that was read. `false` where another hand was there first.
    async fn write(&self, before: &str, after: &str) -> Result<bool> {
        let digest: String = Sha256::digest(before).iter().map(|byte| format!("{byte:02x}")).collect();
        let length = after.len().to_string();
        let arguments = [self.file.as_str(), digest.as_str(), length.as_str()];
        let output = self.admin.machine.script(include_str!("envoy/commit.sh"), &arguments, after.as_bytes()).await?;
        match output.code {
            Some(0) => Ok(true),
            Some(CHANGED) => Ok(false),
            _ => Err(failed("the change of Envoy's endpoints", &output)),
        }
    }

    async fn connections(&self, address: SocketAddr) -> Result<Vec<Outgoing>> {
        let all = outgoing::list(&self.admin.machine, &far_ends(&[address])).await?;
        if all.iter().any(|o| o.holders.is_empty()) {
            return Err(ProviderError::Refused(format!(
                "ss does not tell whose connections to {address} are: it needs root"
            )));
        }
        let envoy = |o: &Outgoing| o.holders.iter().any(|(name, _)| name.starts_with("envoy"));
        Ok(all.into_iter().filter(envoy).collect())
    }
}

#[async_trait]
impl RouteProvider for Envoy {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let site = self.site(instance)?;
        let look = self.settled(site).await?;
        let mut members = BTreeMap::new();
        for (server, key) in &look.names {
            let view = look.member(key, self.is_fresh(instance, server));
            members.insert(server.clone(), view.map_err(|why| ProviderError::Unexpected(format!("{server}: {why}")))?);
        }
        let (generation, version) = (look.running.generation.clone(), Some(look.running.version.clone()));
        Ok(InstanceView { generation, version, members, warnings: look.warnings(&site.file) })
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let site = self.site(instance)?;
        for _ in 0..TRIES {
            let look = self.look(site).await?;
            let refused = |why: String| ProviderError::Refused(format!("{server} in {}: {why}", site.file));
            let key = look.names.get(server).ok_or_else(|| refused("there is no such endpoint".into()))?;
            let endpoint = &look.written.endpoints[key];
            let new = endpoint.edited(desired, look.closes_with().map_err(refused)?).map_err(refused)?;
            let leaves = endpoint.status.serves() && matches!(desired, Desired::Drained | Desired::Closed);
            if let Some(why) = look.refusal(key).filter(|_| leaves) {
                return Err(refused(format!("Envoy would not be drained of it: {why}")));
            }
            if *desired == Desired::FreshCheck {
                self.ask_for_a_check(instance, server, &look);
            }
            let mut after = look.text.clone();
            after.replace_range(endpoint.span.clone(), &new);
            if after == look.text || site.write(&look.text, &after).await? {
                return Ok(());
            }
        }
        Err(ProviderError::Unexpected(format!("another hand changes {} again and again", site.file)))
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        let site = self.site(instance)?;
        let look = self.look(site).await?;
        let unknown = || ProviderError::Refused(format!("{} has no member {server}", self.id));
        let key = look.names.get(server).ok_or_else(unknown)?;
        let host = look.running.hosts.get(key);
        if look.running.parents == 0 && host.is_some_and(|host| host.stat("cx_active") == Ok(0)) {
            return Ok(());
        }
        let address = key.parse().map_err(|_| ProviderError::Refused(format!("{key} has no connections to cut")))?;
        let held = site.connections(address).await?;
        outgoing::cut(&site.admin.machine, &held).await?;
        let left = site.connections(address).await?;
        match left.iter().filter(|o| held.contains(o)).count() {
            0 => Ok(()),
            n => Err(ProviderError::Unexpected(format!("{n} connections are still there: can this kernel cut them?"))),
        }
    }
}

//! Envoy by a file with the endpoints of a cluster (EDS), acknowledged by its admin interface.
//!
//! The health status `DRAINING` on an endpoint is the drain: no new requests, and those under way go on. What matters:
//! * Envoy notices that the file was replaced (moved over), not that it was written. It then takes the whole file or
//!   none of it, and says which only in its statistics: a file that it refuses is put back.
//! * Below its panic threshold Envoy sends clients to draining hosts too. So that is computed before ([mod@panic]): such a
//!   drain is refused, and while a cluster is in panic its draining hosts read as serving, which is what they do.
//! * What counts is what Envoy runs. The file is what a receipt holds; equal are two states only where both are.
//! * A draining host keeps its idle connections. A request, an upgraded connection and a TCP connection each count as one
//!   active request, so what is not active is idle.
//! * Active health checks go on while a host drains, and cannot be reset: what counts as a fresh one is in [`fresh`].
//! * After a hot restart the process before it finishes its connections, and no admin interface tells of them: `ss` does.
//! * Nothing in Envoy cuts the connections to one host: `ss -K` on its machine does.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{
    Tools,
    machine::{Machine, failed},
    outgoing::{self, Outgoing},
};
use crate::{
    config::settings::Endpoint,
    model::{Desired, InstanceName, InstanceView, RouteId},
    provider::{ProviderError, Result, RouteProvider},
    traffic::sockets::far_ends,
};

mod admin;
mod answers;
mod eds;
mod fresh;
mod panic;
mod settings;
mod view;

use admin::Admin;
use fresh::Fresh;
pub use settings::{Instance, Settings};
use view::Running;

/// Between two looks while Envoy takes a file.
const PAUSE: Duration = Duration::from_millis(20);
/// How long Envoy may take before the change counts as accepted without having been seen.
const TAKING: Duration = Duration::from_secs(2);
/// How often a change is tried again where another hand changes the file at the same moment.
const TRIES: usize = 3;
/// Longest file that is read.
const MAX_FILE: usize = 8 << 20;
/// Exit codes of `replace.sh`.
const CHANGED: i32 = 4;
const REFUSED: i32 = 10;
/// What the names of Envoy's processes begin with: some say the release, too.
const PROCESS: &str = "envoy";

/// One cluster on every Envoy that sends clients to it.
pub struct Envoy {
    id: RouteId,
    cluster: String,
    sites: BTreeMap<InstanceName, Site>,
    fresh: Fresh,
}

/// One Envoy.
struct Site {
    machine: Machine,
    eds: String,
    admin: Endpoint,
}

/// One change of a file at a time, whichever routes lead through it: the threshold is computed with the one before.
static TURNS: LazyLock<Mutex<HashMap<(String, String), Turn>>> = LazyLock::new(Mutex::default);

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Envoy {
    /// Drives `settings.cluster` on `settings.instances`.
    pub fn new(id: RouteId, settings: &Settings, tools: &Tools) -> Self {
        let site = |i: &Instance| Site {
            machine: Machine::new(i.seat.host.as_deref(), i.sudo, tools),
            eds: settings.eds(i).to_owned(),
            admin: i.admin.clone(),
        };
        let sites = settings.instances.iter().map(|i| (i.seat.name.clone(), site(i))).collect();
        Self { id, cluster: settings.cluster.clone(), sites, fresh: Fresh::default() }
    }

    fn site(&self, instance: &InstanceName) -> Result<&Site> {
        let found = self.sites.get(instance);
        found.ok_or_else(|| ProviderError::Refused(format!("{} has no instance {instance}", self.id)))
    }

    /// The file after a change, in Envoy's hands; `Ok` too where it is not yet seen to run it.
    async fn change(&self, site: &Site, server: &str, desired: &Desired) -> Result<()> {
        for _ in 0..TRIES {
            let mut admin = site.admin().await?;
            let running = Running::ask(&mut admin, &self.cluster).await?;
            let before = site.read().await?;
            let after = running.edited(&before, server, desired).map_err(|why| site.refused(why))?;
            let Some(after) = after else { return Ok(()) };
            if site.replace(&before, &after).await? {
                return site.taken(&mut admin, &running, &before, &after, server).await;
            }
        }
        Err(site.refused("another hand changes it all the time".into()))
    }
}

impl Site {
    async fn admin(&self) -> Result<Admin> {
        let connect = async {
            match &self.admin {
                Endpoint::Unix { path } => self.machine.connect_unix(path).await,
                Endpoint::Tcp { address } => self.machine.connect_tcp(address).await,
                Endpoint::Ssh { .. } => {
                    Err(ProviderError::Refused("the host says where the admin interface is".into()))
                }
            }
        };
        let late =
            |_| ProviderError::Unreachable(format!("{}: no connection within {:?}", self.admin, self.machine.limit));
        let stream = tokio::time::timeout(self.machine.limit, connect).await.map_err(late)??;
        Admin::open(stream, self.machine.limit).await
    }

    fn refused(&self, why: String) -> ProviderError {
        ProviderError::Refused(format!("{}: {why}", self.eds))
    }

    async fn read(&self) -> Result<String> {
        let said = self.machine.feed(&["cat", "--", &self.eds], &[]).await?;
        match said.code {
            Some(0) if said.stdout.len() <= MAX_FILE => Ok(said.stdout),
            Some(0) => Err(ProviderError::Unexpected(format!("{} is longer than anybody can mean it", self.eds))),
            _ => Err(failed("the file with the endpoints", &said)),
        }
    }

    /// Replaces the file; not where it no longer is what was read.
    async fn replace(&self, before: &str, after: &str) -> Result<bool> {
        let digest: String = Sha256::digest(before).iter().map(|byte| format!("{byte:02x}")).collect();
        let arguments: [&str; 3] = [&self.eds, &digest, &after.len().to_string()];
        let said = self.machine.script(include_str!("envoy/replace.sh"), &arguments, after.as_bytes()).await?;
        match said.code {
            Some(0) => Ok(true),
            Some(CHANGED) => Ok(false),
            Some(REFUSED) => Err(ProviderError::Refused(said.stderr.trim().to_owned())),
            _ => Err(failed("replacing the file with the endpoints", &said)),
        }
    }

    /// Waits until Envoy runs what was written, or says that it does not take it: then the file is as it was.
    async fn taken(&self, admin: &mut Admin, was: &Running, before: &str, after: &str, server: &str) -> Result<()> {
        let began = tokio::time::Instant::now();
        while began.elapsed() < TAKING.min(self.machine.limit) {
            let now = Running::ask(admin, &was.name).await?;
            if now.runs(after, server) {
                return Ok(());
            }
            if now.rejected > was.rejected {
                let why = "Envoy does not take it; its log says why";
                return Err(match self.replace(after, before).await? {
                    true => self.refused(format!("{why}. It is as it was")),
                    false => ProviderError::Unexpected(format!("{}: {why}. Another hand changed it since", self.eds)),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Connections that Envoy's processes hold to a member.
    async fn held(&self, server: &str) -> Result<Vec<Outgoing>> {
        let address: SocketAddr = server
            .parse()
            .map_err(|_| ProviderError::Refused(format!("connections to {server} cannot be told: it is no address")))?;
        let all = outgoing::list(&self.machine, &far_ends(&[address])).await?;
        let ours = |o: &Outgoing| o.holders.is_empty() || o.holders.iter().any(|(name, _)| name.starts_with(PROCESS));
        Ok(all.into_iter().filter(ours).collect())
    }
}

#[async_trait]
impl RouteProvider for Envoy {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let site = self.site(instance)?;
        let mut admin = site.admin().await?;
        let (running, text) = tokio::try_join!(Running::ask(&mut admin, &self.cluster), site.read())?;
        let mut view = running.view(&site.eds, &text)?;
        if let Some(period) = running.check_period() {
            self.fresh.judge(instance, &mut view, period);
        }
        if running.info.may_have_a_parent() {
            for (server, member) in &mut view.members {
                // What this process does not know of belongs to the one before it.
                let held = u64::try_from(site.held(server).await?.len()).unwrap_or(u64::MAX);
                member.sessions += held.saturating_sub(member.sessions.max(running.connections(server)));
            }
        }
        Ok(view)
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let site = self.site(instance)?;
        let key = (site.machine.host().to_owned(), site.eds.clone());
        let turn = Arc::clone(TURNS.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        let _turn = turn.lock().await;
        self.change(site, server, desired).await?;
        if matches!(desired, Desired::FreshCheck) {
            self.fresh.ask(instance, server);
        }
        Ok(())
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        let site = self.site(instance)?;
        let running = Running::ask(&mut site.admin().await?, &self.cluster).await?;
        let text = site.read().await?;
        let resource = running.config.resource(&self.cluster);
        let endpoints = eds::read(&text, resource).map_err(|why| site.refused(why))?.endpoints;
        if !endpoints.contains_key(server) {
            return Err(site.refused(format!("there is no endpoint {server}")));
        }
        let (held, known) = (site.held(server).await?, running.connections(server));
        if known > u64::try_from(held.len()).unwrap_or(u64::MAX) {
            let why = format!("Envoy has {known} connections to {server}, and ss shows {} of them", held.len());
            return Err(ProviderError::Unexpected(why));
        }
        outgoing::cut(&site.machine, &held).await?;
        let left = site.held(server).await?;
        match left.iter().filter(|o| held.contains(o)).count() {
            0 => Ok(()),
            n => Err(ProviderError::Unexpected(format!("{n} connections are still there: can this kernel cut them?"))),
        }
    }
}

//! NGINX (open source) by an include file of its upstream's servers, and reloads.
//!
//! There is no way to change a server of a running NGINX: a change is a new configuration. What follows from that:
//! * `down` on a server's line and a reload is the drain. New workers send nobody there. Old workers finish what they
//!   have: they close idle connections at once, so what they still hold towards a member has a client behind it.
//!   While a member takes clients, NGINX does not say which of its connections are idle: all count as sessions.
//! * A reload is asynchronous, and the master may refuse what `nginx -t` took (an address that is taken). So what
//!   counts is what workers run: [`running`] tells that by their age. In between nothing is known.
//! * What NGINX refuses is put back before anybody reloads it, also where only the reload finds out.
//! * Every reload leaves old workers behind, which is why all changes of a step share one ([`commit`]).
//! * A reload also loads whatever else was edited under NGINX's configuration since the last one. Nobody can tell.
//! * There are no health checks and no counters for each server: health is unchecked, and requests are not counted.
//! * Connections are cut by `ss -K` on NGINX's machine, which ends exactly those to the member. To end the old workers
//!   instead would cut everybody else's as well.
//!
//! A file that another hand edited is not overwritten: see [mod@include].

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{
    Tools,
    machine::{Machine, failed},
    outgoing::{self, Outgoing},
};
use crate::{
    config::settings::Place,
    model::{BalancerView, Desired, InstanceName, InstanceView, RouteId},
    provider::{ProviderError, Result, RouteProvider},
    traffic::sockets::far_ends,
};

mod commit;
mod dump;
mod include;
mod running;
mod settings;

use running::Look;
pub use settings::{Instance, Settings};

/// Between two looks while workers change.
const PAUSE: Duration = Duration::from_millis(50);
/// How long workers may take to change before that is told.
const CHANGING: Duration = Duration::from_secs(1);
/// What `look.sh` ends with where there is no master.
const NOT_RUNNING: i32 = 6;
/// The port of a server whose line names none.
const PORT: u16 = 80;

/// One upstream's members on every NGINX that serves them.
pub struct Nginx {
    id: RouteId,
    sites: BTreeMap<InstanceName, Site>,
    /// Each member's name in the include, and its node's address where one is configured.
    members: Vec<(String, Option<std::net::IpAddr>)>,
    /// What the configuration says of a reload, for the workers that were asked about.
    timeouts: Mutex<HashMap<InstanceName, (Workers, String)>>,
}

/// The master, and the oldest worker's start: what a configuration that was read belongs to.
type Workers = ((u32, u64), Option<u64>);

/// One NGINX.
#[derive(Clone)]
struct Site {
    machine: Machine,
    include: String,
    pid: String,
    command: Vec<String>,
    /// Addresses of members, once they are looked up.
    addresses: std::sync::Arc<OnceCell<BTreeMap<String, Vec<SocketAddr>>>>,
}

impl Nginx {
    /// Drives `settings.include` on `settings.instances` for the members that `places` are.
    pub fn new(id: RouteId, settings: &Settings, places: &[Place], tools: &Tools) -> Self {
        let site = |i: &Instance| Site {
            machine: Machine::new(i.seat.host.as_deref(), i.sudo, tools),
            include: settings.include(i).to_owned(),
            pid: i.pid.clone(),
            command: i.command.clone(),
            addresses: Default::default(),
        };
        Self {
            id,
            sites: settings.instances.iter().map(|i| (i.seat.name.clone(), site(i))).collect(),
            members: places.iter().map(|p| (p.fill(&settings.server), p.address)).collect(),
            timeouts: Mutex::default(),
        }
    }

    fn site(&self, instance: &InstanceName) -> Result<&Site> {
        let found = self.sites.get(instance);
        found.ok_or_else(|| ProviderError::Refused(format!("{} has no instance {instance}", self.id)))
    }

    /// What runs and what is written, where both are the same; waits for workers that are just changing.
    async fn settled(&self, site: &Site) -> Result<Look> {
        let addresses = site.addresses(&self.members).await?;
        let all: Vec<SocketAddr> = addresses.values().flatten().copied().collect();
        let filter = far_ends(&all);
        let began = tokio::time::Instant::now();
        loop {
            let look = site.look(&site.include, &filter).await?;
            if look.is_in_effect() {
                return Ok(look);
            }
            if began.elapsed() >= CHANGING.min(site.machine.limit) {
                return Err(ProviderError::Unexpected(format!(
                    "{} is newer than NGINX's workers: a reload is under way, was refused, or was never asked for",
                    site.include
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What a reload would do to connections that are open now.
    async fn warnings(&self, instance: &InstanceName, site: &Site, look: &Look) -> Vec<String> {
        let workers = (look.master, look.oldest());
        let known = self.timeouts.lock().unwrap_or_else(PoisonError::into_inner).get(instance).cloned();
        let timeout = match known.filter(|(of, _)| *of == workers) {
            Some((_, timeout)) => timeout,
            None => match site.shutdown_timeout().await {
                Ok(timeout) => {
                    let known = (workers, timeout.clone());
                    self.timeouts.lock().unwrap_or_else(PoisonError::into_inner).insert(instance.clone(), known);
                    timeout
                }
                Err(error) => return vec![format!("whether a reload cuts long connections is unknown: {error}")],
            },
        };
        let current = |o: &&Outgoing| o.holders.iter().any(|(_, pid)| look.workers.iter().any(|w| w.pid == *pid));
        let open = look.outgoing.iter().filter(current).count();
        let mut warnings = Vec::new();
        match (timeout.as_str(), open) {
            ("", 0) => {}
            ("", open) => warnings.push(format!("a reload leaves {open} open connections to old workers, until they end")),
            (timeout, open) => warnings.push(format!(
                "a reload cuts what old workers still serve after {timeout} (worker_shutdown_timeout): {open} connections are open"
            )),
        }
        let unowned = look.outgoing.iter().filter(|o| o.holders.is_empty()).count();
        if unowned > 0 {
            warnings.push(format!("ss does not tell whose {unowned} connections are, so they count: it needs root"));
        }
        warnings
    }
}

impl Site {
    async fn look(&self, include: &str, filter: &str) -> Result<Look> {
        let output = self.machine.script(include_str!("nginx/look.sh"), &[&self.pid, include, filter], &[]).await?;
        match output.code {
            Some(0) => Look::read(&output.stdout),
            Some(NOT_RUNNING) => Err(ProviderError::Unreachable(output.stderr.trim().to_owned())),
            _ => Err(failed("the look at NGINX", &output)),
        }
    }

    /// Its whole configuration, as `nginx -T` prints it: what a reload would load.
    async fn dump(&self) -> Result<String> {
        let mut command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        command.push("-T");
        let output = self.machine.feed(&command, &[]).await?;
        if output.code == Some(0) { Ok(output.stdout) } else { Err(failed("nginx -T", &output)) }
    }

    /// `worker_shutdown_timeout` as it is configured; empty where it is not.
    async fn shutdown_timeout(&self) -> Result<String> {
        let script = "said=$(\"$@\" -T 2> /dev/null) || exit 3\n\
                      printf '%s\\n' \"$said\" | sed -n 's/^[[:space:]]*worker_shutdown_timeout[[:space:]]*\\([^;]*\\);.*/\\1/p'";
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let output = self.machine.script(script, &command, &[]).await?;
        if output.code != Some(0) {
            return Err(failed("nginx -T", &output));
        }
        Ok(output.stdout.lines().last().unwrap_or_default().trim().to_owned())
    }

    /// Where connections to members go: the address in the line, else the node's own, else what NGINX's machine makes
    /// of the name.
    async fn addresses(
        &self,
        members: &[(String, Option<std::net::IpAddr>)],
    ) -> Result<&BTreeMap<String, Vec<SocketAddr>>> {
        let look_up = || async {
            let mut addresses = BTreeMap::new();
            for (server, node) in members {
                addresses.insert(server.clone(), self.address(server, *node).await?);
            }
            Ok(addresses)
        };
        self.addresses.get_or_try_init(look_up).await
    }

    async fn address(&self, server: &str, node: Option<std::net::IpAddr>) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = server.parse() {
            return Ok(vec![address]);
        }
        if let Ok(ip) = server.trim_matches(['[', ']']).parse() {
            return Ok(vec![SocketAddr::new(ip, PORT)]);
        }
        let odd = || ProviderError::Refused(format!("{server} is no server's address"));
        let (name, port) = server.rsplit_once(':').unwrap_or((server, "80"));
        let port = port.parse().map_err(|_| odd())?;
        if let Some(ip) = node {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let said = self.machine.feed(&["getent", "ahosts", name], &[]).await?;
        let ips = said.stdout.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
        let mut found: Vec<SocketAddr> = ips.map(|ip| SocketAddr::new(ip, port)).collect();
        found.sort();
        found.dedup();
        if found.is_empty() { Err(failed(&format!("no address of {name}"), &said)) } else { Ok(found) }
    }
}

#[async_trait]
impl RouteProvider for Nginx {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn configured(&self, instance: &InstanceName) -> Result<Option<BalancerView>> {
        let site = self.site(instance)?;
        let view = dump::read(&site.dump().await?, &site.include).map_err(ProviderError::Unexpected)?;
        Ok(Some(view))
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let site = self.site(instance)?;
        let look = self.settled(site).await?;
        let lines = include::lines(&look.content);
        let lines = lines.map_err(|why| ProviderError::Unexpected(format!("{}: {why}", site.include)))?;
        let addresses = site.addresses(&self.members).await?;
        let mut members = BTreeMap::new();
        for (server, line) in lines {
            let ends = addresses.get(&server).map_or(&[][..], Vec::as_slice);
            let held = look.outgoing.iter().filter(|o| ends.contains(&o.peer) && look.holds(o)).count();
            let mut member = line.view();
            member.sessions = u64::try_from(held).unwrap_or(u64::MAX);
            members.insert(server, member);
        }
        let warnings = self.warnings(instance, site, &look).await;
        let generation = format!("{}-{}", look.master.0, look.master.1);
        Ok(InstanceView { generation, members, warnings, ..InstanceView::default() })
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let site = self.site(instance)?;
        commit::apply(site, &site.include, server, desired).await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        let site = self.site(instance)?;
        let unknown = || ProviderError::Refused(format!("{} has no member {server}", self.id));
        let ends = site.addresses(&self.members).await?.get(server).ok_or_else(unknown)?;
        let filter = far_ends(ends);
        let look = site.look(&site.include, &filter).await?;
        let held: Vec<Outgoing> = look.outgoing.iter().filter(|o| look.holds(o)).cloned().collect();
        outgoing::cut(&site.machine, &held).await?;
        let left = site.look(&site.include, &filter).await?.outgoing;
        match left.iter().filter(|o| held.contains(o)).count() {
            0 => Ok(()),
            n => Err(ProviderError::Unexpected(format!("{n} connections are still there: can this kernel cut them?"))),
        }
    }
}

//! HAProxy through its runtime API: one line of commands a connection, everything read back from the raw state.
//!
//! What makes this more than text over a socket:
//! * `drain` keeps the weight, stops new clients, lets persistent ones in; when the server then fails its checks
//!   the status reads `DOWN`, and only the raw admin bits still tell the drain. So those bits are what counts.
//! * A server that leaves maintenance is `UP` *before any check* (and shows the last result from before it went
//!   in). So nothing here goes from maintenance straight to `ready`: the way leads through `drain` and
//!   `health down`, after which only checks that pass from then on count.
//! * A reload starts a new worker and leaves the old ones serving the connections that they have. Where the
//!   master's socket is configured, old workers are asked too; where they cannot be read, nothing is known. They
//!   take no new clients and no orders about a server any more, so a drain has nothing to tell them.
//! * Success is an empty line. Whatever else comes back is the refusal, in HAProxy's own words.
//!
//! Not visible from here: whether `load-server-state-from-file` will keep a drain over the next reload. A run
//! sees the generation change and asserts its state again.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    config::settings::Endpoint,
    model::{BalancerView, Desired, InstanceName, InstanceView, RouteId, Stragglers},
    provider::{
        ProviderError, Result, RouteProvider,
        access::{Access, Stream},
    },
};

mod configured;
mod file;
mod parse;
mod sessions;
mod settings;
mod stragglers;

pub use settings::{Instance, Settings};

use parse::{FORCED_DRAIN, FORCED_MAINT, Load, Server, Snapshot, first_words};

/// Longest answer that is read: some 30,000 servers.
const MAX_ANSWER: u64 = 16 << 20;
/// Old workers that are asked; more would be a reload loop.
const MAX_OLD_WORKERS: usize = 64;
/// Sessions that are cut with one line, which must fit into HAProxy's buffer of 16 KB.
const SESSIONS_A_LINE: usize = 100;
/// What the master says of a worker that ended.
const GONE: &str = "Can't find the target PID";

/// One backend on every HAProxy that sends clients to it.
pub struct Haproxy {
    id: RouteId,
    backend: String,
    instances: Vec<Instance>,
    access: Arc<dyn Access>,
    limit: Duration,
    config_file: Option<String>,
}

impl Haproxy {
    /// Drives `settings.backend` on `settings.instances`. `access` is the way to sockets on other hosts
    /// (`ssh://host/path`); sockets here and TCP addresses are connected to directly. `limit` bounds every
    /// exchange with one process.
    pub fn new(id: RouteId, settings: Settings, access: Arc<dyn Access>, limit: Duration) -> Self {
        let Settings { backend, instances, config_file, .. } = settings;
        Self { id, backend, instances, access, limit, config_file }
    }

    fn instance(&self, name: &InstanceName) -> Result<&Instance> {
        let found = self.instances.iter().find(|i| &i.name == name);
        found.ok_or_else(|| ProviderError::Refused(format!("{} has no instance {name}", self.id)))
    }

    /// `backend/server` as commands name it. Names go into a command line, so only what HAProxy itself allows in
    /// a name may be in them.
    fn member(&self, server: &str) -> Result<String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        for name in [self.backend.as_str(), server] {
            if name.is_empty() || !name.chars().all(allowed) {
                return Err(ProviderError::Refused(format!("{name:?} cannot be the name of a backend or server")));
            }
        }
        Ok(format!("{}/{server}", self.backend))
    }

    async fn snapshot(&self, socket: &Endpoint) -> Result<Snapshot> {
        let backend = &self.backend;
        self.member("any")?;
        // All proxies, since a frontend may have the backend's name and would be shown in its place.
        let line = format!("show info;show cli level;show stat -1 4 -1;show servers state {backend}");
        let answer = self.ask(socket, &line).await?;
        parse::snapshot(&answer, backend).map_err(ProviderError::Unexpected)
    }

    /// The process ids of old workers that still serve connections. Nothing where no master is configured: then
    /// there is no way to know of them.
    async fn old_workers(&self, instance: &Instance) -> Result<(Vec<u64>, Vec<u64>)> {
        let Some(master) = &instance.master else { return Ok((Vec::new(), Vec::new())) };
        let answer = self.ask(master, "show proc").await?;
        let (current, old) = parse::workers(&answer).map_err(ProviderError::Unexpected)?;
        if old.len() > MAX_OLD_WORKERS {
            return Err(ProviderError::Unexpected(format!("{} old workers are still alive", old.len())));
        }
        Ok((current, old))
    }

    /// Asks one old worker through the master. `None` where it ended in the meantime, which can also cut its
    /// answer short.
    async fn ask_old(&self, instance: &Instance, pid: u64, command: &str) -> Result<Option<String>> {
        let Some(master) = &instance.master else { return Ok(None) };
        match self.ask(master, &format!("@!{pid} {command}")).await {
            Ok(answer) => Ok((!answer.starts_with(GONE)).then_some(answer)),
            Err(error) => match self.old_workers(instance).await? {
                (_, old) if old.contains(&pid) => Err(error),
                _ => Ok(None),
            },
        }
    }

    async fn old_loads(&self, instance: &Instance, old: &[u64]) -> Result<BTreeMap<String, Load>> {
        let command = "show stat -1 4 -1";
        let answers = try_join_all(old.iter().map(|pid| self.ask_old(instance, *pid, command))).await?;
        let mut sums: BTreeMap<String, Load> = BTreeMap::new();
        for answer in answers.into_iter().flatten() {
            for (server, load) in parse::loads(&answer, &self.backend).map_err(ProviderError::Unexpected)? {
                let sum = sums.entry(server).or_default();
                sum.sessions = sum.sessions.saturating_add(load.sessions);
                sum.idle = sum.idle.saturating_add(load.idle);
            }
        }
        Ok(sums)
    }

    /// Sends commands that change something, and understands the answer: an empty line for each success.
    async fn change(&self, socket: &Endpoint, commands: &[String]) -> Result<()> {
        if commands.is_empty() {
            return Ok(());
        }
        let answer = self.ask(socket, &commands.join(";")).await?;
        let said: Vec<&str> = answer.lines().filter(|line| !line.trim().is_empty()).collect();
        match said.len() {
            0 if answer.matches('\n').count() >= commands.len() => Ok(()),
            0 => Err(ProviderError::Unexpected(format!("not every command of '{}' was answered", commands.join(";")))),
            n if n >= commands.len() => Err(ProviderError::Refused(explained(said[0]))),
            // Some of the commands went through, so this is no plain refusal.
            _ => Err(ProviderError::Unexpected(format!("'{}': {}", commands.join(";"), explained(said[0])))),
        }
    }

    /// Cuts the sessions on a server in an old worker, one by one: its backends count as disabled, so it refuses
    /// everything that is said of a server ("Proxy is disabled.").
    async fn cut_old(&self, instance: &Instance, pid: u64, server: &str) -> Result<()> {
        let Some(answer) = self.ask_old(instance, pid, "show sess").await? else { return Ok(()) };
        let held = sessions::sessions(&answer, &self.backend, server).map_err(ProviderError::Unexpected)?;
        for some in held.chunks(SESSIONS_A_LINE) {
            let cut: Vec<String> = some.iter().map(|s| format!("shutdown session {}", s.pointer)).collect();
            let next = format!(";@!{pid} ");
            let Some(answer) = self.ask_old(instance, pid, &cut.join(&next)).await? else { return Ok(()) };
            let gone = |line: &str| line.is_empty() || line.starts_with("No such session") || line.starts_with(GONE);
            if let Some(said) = answer.lines().map(str::trim).find(|line| !gone(line)) {
                return Err(ProviderError::Unexpected(format!("old worker {pid} said: {}", explained(said))));
            }
        }
        Ok(())
    }

    /// One line there, the whole answer back. The writing side is closed after the line: the master's socket
    /// waits for more otherwise.
    async fn ask(&self, socket: &Endpoint, line: &str) -> Result<String> {
        let connected = timeout(self.limit, self.connect(socket)).await;
        let unreachable = |why: String| ProviderError::Unreachable(format!("{}: {why}", socket));
        let mut stream = connected.map_err(|_| unreachable(format!("no connection within {:?}", self.limit)))??;
        let exchange = async {
            let mut answer = Vec::new();
            stream.write_all(format!("{line}\n").as_bytes()).await?;
            stream.shutdown().await?;
            (&mut stream).take(MAX_ANSWER + 1).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let broken = |why: String| ProviderError::Unexpected(format!("{}: {why}", socket));
        let answer = timeout(self.limit, exchange).await.map_err(|_| ProviderError::TimedOut(self.limit))?;
        match answer {
            Err(error) => Err(broken(format!("the connection broke: {error}"))),
            Ok(answer) if answer.is_empty() => Err(broken("closed without an answer".into())),
            Ok(answer) if answer.len() as u64 > MAX_ANSWER => Err(broken("an answer without end".into())),
            Ok(answer) => String::from_utf8(answer).map_err(|_| broken("the answer is no text".into())),
        }
    }

    async fn connect(&self, socket: &Endpoint) -> Result<Box<dyn Stream>> {
        let unreachable = |error| ProviderError::Unreachable(format!("{}: {error}", socket));
        match socket {
            Endpoint::Unix { path } => Ok(Box::new(UnixStream::connect(path).await.map_err(unreachable)?)),
            Endpoint::Tcp { address } => Ok(Box::new(TcpStream::connect(address).await.map_err(unreachable)?)),
            Endpoint::Ssh { host, path } => self.access.connect_unix(host, Path::new(path)).await,
        }
    }
}

#[async_trait]
impl RouteProvider for Haproxy {
    fn id(&self) -> &RouteId {
        &self.id
    }

    async fn configured(&self, instance: &InstanceName) -> Result<Option<BalancerView>> {
        self.configuration(self.instance(instance)?).await.map(Some)
    }

    async fn observe(&self, instance: &InstanceName) -> Result<InstanceView> {
        let instance = self.instance(instance)?;
        let (snapshot, (current, old)) = tokio::try_join!(self.snapshot(&instance.socket), self.old_workers(instance))?;
        if instance.master.is_some() && !current.contains(&snapshot.pid) {
            let pid = snapshot.pid;
            return Err(ProviderError::Unexpected(format!("a reload is under way: {pid} is no current worker")));
        }
        let old = self.old_loads(instance, &old).await?;
        let mut warnings = Vec::new();
        if snapshot.level != "admin" {
            warnings.push(format!("the socket has level {}, so HAProxy will refuse changes", snapshot.level));
        }
        let of_old = |name: &String| old.get(name).copied().unwrap_or_default();
        let members = snapshot.servers.iter().map(|(name, server)| (name.clone(), server.view(of_old(name)))).collect();
        Ok(InstanceView { generation: snapshot.generation, members, warnings, ..InstanceView::default() })
    }

    async fn apply(&self, instance: &InstanceName, server: &str, desired: &Desired) -> Result<()> {
        let instance = self.instance(instance)?;
        let member = self.member(server)?;
        let snapshot = self.snapshot(&instance.socket).await?;
        let now = snapshot.servers.get(server).ok_or_else(|| ProviderError::Refused(format!("no server {member}")))?;
        self.change(&instance.socket, &commands(&member, now, desired)?).await
    }

    async fn close_connections(&self, instance: &InstanceName, server: &str) -> Result<()> {
        let instance = self.instance(instance)?;
        let cut = format!("shutdown sessions server {}", self.member(server)?);
        self.change(&instance.socket, std::slice::from_ref(&cut)).await?;
        let (_, old) = self.old_workers(instance).await?;
        try_join_all(old.iter().map(|pid| self.cut_old(instance, *pid, server))).await.map(drop)
    }

    async fn stragglers(&self, instance: &InstanceName, server: &str) -> Result<Option<Stragglers>> {
        self.list(self.instance(instance)?, server).await.map(Some)
    }

    async fn close_one(&self, instance: &InstanceName, server: &str, id: &str) -> Result<()> {
        self.cut(self.instance(instance)?, server, id).await
    }
}

/// The commands that lead from what is to what is desired; none where it is so already.
fn commands(member: &str, now: &Server, desired: &Desired) -> Result<Vec<String>> {
    match desired {
        // Maintenance takes no clients either, so it stays.
        Desired::Drained if now.forced() != 0 => Ok(Vec::new()),
        // Only maintenance sends clients with a cookie elsewhere.
        Desired::Closed if now.forced() & FORCED_MAINT != 0 => Ok(Vec::new()),
        Desired::Closed => Ok(vec![set(member, "state maint")]),
        Desired::Drained => Ok(vec![set(member, "state drain")]),
        Desired::FreshCheck => fresh_check(member, now),
        Desired::Serving { weight } => Ok(towards(member, now, 0, *weight)),
        Desired::Exactly { exact } => {
            let (forced, weight) = parse::forced_and_weight(exact)
                .ok_or_else(|| ProviderError::Refused(format!("{} is no state of an HAProxy server", exact.0)))?;
            Ok(towards(member, now, forced, weight))
        }
    }
}

/// Where checks run, whatever they said until now is void. In maintenance none run, so that is left for drain.
fn fresh_check(member: &str, now: &Server) -> Result<Vec<String>> {
    if let Some(tracked) = now.tracked.as_ref().filter(|_| now.forced() & FORCED_MAINT == 0) {
        let reason = format!("{member} follows the checks of {tracked}: ask for a fresh check there");
        return Err(ProviderError::Refused(reason));
    }
    let mut commands = Vec::new();
    if now.forced() & FORCED_MAINT != 0 {
        commands.push(set(member, "state drain"));
    }
    // Without checks `health down` would last for ever. With them it ends by itself; and where they fail
    // already, there is nothing to void.
    if now.checks() && (now.running() || !commands.is_empty()) {
        commands.push(set(member, "health down"));
    }
    Ok(commands)
}

/// Weight first, then the state, so that no client comes with the wrong weight.
fn towards(member: &str, now: &Server, forced: u32, weight: u32) -> Vec<String> {
    let mut commands = Vec::new();
    if now.weight != weight {
        commands.push(set(member, &format!("weight {weight}")));
    }
    if now.forced() == forced {
        return commands;
    }
    let leaves_maintenance = now.forced() & FORCED_MAINT != 0 && forced & FORCED_MAINT == 0;
    if leaves_maintenance {
        commands.push(set(member, "state drain"));
        if now.checks() {
            commands.push(set(member, "health down"));
        }
    }
    match forced {
        0 => commands.push(set(member, "state ready")),
        bits if bits & FORCED_MAINT != 0 => commands.push(set(member, "state maint")),
        bits if bits & FORCED_DRAIN != 0 && !leaves_maintenance => commands.push(set(member, "state drain")),
        _ => {}
    }
    commands
}

fn set(member: &str, what: &str) -> String {
    format!("set server {member} {what}")
}

fn explained(said: &str) -> String {
    let said = first_words(said);
    if said.starts_with("Permission denied") { format!("{said} (the socket needs 'level admin')") } else { said }
}

#[cfg(test)]
mod tests;

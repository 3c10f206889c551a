//! Other machines, over the user's own SSH: the configuration, agent, keys and known hosts are `ssh`'s business.
//!
//! One *master* connection a host carries everything: commands (about 10 ms each instead of 200), forwards to UNIX
//! sockets, the system bus. Masters live in a private directory and outlive this program by a minute, so that the
//! next command finds them open. What keeps them honest:
//! * a master is found by what `ssh -G` says of the host, so a changed configuration never meets an old master;
//! * commands go through the master only; where it is gone they fail before anything is sent, a new master is made,
//!   and they are sent once more;
//! * a dead peer is noticed by the master itself within some [`ALIVE_INTERVAL`]s, and until then every call ends
//!   at its caller's time limit;
//! * hosts are opened side by side: nothing is locked but the one host.
//!
//! A broken connection in the middle of a command leaves its outcome unknown, and is reported so.

use std::{
    collections::HashMap,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use super::{Access, Following, Output, Stream, process};
use crate::provider::{ProviderError, Result};

mod master;

use master::{Master, Target};

/// Time limit of everything that only opens connections.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// How often a master asks a silent peer for a sign of life; the second one missed ends it. Whole seconds.
const ALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// `ssh`'s own exit code, which a remote command may use too.
const SSH_FAILED: i32 = 255;

/// Access over SSH.
pub struct SshAccess {
    client: Arc<Client>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// How `ssh` is called for every host.
struct Client {
    user: Option<String>,
    config: Option<PathBuf>,
    directory: PathBuf,
}

/// One host: what is known of the way there.
struct Host {
    name: String,
    client: Arc<Client>,
    /// The master's place, once `ssh -G` was asked.
    master: tokio::sync::Mutex<Option<Master>>,
    bus: tokio::sync::Mutex<Option<Bus>>,
}

/// A bus connection, and the `ssh` that carries it (killed when this goes).
struct Bus {
    connection: zbus::Connection,
    _carrier: Child,
}

impl SshAccess {
    /// Access as `user` (else as the SSH configuration says), with `config` instead of the user's own SSH
    /// configuration. Makes a private directory for control sockets, and refuses one that others may write to.
    pub fn new(user: Option<String>, config: Option<PathBuf>) -> Result<Self> {
        Self::in_directory(user, config, master::runtime_directory()?)
    }

    /// The same with the control sockets in `directory`, whose path must be short: a UNIX socket's is limited.
    pub fn in_directory(user: Option<String>, config: Option<PathBuf>, directory: PathBuf) -> Result<Self> {
        master::make_private(&directory)?;
        Ok(Self { client: Arc::new(Client { user, config, directory }), hosts: Mutex::new(HashMap::new()) })
    }

    /// Opens the masters of all these hosts side by side, before they are needed. A host that does not answer
    /// is in the result, and costs the others nothing.
    pub async fn warm(&self, hosts: &[&str]) -> Vec<(String, Result<()>)> {
        join_all(hosts.iter().map(|name| async {
            let opened = self.host(name);
            let opened = match opened {
                Ok(host) => host.open().await.map(|_| ()),
                Err(error) => Err(error),
            };
            ((*name).to_owned(), opened)
        }))
        .await
    }

    fn host(&self, name: &str) -> Result<Arc<Host>> {
        // An alias is the last word of a command line: it must not read as an option.
        if name.is_empty() || name.starts_with('-') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ProviderError::Refused(format!("{name:?} cannot be the name of a host")));
        }
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(name.to_owned()).or_insert_with(|| {
            let (master, bus) = (tokio::sync::Mutex::new(None), tokio::sync::Mutex::new(None));
            Arc::new(Host { name: name.to_owned(), client: Arc::clone(&self.client), master, bus })
        });
        Ok(Arc::clone(host))
    }
}

impl Host {
    /// A living master, made where there is none.
    async fn open(&self) -> Result<Master> {
        let opening = async {
            let mut known = self.master.lock().await;
            if let Some(master) = known.as_ref()
                && master.lives().await
            {
                return Ok(master.clone());
            }
            // Asked again whenever the master is gone: the configuration may have changed in the meantime.
            let master = known.insert(Master::find(&self.client, &self.name).await?).clone();
            master.ensure(&self.client, &self.name).await?;
            Ok(master)
        };
        let late = |_| ProviderError::Unreachable(format!("{}: no SSH connection within {CONNECT_LIMIT:?}", self.name));
        timeout(CONNECT_LIMIT, opening).await.map_err(late)?
    }

    async fn run(&self, line: &str, input: Option<&[u8]>, limit: Duration) -> Result<Output> {
        let began = tokio::time::Instant::now();
        // Once more where the master went before it got the command; whatever else happened may have happened there.
        for _ in 0..2 {
            let master = self.open().await?;
            let left = limit.saturating_sub(began.elapsed());
            let command = master.command(&self.name, line);
            let output = match input {
                Some(input) => process::feed(command, input, left).await?,
                None => process::run(command, left).await?,
            };
            if output.code != Some(SSH_FAILED) {
                return Ok(output);
            }
            if master::never_sent(&output) {
                continue;
            }
            if master::broke(&output.stderr) {
                let why = format!("{}: the SSH connection broke during the command", self.name);
                return Err(ProviderError::Unexpected(why));
            }
            return Ok(output);
        }
        Err(ProviderError::Unreachable(format!("{}: the SSH connection breaks again and again", self.name)))
    }

    async fn connect(&self, target: &Target<'_>) -> Result<UnixStream> {
        // The listening end lives in the master, so an answer here means that both are there.
        if let Some(known) = self.master.lock().await.as_ref()
            && let Ok(stream) = UnixStream::connect(known.forwarded(target)).await
        {
            return Ok(stream);
        }
        let master = self.open().await?;
        let local = master.forwarded(target);
        if let Ok(stream) = UnixStream::connect(&local).await {
            return Ok(stream);
        }
        let mut refused = String::new();
        for again in [false, true] {
            if again {
                // The master believes that it listens, but somebody removed the socket.
                master.forget(&self.name, target).await?;
            }
            master.forward(&self.name, target).await?;
            match UnixStream::connect(&local).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refused = error.to_string(),
            }
        }
        Err(ProviderError::Unreachable(format!("{}:{target}: {refused}", self.name)))
    }

    async fn bus(&self) -> Result<zbus::Connection> {
        let mut known = self.bus.lock().await;
        if let Some(bus) = known.as_ref().filter(|bus| !bus.connection.is_closed()) {
            return Ok(bus.connection.clone());
        }
        *known = None;
        let master = self.open().await?;
        let opened = timeout(CONNECT_LIMIT, self.open_bus(&master)).await;
        let bus = opened.map_err(|_| ProviderError::TimedOut(CONNECT_LIMIT))??;
        Ok(known.insert(bus).connection.clone())
    }

    /// The bridge that systemd ships speaks D-Bus over its standard input and output. It gets one end of a socket
    /// pair, zbus the other: a child of our own is kept out of the terminal's Ctrl-C, which zbus's is not.
    async fn open_bus(&self, master: &Master) -> Result<Bus> {
        let failed = |e: String| ProviderError::Unreachable(format!("{}: system bus: {e}", self.name));
        let (ours, theirs) = StdUnixStream::pair().map_err(|e| failed(e.to_string()))?;
        let (input, output) = (theirs.try_clone().map_err(|e| failed(e.to_string()))?, theirs);
        let mut command: Command = master.command(&self.name, "exec systemd-stdio-bridge");
        command.stdin(Stdio::from(OwnedFd::from(input))).stdout(Stdio::from(OwnedFd::from(output)));
        command.stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        let carrier = command.spawn().map_err(|e| failed(e.to_string()))?;
        // The command keeps the far end open for as long as it lives, and a closed bridge would not show.
        drop(command);
        let connection = zbus::connection::Builder::unix_stream(ours).build().await;
        Ok(Bus { connection: connection.map_err(|e| failed(e.to_string()))?, _carrier: carrier })
    }
}

#[async_trait]
impl Access for SshAccess {
    async fn run(&self, host: &str, argv: &[&str], limit: Duration) -> Result<Output> {
        let line = quoted(argv)?;
        let host = self.host(host)?;
        within(limit, host.run(&line, None, limit)).await
    }

    async fn feed(&self, host: &str, argv: &[&str], input: &[u8], limit: Duration) -> Result<Output> {
        let line = quoted(argv)?;
        let host = self.host(host)?;
        within(limit, host.run(&line, Some(input), limit)).await
    }

    async fn follow(&self, host: &str, argv: &[&str]) -> Result<Box<dyn Following>> {
        let (line, host) = (quoted(argv)?, self.host(host)?);
        Ok(Box::new(process::follow(host.open().await?.command(&host.name, &line))?))
    }

    async fn connect_unix(&self, host: &str, path: &Path) -> Result<Box<dyn Stream>> {
        Ok(Box::new(self.host(host)?.connect(&Target::Unix(path)).await?))
    }

    async fn connect_tcp(&self, host: &str, address: &str) -> Result<Box<dyn Stream>> {
        Ok(Box::new(self.host(host)?.connect(&Target::Tcp(address)).await?))
    }

    async fn system_bus(&self, host: &str) -> Result<zbus::Connection> {
        self.host(host)?.bus().await
    }
}

/// Whatever was late on the way: the caller's limit is what passed.
async fn within(limit: Duration, running: impl Future<Output = Result<Output>>) -> Result<Output> {
    match timeout(limit, running).await {
        Ok(Err(ProviderError::TimedOut(_))) | Err(_) => Err(ProviderError::TimedOut(limit)),
        Ok(said) => said,
    }
}

/// One line for a POSIX shell that comes out as exactly these words.
fn quoted(argv: &[&str]) -> Result<String> {
    if argv.is_empty() {
        return Err(ProviderError::Refused("a command without a program".into()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let mut words = Vec::new();
    for word in argv {
        if word.contains('\0') {
            return Err(ProviderError::Refused("a zero byte in an argument".into()));
        }
        // The first word plain could still be an assignment or a built-in; nobody calls programs so named.
        let bare = !word.is_empty() && word.chars().all(plain);
        words.push(if bare { (*word).to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) });
    }
    Ok(words.join(" "))
}

#[cfg(test)]
mod tests;

//! The master connection of one host: found, made, replaced, and used.

use std::{
    fmt,
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{net::UnixStream, process::Command};

use super::{ALIVE_INTERVAL, CONNECT_LIMIT, Client};
use crate::provider::{
    ProviderError, Result,
    access::{Output, process},
};

/// Seconds that an unused master stays open, beyond the end of this program.
const PERSIST_SECONDS: u32 = 60;
/// `ssh`'s own limit of the TCP connection and the greeting, below ours so that its words reach the person.
const TCP_CONNECT_SECONDS: u32 = 3;
/// Time between two tries to get the lock under which another program makes the same master.
const LOCK_RETRY: Duration = Duration::from_millis(10);
/// Longest path of a control socket: `ssh` adds 17 characters of its own while it makes one.
const MAX_SOCKET_PATH: usize = 107 - 17;

/// A master's place. It need not live: [`Master::ensure`] sees to that.
#[derive(Clone)]
pub(super) struct Master {
    socket: PathBuf,
}

impl Master {
    /// The place of the master that fits what the configuration says of this host *now*: host name, port, user,
    /// keys, jump hosts, everything that `ssh -G` prints.
    pub(super) async fn find(client: &Client, host: &str) -> Result<Self> {
        let mut ask = client.ssh();
        ask.arg("-G").arg("--").arg(host);
        let said = process::run(ask, CONNECT_LIMIT).await?;
        if said.code != Some(0) {
            return Err(unreachable(host, &said.stderr));
        }
        let digest = Sha256::digest(said.stdout.as_bytes());
        let socket = client.directory.join(hex(&digest[..8]));
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(ProviderError::Refused(format!("{} is too long for a control socket", socket.display())));
        }
        Ok(Self::at(socket))
    }

    /// The master in this place.
    pub(super) fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Makes the master unless it lives. One program at a time: a second master in the same place would stay
    /// behind for ever, unseen.
    pub(super) async fn ensure(&self, client: &Client, host: &str) -> Result<()> {
        if self.lives().await {
            return Ok(());
        }
        let lock = self.lock().await.map_err(|e| unreachable(host, &e.to_string()))?;
        if !self.lives().await {
            self.make(client, host).await?;
            self.hurry(host);
        }
        drop(lock);
        Ok(())
    }

    /// Both ends of an SSH connection leave Nagle's algorithm on until its first session begins. A host that is used
    /// for forwards only never has one, and every second exchange takes 40 ms longer (*measured*). So a session is
    /// opened, which nobody waits for.
    fn hurry(&self, host: &str) {
        let session = self.command(host, "true");
        tokio::spawn(async move { process::run_silent(session, CONNECT_LIMIT).await });
    }

    /// Whether somebody listens on the control socket. That the peer lives too, the master itself watches.
    pub(super) async fn lives(&self) -> bool {
        UnixStream::connect(&self.socket).await.is_ok()
    }

    async fn lock(&self) -> io::Result<File> {
        let lock = File::options().create(true).append(true).open(self.socket.with_extension("lock"))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// `ssh -f` returns once it is authenticated and listens. What it says goes to a file, since the part of it that
    /// stays in the background would hold our pipes open.
    async fn make(&self, client: &Client, host: &str) -> Result<()> {
        remove(&self.socket).map_err(|e| unreachable(host, &e.to_string()))?;
        let log = self.socket.with_extension("log");
        remove(&log).map_err(|e| unreachable(host, &e.to_string()))?;
        let mut make = client.ssh();
        make.arg("-E").arg(&log).args(["-f", "-N", "-T"]);
        make.args(["-o", "ControlMaster=yes", "-o"]).arg(format!("ControlPath={}", self.socket.display()));
        make.args(["-o", &format!("ControlPersist={PERSIST_SECONDS}")]);
        make.args(["-o", &format!("ConnectTimeout={TCP_CONNECT_SECONDS}"), "-o", "ConnectionAttempts=1"]);
        make.args(["-o", &format!("ServerAliveInterval={}", ALIVE_INTERVAL.as_secs()), "-o", "ServerAliveCountMax=2"]);
        // What a person's interactive session may want, and a machine's must not do.
        make.args(["-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no"]);
        make.args(["-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none", "-o", "RequestTTY=no"]);
        make.args(["-o", "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177"]);
        make.arg("--").arg(host);
        let said = process::run_silent(make, CONNECT_LIMIT).await;
        let words = fs::read_to_string(&log).unwrap_or_default();
        // The log can be gone or stay: it is of no use to anybody any more.
        let _ = fs::remove_file(&log);
        match said? {
            Some(0) => Ok(()),
            _ => Err(unreachable(host, &words)),
        }
    }

    /// A command through the master, and through nothing else: where it is gone, `ssh` gives up instead of making a
    /// connection of its own.
    pub(super) fn command(&self, host: &str, line: &str) -> Command {
        let mut command = self.client();
        command.args(["-T", "--", host, line]);
        command
    }

    /// Where the master listens for a socket of the other machine.
    pub(super) fn forwarded(&self, target: &Target<'_>) -> PathBuf {
        let digest = Sha256::digest(target.to_string());
        self.socket.with_extension(hex(&digest[..4]))
    }

    /// Makes the master listen there. A forward that it has already is no error.
    pub(super) async fn forward(&self, host: &str, target: &Target<'_>) -> Result<()> {
        self.control("forward", host, target).await
    }

    /// Makes the master stop to listen there.
    pub(super) async fn forget(&self, host: &str, target: &Target<'_>) -> Result<()> {
        self.control("cancel", host, target).await
    }

    async fn control(&self, what: &str, host: &str, target: &Target<'_>) -> Result<()> {
        if !target.can_be_forwarded() {
            return Err(ProviderError::Refused(format!("{target} is nothing that SSH can forward")));
        }
        let lock = self.lock().await.map_err(|e| unreachable(host, &e.to_string()))?;
        let mut ask = self.client();
        let spec = format!("{}:{target}", self.forwarded(target).display());
        ask.args(["-O", what, "-L", &spec, "--", host]);
        let said = process::run(ask, CONNECT_LIMIT).await?;
        drop(lock);
        if said.code == Some(0) { Ok(()) } else { Err(unreachable(host, &said.stderr)) }
    }

    /// `ssh` as a client of the master, without any configuration: the master has read it.
    fn client(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-S"]).arg(&self.socket);
        ssh.args(["-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", "ProxyCommand=false"]);
        ssh
    }
}

/// A socket of the other machine.
pub(super) enum Target<'t> {
    Unix(&'t Path),
    /// `host:port`, as that machine resolves it.
    Tcp(&'t str),
}

impl Target<'_> {
    /// It becomes the second half of `-L near:far`, so nothing in it may be read as a separator.
    fn can_be_forwarded(&self) -> bool {
        match self {
            Self::Unix(path) => path.to_str().is_some_and(|p| p.starts_with('/') && !p.contains([':', '\n', '\0'])),
            Self::Tcp(address) => address.rsplit_once(':').is_some_and(|(host, port)| {
                let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                let named = !host.is_empty() && !host.starts_with('-') && host.chars().all(plain);
                let host = named || bracketed.is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
                host && port.parse::<u16>().is_ok_and(|port| port > 0)
            }),
        }
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

impl Client {
    /// `ssh` with the user's configuration, never asking a person anything.
    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        if let Some(config) = &self.config {
            ssh.arg("-F").arg(config);
        }
        if let Some(user) = &self.user {
            ssh.arg("-l").arg(user);
        }
        ssh.args(["-o", "BatchMode=yes"]);
        ssh
    }
}

/// The master was gone before the command was handed over: `ssh` tried the stand-in connection, and that ended at
/// once.
pub(super) fn never_sent(output: &Output) -> bool {
    output.stdout.is_empty() && last_line(&output.stderr).is_some_and(|line| line.contains("UNKNOWN port 65535"))
}

/// The master went, or lost its peer, while the command ran.
pub(super) fn broke(stderr: &str) -> bool {
    ["mux_client_", "Broken pipe", "Connection reset", "Shared connection", "Connection to "]
        .iter()
        .any(|words| stderr.contains(words))
}

/// Where control sockets live: in the user's runtime directory, which is private and cleaned up at logout; else
/// under `/run` or `/tmp`.
pub(super) fn runtime_directory() -> Result<PathBuf> {
    let user = rustix::process::geteuid();
    let base = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute()) {
        Some(dir) => PathBuf::from(dir),
        None if user.is_root() => PathBuf::from("/run"),
        None => return Ok(PathBuf::from(format!("/tmp/tidegate-{}", user.as_raw()))),
    };
    Ok(base.join("tidegate-ssh"))
}

/// Makes the directory, or accepts one that is ours and closed to everybody else. Whoever can write there can
/// speak over our connections.
pub(super) fn make_private(directory: &Path) -> Result<()> {
    let refuse = |why: String| ProviderError::Refused(format!("{}: {why}", directory.display()));
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refuse(error.to_string())),
        _ => {}
    }
    let found = fs::symlink_metadata(directory).map_err(|e| refuse(e.to_string()))?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_dir() || !ours || found.mode() & 0o077 != 0 {
        return Err(refuse("must be a directory of ours that nobody else can enter (mode 0700)".into()));
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unreachable(host: &str, words: &str) -> ProviderError {
    let words = last_line(words).unwrap_or("ssh gave no reason");
    ProviderError::Unreachable(format!("{host}: {words}"))
}

fn last_line(words: &str) -> Option<&str> {
    words.lines().map(str::trim).rfind(|line| !line.is_empty())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

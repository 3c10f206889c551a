//! A real sshd, and the way to it: everything over one connection a host, which may die at any time.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tidegate::provider::{
    ProviderError,
    access::{Access, ssh::SshAccess},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    time::{Instant, sleep},
};

use crate::process::{Process, free_port, program};

const LIMIT: Duration = Duration::from_secs(5);

/// A server on loopback with keys of its own; `node-01` to `node-09` are its aliases.
pub struct Sshd {
    directory: TempDir,
    process: Process,
}

impl Sshd {
    pub async fn start() -> Option<Self> {
        Self::with_environment("HOME=/nonexistent").await
    }

    /// `environment` is what its commands see. (Without the user's own HOME no shell start-up file is in the way.)
    async fn with_environment(environment: &str) -> Option<Self> {
        let sshd = program("/usr/sbin/sshd")?;
        program("/usr/bin/ssh")?;
        // Where it runs as root, it insists on this directory.
        let _ = std::fs::create_dir_all("/run/sshd");
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().display().to_string();
        for key in ["host", "user"] {
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.path().join(key));
            assert!(make.status().expect("ssh-keygen").success());
        }
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/user.pub\n\
             StrictModes no\nUsePAM no\nPidFile none\nSetEnv {environment}\n"
        );
        let known = std::fs::read_to_string(format!("{at}/host.pub")).expect("a key");
        write(directory.path(), "sshd_config", &config);
        write(directory.path(), "known", &format!("[127.0.0.1]:{port} {known}"));
        write(
            directory.path(),
            "config",
            &format!(
                "Host node-0?\n HostName 127.0.0.1\n Port {port}\n IdentityFile {at}/user\n IdentitiesOnly yes\n \
                 UserKnownHostsFile {at}/known\n StrictHostKeyChecking yes\n"
            ),
        );
        let process = Self::run(&sshd, directory.path());
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < LIMIT, "sshd does not listen: {}", read(directory.path(), "log"));
            sleep(Duration::from_millis(10)).await;
        }
        Some(Self { directory, process })
    }

    fn run(sshd: &Path, at: &Path) -> Process {
        Process::start(Command::new(sshd).arg("-D").arg("-e").arg("-f").arg(at.join("sshd_config")), &at.join("log"))
    }

    /// Access as a program of its own would have it; all share their masters.
    pub fn access(&self) -> Arc<SshAccess> {
        let config = Some(self.directory.path().join("config"));
        Arc::new(SshAccess::in_directory(None, config, self.masters()).expect("access"))
    }

    fn masters(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// Kills all masters, and waits until they are gone.
    async fn kill_masters(&self) {
        let pids = self.master_pids();
        assert!(!pids.is_empty(), "no master to kill");
        pids.into_iter().for_each(|pid| signal(pid, Signal::KILL));
        let began = Instant::now();
        while !self.master_pids().is_empty() {
            assert!(began.elapsed() < LIMIT, "masters live on");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The process ids of all living masters.
    fn master_pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for entry in std::fs::read_dir(self.masters()).into_iter().flatten().flatten() {
            if entry.path().extension().is_none() {
                let said = control("check", &entry.path());
                pids.extend(said.split_once("pid=").and_then(|(_, rest)| rest.split(')').next()?.parse::<i32>().ok()));
            }
        }
        pids
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Masters outlive their program on purpose, and must not outlive the test.
        for entry in std::fs::read_dir(self.masters()).into_iter().flatten().flatten() {
            if entry.path().extension().is_none() {
                control("exit", &entry.path());
            }
        }
    }
}

fn control(what: &str, socket: &Path) -> String {
    let said = Command::new("ssh").args(["-F", "/dev/null", "-O", what, "-S"]).arg(socket).arg("x").output();
    String::from_utf8_lossy(&said.expect("ssh").stderr).into_owned()
}

fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("a pid"), signal).expect("a signal");
}

fn write(at: &Path, name: &str, text: &str) {
    std::fs::write(at.join(name), text).expect("a file");
}

fn read(at: &Path, name: &str) -> String {
    std::fs::read_to_string(at.join(name)).unwrap_or_default()
}

async fn says(access: &SshAccess, host: &str, argv: &[&str]) -> String {
    let output = access.run(host, argv, LIMIT).await.unwrap_or_else(|e| panic!("{argv:?}: {e}"));
    assert_eq!(output.code, Some(0), "{argv:?}: {output:?}");
    output.stdout
}

/// A service on a UNIX socket that gives everything back after the last byte.
fn echo(path: &Path) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut all = Vec::new();
            if stream.read_to_end(&mut all).await.is_ok() {
                let _ = stream.write_all(&all).await;
            }
        }
    })
}

async fn echoed(access: &SshAccess, host: &str, path: &Path, text: &[u8]) -> Result<Vec<u8>, ProviderError> {
    let mut stream = access.connect_unix(host, path).await?;
    let mut back = Vec::new();
    stream.write_all(text).await.expect("written");
    stream.shutdown().await.expect("closed for writing");
    stream.read_to_end(&mut back).await.expect("read");
    Ok(back)
}

#[tokio::test]
async fn arguments_output_and_exit_codes_arrive_as_they_are() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let odd = ["", "a b", "it's", "$HOME `id` \"x\" \\ ; & * ? ~ #!", "line\nbreak", "ü", "-n"];
    let said = says(&access, "node-01", &[&["printf", "%s|"], &odd[..]].concat()).await;
    assert_eq!(said, odd.join("|") + "|");
    for code in [0, 3, 255] {
        let script = format!("echo out; echo err >&2; exit {code}");
        let said = access.run("node-01", &["sh", "-c", &script], LIMIT).await.expect("output");
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(code), "out\n", "err\n"));
    }
    let missing = access.run("node-01", &["no-such-program"], LIMIT).await.expect("the shell's answer");
    assert_eq!(missing.code, Some(127));
}

#[tokio::test]
async fn input_arrives_whole_over_a_new_connection_and_after_it_broke() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let much = "it's 'quoted' \\ $HOME\n".repeat(20_000);
    for _ in 0..2 {
        let said = access.feed("node-01", &["cat"], much.as_bytes(), LIMIT).await.expect("output");
        assert!(said.code == Some(0) && said.stdout == much, "{:?} with {} bytes", said.code, said.stdout.len());
        let unread = access.feed("node-01", &["sh", "-c", "exit 3"], much.as_bytes(), LIMIT).await.expect("output");
        assert_eq!(unread.code, Some(3));
        sshd.kill_masters().await;
    }
}

#[tokio::test]
async fn a_port_of_the_other_machine_is_reached_through_it() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("read");
            stream.write_all(&all).await.expect("written");
        }
    });
    for text in [b"one".as_slice(), b"two"] {
        let mut stream = access.connect_tcp("node-01", &address).await.expect("a connection");
        stream.write_all(text).await.expect("written");
        stream.shutdown().await.expect("closed for writing");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.expect("read");
        assert_eq!(back, text);
    }
    server.abort();
    for odd in ["127.0.0.1:1:2:3", "-R:80", "127.0.0.1:0", "[::1:80", "a b:80"] {
        let refused = access.connect_tcp("node-01", odd).await.map(|_| ());
        assert!(matches!(refused, Err(ProviderError::Refused(_))), "{odd}: {refused:?}");
    }
}

#[tokio::test]
async fn many_hosts_are_opened_side_by_side_and_then_cost_little() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let began = Instant::now();
    let opened = access.warm(&["node-01", "node-02", "node-03", "node-04"]).await;
    eprintln!("four hosts opened in {:?}", began.elapsed());
    assert!(opened.iter().all(|(_, opened)| opened.is_ok()), "{opened:?}");
    let masters = sshd.master_pids();
    assert_eq!(masters.len(), 4);

    let began = Instant::now();
    for _ in 0..10 {
        says(&access, "node-01", &["true"]).await;
    }
    eprintln!("a command took {:?}", began.elapsed() / 10);

    // The next program finds the masters, and commands at the same time share one.
    let next = sshd.access();
    let began = Instant::now();
    let commands = (0..8).map(|_| next.run("node-02", &["true"], LIMIT));
    let said = futures_util::future::join_all(commands).await;
    eprintln!("eight commands of another program took {:?}", began.elapsed());
    assert!(said.iter().all(|s| s.as_ref().is_ok_and(|s| s.code == Some(0))), "{said:?}");
    assert_eq!(sshd.master_pids().len(), 4);
}

#[tokio::test]
async fn first_commands_at_the_same_time_make_one_master() {
    let Some(sshd) = Sshd::start().await else { return };
    // Two programs, and several calls in each.
    let (one, two) = (sshd.access(), sshd.access());
    let calls = (0..6)
        .map(|i| if i % 2 == 0 { one.run("node-01", &["true"], LIMIT) } else { two.run("node-01", &["true"], LIMIT) });
    let said = futures_util::future::join_all(calls).await;
    assert!(said.iter().all(Result::is_ok), "{said:?}");
    assert_eq!(sshd.master_pids().len(), 1);
}

#[tokio::test]
async fn sockets_of_another_machine_are_reached_also_after_the_master_died() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let path = sshd.directory.path().join("echo.sock");
    let server = echo(&path);
    let large: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
    assert_eq!(echoed(&access, "node-01", &path, b"once").await.as_deref(), Ok(&b"once"[..]));
    assert_eq!(echoed(&access, "node-01", &path, &large).await.as_deref(), Ok(&large[..]));
    // Another program uses the same forward.
    assert_eq!(echoed(&sshd.access(), "node-01", &path, b"two").await.as_deref(), Ok(&b"two"[..]));
    assert_eq!(sshd.master_pids().len(), 1);

    sshd.kill_masters().await;
    assert_eq!(echoed(&access, "node-01", &path, b"three").await.as_deref(), Ok(&b"three"[..]));
    says(&access, "node-01", &["true"]).await;

    // Somebody cleaned up the directory under a living master.
    for entry in std::fs::read_dir(sshd.masters()).expect("the directory").flatten() {
        if entry.path().extension().is_some_and(|e| e.len() == 8) {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    assert_eq!(echoed(&access, "node-01", &path, b"four").await.as_deref(), Ok(&b"four"[..]));

    // Nobody listens over there: no answer, and no error that looks like one.
    server.abort();
    let gone = sshd.directory.path().join("nobody.sock");
    let mut stream = access.connect_unix("node-01", &gone).await.expect("the near end");
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back).await;
    assert!(back.is_empty());
}

#[tokio::test]
async fn a_host_used_for_sockets_only_answers_at_once() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let path = sshd.directory.path().join("echo.sock");
    let _server = echo(&path);
    echoed(&access, "node-01", &path, b"first").await.expect("an echo");
    // The session that turns Nagle's algorithm off is opened behind the first call.
    sleep(Duration::from_millis(500)).await;
    let mut times = Vec::new();
    for _ in 0..30 {
        let began = Instant::now();
        echoed(&access, "node-01", &path, b"again").await.expect("an echo");
        times.push(began.elapsed());
    }
    times.sort();
    assert!(times[20] < Duration::from_millis(30), "a third of the exchanges is slow: {times:?}");
}

#[tokio::test]
async fn a_host_that_goes_away_is_unreachable_and_comes_back() {
    let Some(mut sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let path = sshd.directory.path().join("echo.sock");
    let _server = echo(&path);
    assert_eq!(echoed(&access, "node-01", &path, b"up").await.as_deref(), Ok(&b"up"[..]));

    sshd.process.kill();
    sshd.kill_masters().await;
    let began = Instant::now();
    let down = access.run("node-01", &["true"], LIMIT).await;
    assert!(matches!(&down, Err(ProviderError::Unreachable(why)) if why.contains("refused")), "{down:?}");
    let down = echoed(&access, "node-01", &path, b"down").await;
    assert!(matches!(&down, Err(ProviderError::Unreachable(why)) if why.contains("refused")), "{down:?}");
    assert!(access.system_bus("node-01").await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "three errors took {:?}", began.elapsed());

    sshd.process = Sshd::run(Path::new("/usr/sbin/sshd"), sshd.directory.path());
    sleep(Duration::from_millis(300)).await;
    says(&access, "node-01", &["true"]).await;
    assert_eq!(echoed(&access, "node-01", &path, b"back").await.as_deref(), Ok(&b"back"[..]));
}

#[tokio::test]
async fn a_peer_that_falls_silent_costs_time_limits_and_then_a_new_connection() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    // The process that serves this connection is the parent of the remote shell.
    let server: i32 = says(&access, "node-01", &["sh", "-c", "echo $PPID"]).await.trim().parse().expect("a pid");
    signal(server, Signal::STOP);
    let began = Instant::now();
    let limit = Duration::from_millis(500);
    let silent = access.run("node-01", &["true"], limit).await;
    assert_eq!(silent, Err(ProviderError::TimedOut(limit)));
    assert!(began.elapsed() < limit * 2, "{:?}", began.elapsed());
    // A command that is under way when the master gives up ends without a known outcome, or is sent anew.
    loop {
        let again = access.run("node-01", &["true"], LIMIT).await;
        match again {
            Ok(output) => break assert_eq!(output.code, Some(0)),
            Err(ProviderError::Unexpected(why)) => assert!(why.contains("broke"), "{why}"),
            Err(ProviderError::TimedOut(_)) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(began.elapsed() < Duration::from_secs(12), "never back");
    }
    eprintln!("back after {:?}", began.elapsed());
    signal(server, Signal::KILL);
}

#[tokio::test]
async fn a_host_that_cannot_be_had_says_why() {
    let Some(sshd) = Sshd::start().await else { return };
    let access = sshd.access();
    let unknown = access.run("no-such-host.invalid", &["true"], LIMIT).await;
    assert!(matches!(&unknown, Err(ProviderError::Unreachable(why)) if why.contains("resolve")), "{unknown:?}");
    // A host key that changed is the user's to decide on, never ours.
    let port = free_port();
    write(sshd.directory.path(), "known", &format!("[127.0.0.1]:{port} ssh-ed25519 AAAA\n"));
    let changed = access.run("node-01", &["true"], LIMIT).await;
    assert!(
        matches!(&changed, Err(ProviderError::Unreachable(why)) if why.contains("verification failed")),
        "{changed:?}"
    );
    let warmed = access.warm(&["node-02", "-oProxyCommand=true"]).await;
    assert!(warmed.iter().all(|(_, opened)| opened.is_err()), "{warmed:?}");
}

#[tokio::test]
async fn the_system_bus_of_another_machine_is_opened_once_and_again_when_it_closed() {
    let (Some(daemon), Some(bridge)) = (program("/usr/bin/dbus-daemon"), program("/usr/bin/systemd-stdio-bridge"))
    else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path().display().to_string();
    let config = format!(
        "<busconfig><type>system</type><listen>unix:path={at}/bus</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/><allow user=\"*\"/></policy>\
         </busconfig>"
    );
    write(directory.path(), "bus.conf", &config);
    // The bridge under its own name, but at our bus.
    let wrapper = format!("#!/bin/sh\nexec {} -p unix:path={at}/bus\n", bridge.display());
    write(directory.path(), "systemd-stdio-bridge", &wrapper);
    std::fs::set_permissions(
        directory.path().join("systemd-stdio-bridge"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("a mode");
    let mut command = Command::new(daemon);
    command.args(["--nofork", "--nopidfile", &format!("--config-file={at}/bus.conf")]);
    let _bus = Process::start(&mut command, &directory.path().join("log"));
    let Some(sshd) = Sshd::with_environment(&format!("PATH={at}:/usr/bin:/bin HOME=/nonexistent")).await else {
        return;
    };
    let access = sshd.access();

    let connection = access.system_bus("node-01").await.expect("a bus");
    let name = connection.unique_name().expect("a name").to_string();
    let began = Instant::now();
    let again = access.system_bus("node-01").await.expect("a bus");
    assert_eq!(again.unique_name().expect("a name").as_str(), name, "one connection a host");
    let ping = |c: zbus::Connection| async move {
        c.call_method(Some("org.freedesktop.DBus"), "/", Some("org.freedesktop.DBus.Peer"), "Ping", &())
            .await
            .map(|_| ())
    };
    ping(again).await.expect("an answer");
    eprintln!("a call over the bus took {:?}", began.elapsed());

    sshd.kill_masters().await;
    tokio::time::timeout(LIMIT, connection.closed()).await.expect("the end of the connection shows");
    let fresh = access.system_bus("node-01").await.expect("a bus again");
    ping(fresh).await.expect("an answer");
}

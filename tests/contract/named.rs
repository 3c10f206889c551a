//! A real BIND on loopback: a primary that takes updates, a secondary that follows it or does not, the hand of another
//! person (`nsupdate`), and a connection that breaks or waits at the worst moment.

use std::{
    collections::VecDeque,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::process::{Process, free_port, program};

/// Opcode 5.
const UPDATE: u8 = 5;
const SECRET: &str = "dGlkZWdhdGUtdGVzdC1rZXktb2YtMzItYnl0ZXMhIQ==";

/// The zone `lab.example` on a primary, with two addresses of `app`, and further records.
pub struct Primary {
    directory: TempDir,
    process: Process,
    pub port: u16,
}

/// A server that follows a primary.
pub struct Secondary {
    directory: TempDir,
    process: Process,
    pub port: u16,
}

/// The records that every test begins with.
const RECORDS: &str = "\
$TTL 30
@ IN SOA ns1 hostmaster 100 3600 600 86400 5
@ NS ns1
@ NS ns2
ns1 A 127.0.0.1
ns2 A 127.0.0.1
app A 192.0.2.11
app A 192.0.2.12
_app._tcp SRV 10 60 443 node-01
_app._tcp SRV 10 40 443 node-02
web HTTPS 1 node-01 alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.11 key65333=secret
web HTTPS 1 node-02 alpn=\"h2\"
alias CNAME app
*.wild A 192.0.2.11
*.wild A 192.0.2.12
";

impl Primary {
    pub async fn start() -> Option<Self> {
        Self::with("", "", None).await
    }

    /// With more in the zone's clause and in the zone, and with a port of a secondary that is told of changes.
    pub async fn with(clause: &str, records: &str, notified: Option<u16>) -> Option<Self> {
        let named = program("/usr/sbin/named")?;
        program("/usr/bin/nsupdate")?;
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        for (file, name, algorithm, secret) in [
            ("drain.key", "drain", "hmac-sha256", SECRET.to_owned()),
            ("secret.key", "drain", "hmac-sha256", SECRET.to_uppercase()),
            ("name.key", "nobody", "hmac-sha256", SECRET.to_owned()),
            ("algorithm.key", "drain", "hmac-sha512", SECRET.to_owned()),
            ("guest.key", "guest", "hmac-sha256", SECRET.to_owned()),
        ] {
            write_key(&at.join(file), name, algorithm, &secret);
        }
        write(&at.join("lab.db"), &format!("{RECORDS}{records}"));
        let also = notified.map_or_else(String::new, |port| format!("also-notify {{ 127.0.0.1 port {port}; }};"));
        let port = free_port();
        let config = format!(
            "{}include \"{at}/drain.key\"; include \"{at}/guest.key\";\n\
             zone \"lab.example\" {{ type primary; file \"lab.db\"; update-policy {{ grant drain zonesub ANY; grant guest name app.lab.example A; }}; notify explicit; {also} {clause} }};\n",
            options(at, port),
            at = at.display(),
        );
        write(&at.join("named.conf"), &config);
        let process = run(&named, at);
        serves(port, at).await;
        Some(Self { directory, process, port })
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A key file: `drain` is right; `secret`, `name` and `algorithm` are wrong in that; `guest` may change the addresses of `app` and nothing
    /// else.
    pub fn key(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.key"))
    }

    /// What another person does now.
    pub fn by_hand(&self, lines: &str) {
        self.hand().send(lines);
    }

    /// Another person, with the same key.
    pub fn hand(&self) -> Hand {
        Hand { key: self.key("drain"), port: self.port }
    }

    /// Stops the server when it is called, until a `CONT`.
    pub fn pause(&self) -> impl Fn() + Send + use<> {
        let pid = self.process.id();
        move || rustix::process::kill_process(pid, Signal::STOP).expect("a signal")
    }

    /// The answer in `dig`'s words, sorted.
    pub fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        dig(self.port, name, kind)
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

impl Secondary {
    /// Of a primary at that port. `port` is one that the primary notifies; without a notification it asks hourly.
    pub async fn start(primary: u16, port: u16) -> Option<Self> {
        let named = program("/usr/sbin/named")?;
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        let config = format!(
            "{}zone \"lab.example\" {{ type secondary; file \"lab.db\"; primaries {{ 127.0.0.1 port {primary}; }}; notify no; }};\n",
            options(at, port)
        );
        write(&at.join("named.conf"), &config);
        let process = run(&named, at);
        serves(port, at).await;
        Some(Self { directory, process, port })
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn log(&self) -> String {
        log(self.directory.path())
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.process.signal(Signal::CONT);
    }
}

impl Drop for Secondary {
    fn drop(&mut self) {
        // A stopped process would not hear that it should end.
        self.process.signal(Signal::CONT);
    }
}

fn options(at: &Path, port: u16) -> String {
    format!(
        "options {{ directory \"{}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none; \
         session-keyfile none; recursion no; dnssec-validation no; notify-delay 0; max-udp-size 1232; \
         minimal-responses yes; }};\ncontrols {{ }};\n",
        at.display()
    )
}

/// Runs a copy: where AppArmor is active it knows the original by its path, and lets it into its own folders only.
fn run(named: &Path, at: &Path) -> Process {
    let own = at.join("named");
    std::fs::copy(named, &own).expect("a copy of named");
    Process::start(Command::new(own).arg("-g").arg("-c").arg(at.join("named.conf")), &at.join("log"))
}

/// Waits until it has the zone.
async fn serves(port: u16, at: &Path) {
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() || dig(port, "app", "A").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "named does not serve the zone: {}", log(at));
        sleep(Duration::from_millis(20)).await;
    }
}

fn dig(port: u16, name: &str, kind: &str) -> Vec<String> {
    let mut dig = Command::new("/usr/bin/dig");
    dig.args(["+tcp", "+norecurse", "+noall", "+answer", "+time=2", "+tries=1", "@127.0.0.1", "-p"]);
    let output = dig.arg(port.to_string()).arg(format!("{name}.lab.example.")).arg(kind).output().expect("dig");
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = |line: &str| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = answer.lines().filter(|line| !line.starts_with(';')).map(words).collect();
    lines.sort();
    lines
}

fn log(at: &Path) -> String {
    std::fs::read_to_string(at.join("log")).unwrap_or_default()
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}

fn write_key(path: &Path, name: &str, algorithm: &str, secret: &str) {
    write(path, &format!("key \"{name}\" {{ algorithm {algorithm}; secret \"{secret}\"; }};\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// Somebody with `nsupdate`.
pub struct Hand {
    key: PathBuf,
    port: u16,
}

impl Hand {
    pub fn send(&self, lines: &str) {
        let mut nsupdate = Command::new("/usr/bin/nsupdate");
        nsupdate.arg("-v").arg("-k").arg(&self.key).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = nsupdate.spawn().expect("nsupdate");
        let script = format!("server 127.0.0.1 {}\nzone lab.example\n{lines}\nsend\n", self.port);
        child.stdin.take().expect("its input").write_all(script.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "{lines}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What happens to an update on its way.
pub enum Fate {
    /// Somebody else is faster.
    After(Box<dyn Fn() + Send>),
    /// It arrives, and its answer is lost.
    AnswerLost,
}

/// A way to a server on which updates meet a fate, one after the other; the rest passes.
pub struct Way {
    pub port: u16,
    fates: Arc<Mutex<VecDeque<Fate>>>,
    updates: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Way {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let fates: Arc<Mutex<VecDeque<Fate>>> = Arc::default();
        let mut task = JoinSet::new();
        let updates: Arc<AtomicUsize> = Arc::default();
        let (queue, count) = (Arc::clone(&fates), Arc::clone(&updates));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, server, Arc::clone(&queue), Arc::clone(&count)));
            }
        });
        Self { port, fates, updates, _task: task }
    }

    pub fn next(&self, fate: Fate) {
        self.fates.lock().expect("the queue").push_back(fate);
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Updates that came this way.
    pub fn updates(&self) -> usize {
        self.updates.load(Ordering::Relaxed)
    }

    pub fn is_through(&self) -> bool {
        self.fates.lock().expect("the queue").is_empty()
    }
}

async fn pass(mut client: TcpStream, server: u16, fates: Arc<Mutex<VecDeque<Fate>>>, updates: Arc<AtomicUsize>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    while let Some(message) = message(&mut client).await {
        let update = message.get(4).is_some_and(|flags| (flags >> 3) & 0xf == UPDATE);
        updates.fetch_add(usize::from(update), Ordering::Relaxed);
        let fate = if update { fates.lock().expect("the queue").pop_front() } else { None };
        if let Some(Fate::After(hand)) = &fate {
            hand();
        }
        if server.write_all(&message).await.is_err() {
            return;
        }
        let Some(answer) = self::message(&mut server).await else { return };
        if matches!(fate, Some(Fate::AnswerLost)) || client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A whole message with its length before it.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(2 + usize::from(length), 0);
    stream.read_exact(&mut message[2..]).await.ok()?;
    Some(message)
}

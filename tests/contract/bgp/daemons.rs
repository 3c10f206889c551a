//! BIRD and bgpd as children: each in a folder of its own, on an address of 127.0.0.0/8 and a port of the test.

use std::{path::PathBuf, process::Command, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::{Instant, sleep},
};

use crate::process::{Process, program};

const UP_WITHIN: Duration = Duration::from_secs(5);

/// A BIRD.
pub struct Bird {
    directory: TempDir,
    program: PathBuf,
    process: Process,
}

impl Bird {
    /// Starts it with this bird.conf, and waits for its socket.
    pub async fn start(config: &str) -> Option<Self> {
        let program = program("/usr/sbin/bird")?;
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("bird.conf"), config).expect("a configuration");
        let process = Self::run(&program, &directory);
        let bird = Self { directory, program, process };
        bird.wait().await;
        Some(bird)
    }

    fn run(program: &PathBuf, directory: &TempDir) -> Process {
        let at = directory.path();
        let mut command = Command::new(program);
        command
            .arg("-f")
            .arg("-c")
            .arg(at.join("bird.conf"))
            .arg("-s")
            .arg(at.join("ctl"))
            .arg("-P")
            .arg(at.join("pid"));
        Process::start(&mut command, &at.join("log"))
    }

    async fn wait(&self) {
        let began = Instant::now();
        while UnixStream::connect(self.socket()).await.is_err() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < UP_WITHIN, "BIRD does not answer: {log}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("ctl")
    }

    /// Power off and on.
    pub async fn restart(&mut self) {
        self.process.kill();
        let _ = std::fs::remove_file(self.socket());
        self.process = Self::run(&self.program, &self.directory);
        self.wait().await;
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// What an operator's birdc would be told.
    pub async fn birdc(&self, line: &str) -> String {
        let stream = UnixStream::connect(self.socket()).await.expect("the socket");
        let mut stream = BufReader::new(stream);
        reply(&mut stream).await;
        stream.get_mut().write_all(format!("{line}\n").as_bytes()).await.expect("a command");
        reply(&mut stream).await
    }
}

/// Everything up to the line that ends a reply: four digits and a space.
async fn reply(stream: &mut BufReader<UnixStream>) -> String {
    let mut said = String::new();
    loop {
        let from = said.len();
        assert!(stream.read_line(&mut said).await.expect("an answer") > 0, "cut short: {said}");
        let line = &said.as_bytes()[from..];
        if line.len() > 4 && line[..4].iter().all(u8::is_ascii_digit) && line[4] == b' ' {
            return said;
        }
    }
}

/// A bgpd without zebra: nothing reaches the kernel.
pub struct Frr {
    directory: TempDir,
    address: String,
    port: u16,
    process: Process,
}

impl Frr {
    /// Starts it with this bgpd.conf, and waits for its socket.
    pub async fn start(address: &str, port: u16, config: &str) -> Option<Self> {
        program("/usr/lib/frr/bgpd")?;
        program("/usr/bin/vtysh")?;
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("bgpd.conf"), config).expect("a configuration");
        let process = Self::run(&directory, address, port);
        let frr = Self { directory, address: address.into(), port, process };
        frr.wait().await;
        Some(frr)
    }

    fn run(directory: &TempDir, address: &str, port: u16) -> Process {
        let at = directory.path();
        let mut command = Command::new("/usr/lib/frr/bgpd");
        command.arg("-S").arg("-Z").arg("-f").arg(at.join("bgpd.conf")).arg("-i").arg(at.join("pid"));
        command.arg("--vty_socket").arg(at).args(["-l", address, "-p", &port.to_string(), "-P", "0"]);
        Process::start(&mut command, &at.join("log"))
    }

    async fn wait(&self) {
        let began = Instant::now();
        while !self.vtysh(&["show version"]).contains("FRRouting") {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < UP_WITHIN, "bgpd does not answer: {log}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn folder(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Power off and on.
    pub async fn restart(&mut self) {
        self.process.kill();
        self.process = Self::run(&self.directory, &self.address, self.port);
        self.wait().await;
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    /// What an operator's vtysh would be told.
    pub fn vtysh(&self, commands: &[&str]) -> String {
        let mut vtysh = Command::new("/usr/bin/vtysh");
        vtysh.arg("--vty_socket").arg(self.directory.path()).args(["-d", "bgpd"]);
        commands.iter().for_each(|command| _ = vtysh.args(["-c", command]));
        let output = vtysh.output().expect("vtysh");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Commands of the router's configuration.
    pub fn configure(&self, commands: &[&str]) -> String {
        let family = ["configure terminal", "router bgp 65002", "address-family ipv4 unicast"];
        self.vtysh(&family.iter().chain(commands).copied().collect::<Vec<_>>())
    }

    /// The network statements, as they are configured now.
    pub fn networks(&self) -> Vec<String> {
        let running = self.vtysh(&["show running-config"]);
        running.lines().map(str::trim).filter(|l| l.starts_with("network ")).map(str::to_owned).collect()
    }
}

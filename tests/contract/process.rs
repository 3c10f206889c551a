//! Processes that a test starts, and ends by their own handle.

use std::{
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "a moment, at the start of a process")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// A running process; it ends with this value.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("a log file");
        let copy = log.try_clone().expect("a second handle");
        command.stdin(Stdio::null()).stdout(log).stderr(copy);
        let began = Instant::now();
        loop {
            match command.spawn() {
                // A program that was copied a moment ago: a child that another test started in between has it open for
                // writing until it becomes another program itself.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && began.elapsed() < PATIENCE => pause(),
                started => return Self(started.expect("the process")),
            }
        }
    }

    pub fn id(&self) -> rustix::process::Pid {
        i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid")
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.id(), signal).expect("a signal");
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    #[expect(clippy::disallowed_methods, reason = "nothing else runs: the test is over, and its process ends in turn")]
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // HAProxy's master takes its workers along only when asked politely.
            self.signal(rustix::process::Signal::TERM);
            let began = Instant::now();
            while matches!(self.0.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(2) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        self.kill();
    }
}

/// Where a program is, or `None` with a loud word about what is not tested.
pub fn program(path: &str) -> Option<PathBuf> {
    let found = Path::new(path).exists().then(|| PathBuf::from(path));
    if found.is_none() {
        eprintln!("NOT RUN: {path} is not installed");
    }
    found
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    /// Below what the kernel gives to clients: a port of theirs could be taken in the moment before it is used.
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(137);
    let port = || {
        let next = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        PORTS.start + u16::try_from(next).expect("within the range")
    };
    let is_free = |port: &u16| {
        TcpListener::bind(("127.0.0.1", *port)).is_ok() && std::net::UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    std::iter::repeat_with(port).take(PORTS.len()).find(is_free).expect("a port")
}

//! Asks blackbox_exporter for a probe of each target once a second, as Prometheus would, on connections that stay open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::server::FIRST;

/// Questions at once; each has a connection of its own.
const THREADS: u32 = 24;
/// How long blackbox_exporter may take to start.
const START: Duration = Duration::from_secs(2);

/// What is asked, and where.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) at: (Ipv4Addr, u16),
    pub(super) port: u16,
    pub(super) targets: u32,
}

/// The threads that ask.
pub(super) struct Asking {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Asker {
    pub(super) fn start(self) -> Asking {
        let (stop, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let begin = Instant::now() + Duration::from_millis(500);
        let threads = (0..THREADS)
            .map(|n| {
                let (stop, good) = (stop.clone(), good.clone());
                thread::spawn(move || self.ask(n, begin, &stop, &good))
            })
            .collect();
        Asking { stop, good, threads }
    }

    /// Every so manieth target belongs to one thread; each has its moment in the second.
    fn ask(self, thread: u32, begin: Instant, stop: &AtomicBool, good: &AtomicU64) -> Result<()> {
        let mut connection = BufReader::new(self.connect()?);
        for question in (0..).map(|n| thread + n * THREADS) {
            let due = begin + Duration::from_secs(1) * question / self.targets;
            sleep(due.saturating_duration_since(Instant::now()));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let ip = Ipv4Addr::from_bits(FIRST.to_bits() + question % self.targets);
            let url = format!("/probe?module=ready&target=http://{ip}:{}/ready", self.port);
            write!(connection.get_mut(), "GET {url} HTTP/1.1\r\nhost: blackbox\r\n\r\n")?;
            good.fetch_add(u64::from(succeeded(&mut connection)?), Ordering::Relaxed);
        }
        Ok(())
    }

    fn connect(self) -> Result<TcpStream> {
        let end = Instant::now() + START;
        loop {
            match TcpStream::connect(self.at) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                    return Ok(stream);
                }
                Err(error) if Instant::now() > end => return Err(error).context("blackbox_exporter does not answer"),
                Err(_) => sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Asking {
    /// Ends them; an error where one broke, or where probes did not succeed.
    pub(super) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread that asks panicked"))??;
        }
        ensure!(self.good.load(Ordering::Relaxed) > 1000, "blackbox_exporter's probes do not succeed");
        Ok(())
    }
}

/// Reads one answer to its end; whether it says that the probe succeeded.
fn succeeded(connection: &mut BufReader<TcpStream>) -> Result<bool> {
    let (mut length, mut chunked, mut line) = (0, false, String::new());
    loop {
        line.clear();
        ensure!(connection.read_line(&mut line)? > 0, "blackbox_exporter closed the connection");
        let field = line.trim_end().to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().context("a length that is no number")?;
        }
        chunked |= field.starts_with("transfer-encoding: chunked");
        if field.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    loop {
        if chunked {
            line.clear();
            connection.read_line(&mut line)?;
            length = u64::from_str_radix(line.trim(), 16).context("a chunk without a length")?;
        }
        connection.take(length).read_to_end(&mut body)?;
        if !chunked {
            break;
        }
        line.clear();
        connection.read_line(&mut line)?;
        if length == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).contains("\nprobe_success 1"))
}

//! The servers that are probed: one program that answers on every loopback address, and counts.
//!
//! A few threads that accept, read, answer and close, one connection after the other: a prober asks as soon as it is
//! connected, and who does not is given up.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// The first target's address; the others follow.
pub(super) const FIRST: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);
const THREADS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(1);
const READY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const NOT_READY: &[u8] = b"HTTP/1.1 503 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";

/// The running servers; they end with the process.
pub(super) struct Servers {
    port: u16,
    counts: Arc<Counts>,
}

struct Counts {
    answered: AtomicU64,
    each: Vec<AtomicU32>,
    fail_from: AtomicU32,
}

impl Servers {
    /// Answers on every loopback address; so many are counted one by one.
    pub(super) fn start(targets: u32) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).context("no port to listen on")?;
        // The standard library's backlog is shorter than a burst of probes.
        rustix::net::listen(&listener, 4096).context("could not lengthen the backlog")?;
        let port = listener.local_addr()?.port();
        let counts = Arc::new(Counts {
            answered: AtomicU64::new(0),
            each: (0..targets).map(|_| AtomicU32::new(0)).collect(),
            fail_from: AtomicU32::new(u32::MAX),
        });
        for _ in 0..THREADS {
            let (listener, counts) = (listener.try_clone()?, counts.clone());
            thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    // Who went away is not counted.
                    let _ = answer(stream, &counts);
                }
            });
        }
        Ok(Self { port, counts })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Requests that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Every target is ready again, and was never asked.
    pub(super) fn forget(&self) {
        self.fail_from(u32::MAX);
        self.counts.each.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// Each target answers 503 from its `nth` request on, counted from 0.
    pub(super) fn fail_from(&self, nth: u32) {
        self.counts.fail_from.store(nth, Ordering::Relaxed);
    }
}

fn answer(mut stream: TcpStream, counts: &Counts) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 1024];
    let mut read = 0;
    while !request.get(..read).unwrap_or_default().ends_with(b"\r\n\r\n") {
        match stream.read(request.get_mut(read..).unwrap_or_default())? {
            0 => return Ok(()),
            n => read += n,
        }
    }
    let nth = match stream.local_addr()?.ip() {
        IpAddr::V4(ip) => counts.each.get(ip.to_bits().wrapping_sub(FIRST.to_bits()) as usize),
        IpAddr::V6(_) => None,
    };
    let nth = nth.map_or(0, |count| count.fetch_add(1, Ordering::Relaxed));
    let fails = nth >= counts.fail_from.load(Ordering::Relaxed);
    stream.write_all(if fails { NOT_READY } else { READY })?;
    counts.answered.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: (Ipv4Addr, u16)) -> String {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(b"GET /ready HTTP/1.1\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    #[test]
    fn each_address_turns_by_itself() {
        let servers = Servers::start(2).expect("servers");
        servers.fail_from(1);
        let second = (Ipv4Addr::new(127, 1, 0, 2), servers.port());
        assert!(ask((FIRST, servers.port())).contains("200 OK") && ask(second).contains("200 OK"));
        assert!(ask(second).contains("503"));
        assert_eq!(servers.answered(), 3);
        servers.forget();
        assert!(ask(second).contains("200 OK"));
    }
}

//! A server that stalls: from two seconds after its first client came, it holds every answer back.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// From the first client to the stall.
const BEFORE: Duration = Duration::from_secs(2);
/// What an answer takes otherwise.
const WORK: Duration = Duration::from_millis(2);

/// A running server. It serves until the program ends.
pub(super) struct Stalling {
    address: SocketAddr,
}

impl Stalling {
    /// Serves on a port of its own.
    pub(super) fn start(stall: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for a server")?;
        let address = listener.local_addr()?;
        let first = Arc::new(OnceLock::new());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let start = *first.get_or_init(Instant::now);
                // A client that goes away ends its thread.
                thread::spawn(move || serve(stream, start + BEFORE, stall));
            }
        });
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn serve(mut stream: TcpStream, stall: Instant, long: Duration) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    loop {
        // The head of a request, to its empty line.
        while let Some(line) = lines.next().transpose()? {
            if line.is_empty() {
                break;
            }
        }
        let now = Instant::now();
        if now >= stall && now < stall + long {
            thread::sleep(stall + long - now);
        }
        thread::sleep(WORK);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
    }
}

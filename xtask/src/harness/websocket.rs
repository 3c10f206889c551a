//! WebSockets as clients keep them: opened through a load balancer, talked on twice a second, and never closed first.
//!
//! What a drain promises about long-lived connections is judged by what became of each one here: when it ended, and
//! whether it was told (a close frame), forgotten (the end of the stream without one) or cut (a reset).

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use tungstenite::error::ProtocolError;
use tungstenite::{Error, Message, WebSocket};

use crate::lab::Lab;

/// Between two messages of a client.
const TALK: Duration = Duration::from_millis(500);
/// A message that is not back by then never comes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a read waits; nothing is noticed later for it, since an end wakes the reader.
const LOOK: Duration = Duration::from_millis(100);

/// Open WebSockets; they end when this is dropped.
#[derive(Debug)]
pub struct WebSockets {
    clients: Vec<JoinHandle<Closed>>,
    open: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

/// What became of one.
#[derive(Clone, Debug, Serialize)]
pub struct Closed {
    /// Where it was opened.
    pub to: SocketAddr,
    /// Its own end's address and port, as the load balancer's log has it.
    pub from: SocketAddr,
    /// The node behind it.
    pub node: String,
    /// When it was open, in seconds since 1970.
    pub opened: f64,
    /// When it ended.
    pub ended: f64,
    /// Messages that came back.
    pub echoes: u64,
    /// How it ended.
    pub how: Ending,
}

/// How a WebSocket ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Never: this end closed it when the test was over.
    Kept,
    /// By a close frame, with its code.
    Told(Option<u16>),
    /// By the end of the stream, with no close frame.
    Eof,
    /// By a reset.
    Reset,
    /// It was open, and nothing came back any more.
    Silent,
    /// Otherwise, in the library's words.
    Broken(String),
}

impl WebSockets {
    /// Opens so many from the lab's client host, in turn at each of these addresses, and returns when all are open.
    pub fn open(lab: &Lab, to: &[SocketAddr], count: usize) -> Result<Self> {
        ensure!(!to.is_empty(), "no address to open WebSockets at");
        let mut all = Self { clients: Vec::new(), open: Arc::default(), stop: Arc::default() };
        for to in to.iter().copied().cycle().take(count) {
            let (socket, seen) = open(lab, to)?;
            let (open, stop) = (Arc::clone(&all.open), Arc::clone(&all.stop));
            open.fetch_add(1, Ordering::SeqCst);
            all.clients.push(thread::spawn(move || {
                let closed = keep(socket, seen, &stop);
                open.fetch_sub(1, Ordering::SeqCst);
                closed
            }));
        }
        Ok(all)
    }

    /// How many are open now.
    pub fn open_now(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Closes what is still open, as a client does, and tells what became of each, in the order of their opening.
    pub fn finish(mut self) -> Result<Vec<Closed>> {
        self.stop.store(true, Ordering::SeqCst);
        let clients = std::mem::take(&mut self.clients);
        clients.into_iter().map(|client| client.join().map_err(|_| anyhow!("a WebSocket's thread broke"))).collect()
    }
}

impl Drop for WebSockets {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn open(lab: &Lab, to: SocketAddr) -> Result<(WebSocket<TcpStream>, Closed)> {
    let stream = lab.connect_from("client", to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let from = stream.local_addr()?;
    let (socket, answer) = tungstenite::client(format!("ws://{to}/ws"), stream)
        .map_err(|error| anyhow!("no WebSocket at {to}: {error}"))?;
    let node = answer.headers().get("x-node").and_then(|node| node.to_str().ok()).context("no node says who it is")?;
    let (node, opened) = (node.to_owned(), now());
    socket.get_ref().set_read_timeout(Some(LOOK))?;
    Ok((socket, Closed { to, from, node, opened, ended: opened, echoes: 0, how: Ending::Kept }))
}

/// Talks until it ends, or until it is to stop.
fn keep(mut socket: WebSocket<TcpStream>, mut seen: Closed, stop: &AtomicBool) -> Closed {
    let mut said = Instant::now();
    let mut waiting = false;
    seen.how = loop {
        if stop.load(Ordering::SeqCst) {
            let _ = socket.close(None).and_then(|()| socket.flush());
            break Ending::Kept;
        }
        if waiting && said.elapsed() > PATIENCE {
            break Ending::Silent;
        }
        if !waiting && said.elapsed() >= TALK {
            said = Instant::now();
            waiting = true;
            if let Err(error) = socket.send(Message::text(format!("{} {}", seen.node, seen.echoes))) {
                break ending(&error);
            }
        }
        match socket.read() {
            Ok(Message::Text(_)) => {
                seen.echoes += 1;
                waiting = false;
            }
            Ok(Message::Close(frame)) => break Ending::Told(frame.map(|frame| frame.code.into())),
            Ok(_) => {}
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => break ending(&error),
        }
    };
    seen.ended = now();
    seen
}

fn ending(error: &Error) -> Ending {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Eof,
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => Ending::Eof,
        Error::Io(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ending::Reset,
        other => Ending::Broken(other.to_string()),
    }
}

/// This moment on the clock that the servers' logs are written with.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let io = |kind: ErrorKind| Error::Io(kind.into());
        assert_eq!(ending(&io(ErrorKind::ConnectionReset)), Ending::Reset);
        assert_eq!(ending(&io(ErrorKind::UnexpectedEof)), Ending::Eof);
        assert_eq!(ending(&Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), Ending::Eof);
        assert!(matches!(ending(&Error::AttackAttempt), Ending::Broken(_)));
    }
}

//! A way to a name server on which another hand can be first: what it does happens after the updater's last look at the
//! zone and before its update arrives there.
//!
//! DNS over TCP is one length-prefixed message after the other, so the relay knows an update when it sees one. Everything
//! else passes as it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::Lab;

/// Time limit of a connection and of an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// RFC 2136: the opcode of an update.
const UPDATE: u8 = 5;

type Hand = Box<dyn FnOnce() -> Result<()> + Send>;

/// A relay from `control` to a server; it ends when dropped.
pub struct Relay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    acts: Arc<Mutex<Act>>,
    thread: Option<JoinHandle<()>>,
}

/// What another hand does, once, and what came of it.
struct Act {
    due: Option<Hand>,
    done: Option<Result<()>>,
}

impl Relay {
    /// Listens in the network of `control`; `hand` acts right before the first update passes on its way to `to`.
    pub fn start(lab: &Lab, to: SocketAddr, hand: impl FnOnce() -> Result<()> + Send + 'static) -> Result<Self> {
        let listener = lab.listen_on("control")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let act = Act { due: Some(Box::new(hand)), done: None };
        let (stop, acts) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(act)));
        let (lab, stopped, acting) = (lab.clone(), Arc::clone(&stop), Arc::clone(&acts));
        let thread = thread::spawn(move || accept(&lab, &listener, to, &stopped, &acting));
        Ok(Self { address, stop, acts, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the other hand was there, and what came of it.
    pub fn happened(&self) -> Result<()> {
        match &self.acts.lock().unwrap_or_else(PoisonError::into_inner).done {
            None => bail!("no update passed the relay"),
            Some(Err(error)) => bail!("the other hand failed: {error:#}"),
            Some(Ok(())) => Ok(()),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(lab: &Lab, listener: &TcpListener, to: SocketAddr, stop: &AtomicBool, acts: &Arc<Mutex<Act>>) {
    while !stop.load(Ordering::SeqCst) {
        let Ok((client, _)) = listener.accept() else {
            sleep(Duration::from_millis(5));
            continue;
        };
        let (lab, acts) = (lab.clone(), Arc::clone(acts));
        // An error is a connection that breaks, as it is to the client.
        thread::spawn(move || drop(relay(&lab, client, to, &acts)));
    }
}

/// Questions there, answers back, until one end closes.
fn relay(lab: &Lab, mut client: TcpStream, to: SocketAddr, acts: &Mutex<Act>) -> Result<()> {
    let mut server = lab.connect_from("control", to, LIMIT)?;
    client.set_nonblocking(false)?;
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
    }
    loop {
        let question = message(&mut client)?;
        if question.get(4).is_some_and(|flags| (flags >> 3) & 0x0f == UPDATE) {
            first(acts);
        }
        server.write_all(&question)?;
        client.write_all(&message(&mut server)?)?;
    }
}

/// Lets the other hand act, where it has not yet. Whoever comes meanwhile waits.
fn first(acts: &Mutex<Act>) {
    let mut act = acts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hand) = act.due.take() {
        act.done = Some(hand());
    }
}

/// One message with its length before it.
fn message(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).context("the connection ended")?;
    let mut whole = length.to_vec();
    whole.resize(2 + usize::from(u16::from_be_bytes(length)), 0);
    stream.read_exact(&mut whole[2..])?;
    Ok(whole)
}

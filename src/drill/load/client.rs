//! The client side of one target: connections, and one request on one of them.
//!
//! Raw HTTP/1.1 connections, so that it is known what was written, on which connection, and what came back; a
//! client library would hide it behind its own pool and its own second attempts.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

use super::{FailureKind, Target};

/// Kept-alive connections that may wait for their next request.
const MAX_IDLE: usize = 256;
/// An idle connection older than this is not used again, so that a server's own idle time-out (rarely shorter)
/// does not cut a request that is just being written.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);
/// How long an address of a name is used before it is looked up again; clients of a DNS route must follow it.
const ADDRESS_AGE: Duration = Duration::from_secs(1);
/// Bytes of an answer that are looked at for the node's name.
const MAX_NODE_BODY: usize = 8 << 10;

type Sender = http1::SendRequest<Empty<Bytes>>;

/// What came of one request.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The answer, or what went wrong instead.
    pub(super) answer: Result<Answer, (FailureKind, String)>,
    /// When that was known.
    pub(super) ended: Instant,
    /// Whether a connection was opened for it.
    pub(super) opened: bool,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The node that answered, where the answer says so.
    pub(super) node: Option<String>,
}

/// The connections to one target.
pub(super) struct Client {
    target: Target,
    authority: String,
    idle: Mutex<Vec<(Sender, Instant)>>,
    addresses: Mutex<(Vec<SocketAddr>, Option<Instant>)>,
    turn: AtomicUsize,
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        Self {
            authority: target.authority(),
            target,
            idle: Mutex::default(),
            addresses: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// One request, one result, within `limit`.
    pub(super) async fn request(&self, path: &str, keep_alive: bool, limit: Duration) -> Outcome {
        let mut opened = false;
        let exchange = timeout(limit, self.exchange(path, keep_alive, &mut opened)).await;
        let ended = Instant::now();
        let answer = match exchange {
            Ok(Ok((answer, connection))) => {
                if let Some(connection) = connection {
                    self.put_back(connection).await;
                }
                Ok(answer)
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err((FailureKind::TimedOut, format!("no answer within {:.1} s", limit.as_secs_f64()))),
        };
        Outcome { answer, ended, opened }
    }

    async fn exchange(
        &self,
        path: &str,
        keep_alive: bool,
        opened: &mut bool,
    ) -> Result<(Answer, Option<Sender>), (FailureKind, String)> {
        let mut request = self.ask(path, keep_alive)?;
        // Bounded: each turn either ends or uses up one idle connection.
        while keep_alive && let Some(mut sender) = self.take_idle() {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((read(response).await?, Some(sender))),
                Err(mut error) => match error.take_message() {
                    // Closed while it was idle; nothing was written.
                    Some(unsent) => request = unsent,
                    None => return Err(classify(&error.into_error())),
                },
            }
        }
        *opened = true;
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(|e| classify(&e))?;
        let answer = read(response).await?;
        Ok((answer, keep_alive.then_some(sender)))
    }

    fn ask(&self, path: &str, keep_alive: bool) -> Result<Request<Empty<Bytes>>, (FailureKind, String)> {
        let request = Request::get(path).header(header::HOST, &self.authority);
        let request = if keep_alive { request } else { request.header(header::CONNECTION, "close") };
        request.body(Empty::new()).map_err(|e| (FailureKind::NotSent, e.to_string()))
    }

    async fn connect(&self) -> Result<Sender, (FailureKind, String)> {
        let addresses = self.addresses().await?;
        let address = addresses[self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len()];
        let stream = TcpStream::connect(address).await.map_err(|e| connect_failure(&e))?;
        // Small requests must not wait for each other's acknowledgement.
        stream.set_nodelay(true).map_err(|e| connect_failure(&e))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| classify(&e))?;
        // Ends with its sender; what goes wrong on it reaches the request.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, (FailureKind, String)> {
        if let Some(known) = self.known_addresses() {
            return Ok(known);
        }
        let found: Vec<SocketAddr> = lookup_host((self.target.host(), self.target.port()))
            .await
            .map_err(|e| (FailureKind::NoAddress, e.to_string()))?
            .collect();
        if found.is_empty() {
            return Err((FailureKind::NoAddress, format!("{} has no address", self.target.host())));
        }
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = (found.clone(), Some(Instant::now()));
        Ok(found)
    }

    fn known_addresses(&self) -> Option<Vec<SocketAddr>> {
        let known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.1.is_some_and(|at| at.elapsed() < ADDRESS_AGE);
        fresh.then(|| known.0.clone())
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < MAX_IDLE_AGE);
        // The one used last: the others grow old and go.
        idle.pop().map(|(sender, _)| sender)
    }

    async fn put_back(&self, mut sender: Sender) {
        // Ready again once the connection has taken note of the answer's end; never, if the server closes it.
        if !matches!(timeout(Duration::from_millis(100), sender.ready()).await, Ok(Ok(()))) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((sender, Instant::now()));
        }
    }
}

/// Reads the whole answer; one that breaks off is no answer.
async fn read(response: Response<Incoming>) -> Result<Answer, (FailureKind, String)> {
    let status = response.status().as_u16();
    let named = response.headers().get("x-node").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let mut body = response.into_body();
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| classify(&e))?;
        if let Some(data) = frame.data_ref() {
            let room = MAX_NODE_BODY - seen.len();
            seen.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
    Ok(Answer { status, node: named.or_else(|| node_in(&seen)) })
}

fn node_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        node: String,
    }
    serde_json::from_slice::<Body>(body).ok().map(|b| b.node)
}

fn connect_failure(error: &std::io::Error) -> (FailureKind, String) {
    let kind = match error.kind() {
        std::io::ErrorKind::ConnectionRefused => FailureKind::Refused,
        std::io::ErrorKind::ConnectionReset => FailureKind::Reset,
        _ => FailureKind::Unreachable,
    };
    (kind, error.to_string())
}

fn classify(error: &hyper::Error) -> (FailureKind, String) {
    let io = std::error::Error::source(error).and_then(|s| s.downcast_ref::<std::io::Error>());
    let kind = match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => FailureKind::Reset,
        _ if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => FailureKind::Closed,
        Some(std::io::ErrorKind::UnexpectedEof) => FailureKind::Closed,
        _ => FailureKind::Protocol,
    };
    (kind, io.map_or_else(|| error.to_string(), |io| format!("{error}: {io}")))
}

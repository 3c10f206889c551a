//! The client side of one target: connections, and one request on one of them.
//!
//! Raw HTTP/1.1 connections, so that it is known what was written, on which connection, and what came back; a
//! client library would hide it behind its own pool and its own second attempts.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{FailureKind, LoadPlan, Target, address::Addresses};

/// Kept-alive connections that may wait for their next request.
const MAX_IDLE: usize = 256;
/// An idle connection older than this is not used again, so that a server's own idle time-out (rarely shorter)
/// does not cut a request that is just being written.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);
/// Bytes of an answer that are looked at for the node's name.
const MAX_NODE_BODY: usize = 8 << 10;

type Sender = http1::SendRequest<Empty<Bytes>>;

/// A connection that is kept alive.
struct Kept {
    sender: Sender,
    address: SocketAddr,
    opened: Instant,
    idle_since: Instant,
}

/// What came of one request.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The answer, or what went wrong instead.
    pub(super) answer: Result<Answer, (FailureKind, String)>,
    /// When that was known.
    pub(super) ended: Instant,
    /// The connection that it was sent on.
    pub(super) connection: Connection,
}

/// The connection of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// Whether it was opened for this request.
    pub(super) opened: bool,
    /// Where it led, as far as that was known.
    pub(super) address: Option<SocketAddr>,
    /// The node that it leads to, where it was told when it was opened.
    pub(super) node: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    /// The node that answered, where the answer says so.
    pub(super) node: Option<String>,
}

/// The connections to one target.
pub(super) struct Client {
    target: Target,
    authority: String,
    max_age: Option<Duration>,
    idle: Mutex<Vec<Kept>>,
    addresses: Addresses,
}

impl Client {
    pub(super) fn new(target: Target, plan: &LoadPlan) -> Self {
        Self {
            authority: target.authority(),
            target,
            max_age: plan.max_connection_age,
            idle: Mutex::default(),
            addresses: Addresses::new(plan.lookup),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// One request, one result, within `limit`.
    pub(super) async fn request(&self, path: &str, keep_alive: bool, limit: Duration) -> Outcome {
        let mut connection = Connection::default();
        let exchange = timeout(limit, self.exchange(path, keep_alive, &mut connection)).await;
        let ended = Instant::now();
        let answer = match exchange {
            Ok(Ok((answer, kept))) => {
                if let Some(kept) = kept {
                    self.put_back(kept).await;
                }
                Ok(answer)
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err((FailureKind::TimedOut, format!("no answer within {:.1} s", limit.as_secs_f64()))),
        };
        Outcome { answer, ended, connection }
    }

    async fn exchange(
        &self,
        path: &str,
        keep_alive: bool,
        connection: &mut Connection,
    ) -> Result<(Answer, Option<Kept>), (FailureKind, String)> {
        let mut request = self.ask(path, keep_alive)?;
        // Bounded: each turn either ends or uses up one idle connection.
        while keep_alive && let Some(mut kept) = self.take_idle() {
            connection.address = Some(kept.address);
            match kept.sender.try_send_request(request).await {
                Ok(response) => return Ok((read(response).await?, Some(kept))),
                Err(mut error) => match error.take_message() {
                    // Closed while it was idle; nothing was written.
                    Some(unsent) => request = unsent,
                    None => return Err(classify(&error.into_error())),
                },
            }
        }
        *connection = Connection { opened: true, ..Connection::default() };
        let address = self.addresses.next(&self.target).await?;
        connection.address = Some(address);
        let mut kept = connect(address).await?;
        let response = kept.sender.send_request(request).await.map_err(|e| classify(&e))?;
        let answer = read(response).await?;
        Ok((answer, keep_alive.then_some(kept)))
    }

    fn ask(&self, path: &str, keep_alive: bool) -> Result<Request<Empty<Bytes>>, (FailureKind, String)> {
        let request = Request::get(path).header(header::HOST, &self.authority);
        let request = if keep_alive { request } else { request.header(header::CONNECTION, "close") };
        request.body(Empty::new()).map_err(|e| (FailureKind::NotSent, e.to_string()))
    }

    fn take_idle(&self) -> Option<Kept> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let too_old = |kept: &Kept| self.max_age.is_some_and(|limit| kept.opened.elapsed() >= limit);
        idle.retain(|kept| !kept.sender.is_closed() && kept.idle_since.elapsed() < MAX_IDLE_AGE && !too_old(kept));
        // The one used last: the others grow old and go.
        idle.pop()
    }

    async fn put_back(&self, mut kept: Kept) {
        // Ready again once the connection has taken note of the answer's end; never, if the server closes it.
        if !matches!(timeout(Duration::from_millis(100), kept.sender.ready()).await, Ok(Ok(()))) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            kept.idle_since = Instant::now();
            idle.push(kept);
        }
    }
}

async fn connect(address: SocketAddr) -> Result<Kept, (FailureKind, String)> {
    let stream = TcpStream::connect(address).await.map_err(|e| connect_failure(&e))?;
    // Small requests must not wait for each other's acknowledgement.
    stream.set_nodelay(true).map_err(|e| connect_failure(&e))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| classify(&e))?;
    // Ends with its sender; what goes wrong on it reaches the request.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let opened = Instant::now();
    Ok(Kept { sender, address, opened, idle_since: opened })
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
    Ok(Answer { status: Some(status), node: named.or_else(|| node_in(&seen)) })
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

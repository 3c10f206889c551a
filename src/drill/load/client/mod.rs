//! The client side of one target: one request, one result, by whatever its scheme speaks.
//!
//! Raw connections, so that it is known what was written, on which connection, and what came back; a client library
//! would hide it behind its own pool and its own second attempts.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{FailureKind, LoadPlan, Scheme, Target, record::Recorder};

mod body;
mod dial;
mod held;
mod http1;
mod http2;
mod tcp;
#[cfg(test)]
mod tests;
mod websocket;

pub(super) use dial::Trust;

use dial::Dialer;

/// Kept connections that may wait for their next request.
const MAX_IDLE: usize = 256;

/// Why a request failed.
type Fault = (FailureKind, String);

/// What came of one request.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The answer, or what went wrong instead.
    pub(super) answer: Result<Answer, Fault>,
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
    /// Its status, where the protocol has one.
    pub(super) status: Option<u16>,
    /// The node that answered, where the answer says so.
    pub(super) node: Option<String>,
}

/// The connections to one target.
pub(super) struct Client {
    target: Target,
    speaks: Speaks,
}

enum Speaks {
    Http1(http1::Client),
    Http2(http2::Client),
    WebSocket(websocket::Client),
    Tcp(tcp::Client),
}

impl Client {
    pub(super) fn new(target: Target, plan: &LoadPlan, trust: &Trust, recorder: &Arc<Recorder>) -> Self {
        let dialer = Dialer::new(&target, plan, trust);
        let speaks = match target.scheme() {
            Scheme::Http | Scheme::Https => Speaks::Http1(http1::Client::new(dialer, plan)),
            Scheme::H2c | Scheme::H2 => Speaks::Http2(http2::Client::new(dialer, plan)),
            Scheme::Ws | Scheme::Wss => Speaks::WebSocket(websocket::Client::new(dialer, plan, recorder)),
            Scheme::Tcp => Speaks::Tcp(tcp::Client::new(dialer, plan)),
        };
        Self { target, speaks }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// One request, one result, within `limit`.
    pub(super) async fn request(&self, path: &str, keep_alive: bool, limit: Duration) -> Outcome {
        let mut connection = Connection::default();
        let exchange = async {
            match &self.speaks {
                Speaks::Http1(client) => client.exchange(path, keep_alive, &mut connection).await,
                Speaks::Http2(client) => client.exchange(path, keep_alive, &mut connection).await,
                Speaks::WebSocket(client) => client.exchange(path, keep_alive, &mut connection).await,
                Speaks::Tcp(client) => client.exchange(&mut connection).await,
            }
        };
        let exchange = timeout(limit, exchange).await;
        let late = |_| Err((FailureKind::TimedOut, format!("no answer within {:.1} s", limit.as_secs_f64())));
        let (answer, ended) = match exchange.unwrap_or_else(late) {
            Ok((answer, ended)) => (Ok(answer), ended),
            Err(fault) => (Err(fault), Instant::now()),
        };
        Outcome { answer, ended, connection }
    }
}

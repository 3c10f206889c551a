//! HTTP/1.1: one request at a time on each connection; kept ones wait in a pool.

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
use tokio::time::{Instant, timeout};

use super::{
    Answer, Connection, Fault, MAX_IDLE,
    body::{Seen, node_of},
    dial::Dialer,
};
use crate::drill::load::{FailureKind, LoadPlan};

/// An idle connection older than this is not used again, so that a server's own idle time-out (rarely shorter)
/// does not cut a request that is just being written.
const MAX_IDLE_AGE: Duration = Duration::from_secs(4);
/// For how long a connection may take to note that its answer has ended.
const SETTLE: Duration = Duration::from_millis(100);

/// The connections to one target.
pub(super) struct Client {
    dialer: Dialer,
    max_age: Option<Duration>,
    idle: Mutex<Vec<Kept>>,
}

/// A connection that is kept alive.
struct Kept {
    sender: http1::SendRequest<Empty<Bytes>>,
    address: Option<SocketAddr>,
    opened: Instant,
    idle_since: Instant,
}

impl Client {
    pub(super) fn new(dialer: Dialer, plan: &LoadPlan) -> Self {
        Self { dialer, max_age: plan.max_connection_age, idle: Mutex::default() }
    }

    pub(super) async fn exchange(
        &self,
        path: &str,
        keep_alive: bool,
        connection: &mut Connection,
    ) -> Result<(Answer, Instant), Fault> {
        let mut request = self.ask(path, keep_alive)?;
        // Bounded: each turn either ends or uses up one idle connection.
        while keep_alive && let Some(mut kept) = self.take_idle() {
            connection.address = kept.address;
            match kept.sender.try_send_request(request).await {
                Ok(response) => return self.finish(response, Some(kept)).await,
                Err(mut error) => match error.take_message() {
                    // Closed while it was idle; nothing was written.
                    Some(unsent) => request = unsent,
                    None => return Err(classify(&error.into_error())),
                },
            }
        }
        let mut kept = self.open(connection).await?;
        let response = kept.sender.send_request(request).await.map_err(|e| classify(&e))?;
        self.finish(response, keep_alive.then_some(kept)).await
    }

    fn ask(&self, path: &str, keep_alive: bool) -> Result<Request<Empty<Bytes>>, Fault> {
        let request = Request::get(path).header(header::HOST, self.dialer.host());
        let request = if keep_alive { request } else { request.header(header::CONNECTION, "close") };
        request.body(Empty::new()).map_err(|e| (FailureKind::NotSent, e.to_string()))
    }

    async fn open(&self, connection: &mut Connection) -> Result<Kept, Fault> {
        let stream = self.dialer.dial(connection).await?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| classify(&e))?;
        // Ends with its sender; what goes wrong on it reaches the request.
        tokio::spawn(async move {
            let _ = driver.await;
        });
        let opened = Instant::now();
        Ok(Kept { sender, address: connection.address, opened, idle_since: opened })
    }

    async fn finish(&self, response: Response<Incoming>, kept: Option<Kept>) -> Result<(Answer, Instant), Fault> {
        let answer = read(response).await?;
        let ended = Instant::now();
        if let Some(kept) = kept {
            self.put_back(kept).await;
        }
        Ok((answer, ended))
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
        if !matches!(timeout(SETTLE, kept.sender.ready()).await, Ok(Ok(()))) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            kept.idle_since = Instant::now();
            idle.push(kept);
        }
    }
}

/// Reads the whole answer; one that breaks off is no answer.
async fn read(response: Response<Incoming>) -> Result<Answer, Fault> {
    let status = Some(response.status().as_u16());
    let named = node_of(response.headers());
    let (mut body, mut seen) = (response.into_body(), Seen::default());
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.map_err(|e| classify(&e))?.data_ref() {
            seen.more(data);
        }
    }
    Ok(Answer { status, node: named.or_else(|| seen.node()) })
}

fn classify(error: &hyper::Error) -> Fault {
    let io = std::error::Error::source(error).and_then(|s| s.downcast_ref::<std::io::Error>());
    let kind = match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => FailureKind::Reset,
        _ if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => FailureKind::Closed,
        Some(std::io::ErrorKind::UnexpectedEof) => FailureKind::Closed,
        _ => FailureKind::Protocol,
    };
    (kind, io.map_or_else(|| error.to_string(), |io| format!("{error}: {io}")))
}

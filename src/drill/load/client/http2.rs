//! HTTP/2: many streams on each kept connection.
//!
//! A stream that the server says it never looked at (GOAWAY without an error, REFUSED_STREAM) is sent again on another
//! connection: that is how servers end connections without losing anything (RFC 9113, 8.7), and every client does it.
//! A connection on which a request was given up gets no further one: it may lead nowhere any more, and nothing on it
//! would ever say so.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, client::SendRequest};
use http::{Request, Response, Version};
use tokio::time::Instant;

use super::{
    Answer, Connection, Fault, MAX_IDLE,
    body::{Seen, node_of},
    dial::{Dialer, io_fault},
};
use crate::drill::load::{FailureKind, LoadPlan};

/// The connections to one target.
pub(super) struct Client {
    dialer: Dialer,
    max_age: Option<Duration>,
    streams: usize,
    open: Mutex<Vec<Kept>>,
}

/// An open connection.
#[derive(Clone)]
struct Kept {
    sender: SendRequest<Bytes>,
    address: Option<SocketAddr>,
    opened: Instant,
    streams: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
}

/// A stream's place on a connection; given back with it.
struct Place {
    kept: Kept,
    answered: bool,
}

/// Why there is no answer.
enum NoAnswer {
    /// The server never looked at the request.
    Untouched(h2::Error),
    Failed(Fault),
}

impl Client {
    pub(super) fn new(dialer: Dialer, plan: &LoadPlan) -> Self {
        let streams = plan.manner.streams.max(1) as usize;
        Self { dialer, max_age: plan.max_connection_age, streams, open: Mutex::default() }
    }

    pub(super) async fn exchange(
        &self,
        path: &str,
        keep_alive: bool,
        connection: &mut Connection,
    ) -> Result<(Answer, Instant), Fault> {
        let request = self.ask(path)?;
        // Bounded: each turn either ends or uses up one open connection.
        while keep_alive && let Some(place) = self.take() {
            *connection = Connection { address: place.kept.address, ..Connection::default() };
            match place.send(request.clone()).await {
                Ok(answer) => return Ok((answer, Instant::now())),
                Err(NoAnswer::Untouched(_)) => {}
                Err(NoAnswer::Failed(fault)) => return Err(fault),
            }
        }
        let place = self.open(connection).await?;
        if keep_alive {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.len() < MAX_IDLE {
                open.push(place.kept.clone());
            }
        }
        match place.send(request).await {
            Ok(answer) => Ok((answer, Instant::now())),
            Err(NoAnswer::Untouched(error)) => Err(classify(&error)),
            Err(NoAnswer::Failed(fault)) => Err(fault),
        }
    }

    fn ask(&self, path: &str) -> Result<Request<()>, Fault> {
        let scheme = if self.dialer.target().scheme().is_tls() { "https" } else { "http" };
        let request = Request::get(format!("{scheme}://{}{path}", self.dialer.host())).version(Version::HTTP_2);
        request.body(()).map_err(|e| (FailureKind::NotSent, e.to_string()))
    }

    async fn open(&self, connection: &mut Connection) -> Result<Place, Fault> {
        let stream = self.dialer.dial(connection).await?;
        let handshake = h2::client::Builder::new().enable_push(false).handshake::<_, Bytes>(stream).await;
        let (sender, driver) = handshake.map_err(|e| classify(&e))?;
        let gone = Arc::new(AtomicBool::new(false));
        let told = gone.clone();
        // Ends with its last sender; what goes wrong on it reaches the streams.
        tokio::spawn(async move {
            let _ = driver.await;
            told.store(true, Ordering::Relaxed);
        });
        let streams = Arc::new(AtomicUsize::new(1));
        let kept = Kept { sender, address: connection.address, opened: Instant::now(), streams, gone };
        Ok(Place { kept, answered: false })
    }

    /// A place on an open connection that has one left; the fullest first, so that those that are not needed run empty.
    fn take(&self) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let too_old = |kept: &Kept| self.max_age.is_some_and(|limit| kept.opened.elapsed() >= limit);
        open.retain(|kept| !kept.gone.load(Ordering::Relaxed) && !too_old(kept));
        let room = |kept: &&Kept| {
            let most = self.streams.min(kept.sender.current_max_send_streams());
            kept.streams.load(Ordering::Relaxed) < most
        };
        let kept = open.iter().find(room)?.clone();
        kept.streams.fetch_add(1, Ordering::Relaxed);
        Some(Place { kept, answered: false })
    }
}

impl Place {
    async fn send(mut self, request: Request<()>) -> Result<Answer, NoAnswer> {
        // Before anything is written, an error says that the connection is over.
        let mut sender = self.kept.sender.clone().ready().await.map_err(NoAnswer::Untouched)?;
        let (response, _) = sender.send_request(request, true).map_err(NoAnswer::Untouched)?;
        let answer = match response.await {
            Ok(response) => read(response).await.map_err(|e| NoAnswer::Failed(classify(&e))),
            Err(error) if is_untouched(&error) => Err(NoAnswer::Untouched(error)),
            Err(error) => Err(NoAnswer::Failed(classify(&error))),
        };
        self.answered = answer.is_ok();
        answer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.kept.streams.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            self.kept.gone.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether the server says that it never looked at the stream. A GOAWAY with an error may end others as well.
fn is_untouched(error: &h2::Error) -> bool {
    let reason = error.reason();
    error.is_remote()
        && (error.is_go_away() && reason == Some(Reason::NO_ERROR)
            || error.is_reset() && reason == Some(Reason::REFUSED_STREAM))
}

/// Reads the whole answer; one that breaks off is no answer.
async fn read(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let mut seen = Seen::default();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        seen.more(&data);
    }
    Ok(Answer { status: Some(head.status.as_u16()), node: node_of(&head.headers).or_else(|| seen.node()) })
}

fn classify(error: &h2::Error) -> Fault {
    if let Some(io) = error.get_io() {
        return io_fault(io);
    }
    let kind = match () {
        () if error.is_reset() && error.is_remote() => FailureKind::Reset,
        () if error.is_go_away() && error.is_remote() => FailureKind::Closed,
        () => FailureKind::Protocol,
    };
    (kind, error.to_string())
}

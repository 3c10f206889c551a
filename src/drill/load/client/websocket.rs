//! WebSocket: messages there and back, on connections that are held.
//!
//! A target's connections are opened one by one until there are as many as the plan wants; then each message takes the
//! one that has rested longest. Requests that keep nothing open one, send one message and close it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Request;
use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{
    Answer, Connection, Fault,
    body::node_of,
    dial::{Dialer, Wire, io_fault},
    held::{self, Ask, Held},
};
use crate::drill::load::{FailureKind, LoadPlan, record::Recorder};

/// Bytes of a message that may come.
const MAX_MESSAGE: usize = 1 << 20;

pub(super) type Socket = WebSocketStream<Box<dyn Wire>>;

/// The connections to one target.
pub(super) struct Client {
    dialer: Dialer,
    recorder: Arc<Recorder>,
    max_age: Option<Duration>,
    talk: Arc<held::Talk>,
    most: usize,
    places: Semaphore,
    idle: Mutex<VecDeque<Held>>,
}

/// What the far end answered to the upgrade.
enum Upgraded {
    Open(Box<Socket>),
    Refused(Answer),
}

impl Client {
    pub(super) fn new(dialer: Dialer, plan: &LoadPlan, recorder: &Arc<Recorder>) -> Self {
        let most = plan.manner.held.clamp(1, 10_000) as usize;
        let message = plan.manner.message.clone().unwrap_or_else(|| "ping".to_owned());
        Self {
            dialer,
            recorder: recorder.clone(),
            max_age: plan.max_connection_age,
            talk: Arc::new(held::Talk { message, expect: plan.manner.expect.clone() }),
            most,
            places: Semaphore::new(most),
            idle: Mutex::default(),
        }
    }

    pub(super) async fn exchange(
        &self,
        path: &str,
        keep: bool,
        connection: &mut Connection,
    ) -> Result<(Answer, Instant), Fault> {
        if !keep {
            return match self.open(path, connection).await? {
                Upgraded::Refused(answer) => Ok((answer, Instant::now())),
                Upgraded::Open(mut socket) => {
                    let answer = self.talk.round_trip(&mut socket).await?;
                    let ended = Instant::now();
                    let _ = socket.close(None).await;
                    Ok((answer, ended))
                }
            };
        }
        let _place = self.places.acquire().await.map_err(|e| (FailureKind::NotSent, e.to_string()))?;
        // Bounded: each turn either ends or uses up one held connection.
        while let Some(held) = self.take() {
            *connection = held.connection();
            if let Some(answer) = self.ask(held).await {
                return answer;
            }
        }
        match self.open(path, connection).await? {
            Upgraded::Refused(answer) => Ok((answer, Instant::now())),
            Upgraded::Open(socket) => {
                let held = Held::new(*socket, connection, self.talk.clone(), self.dialer.target(), &self.recorder);
                let over = || Err((FailureKind::Closed, "ended as soon as it was open".to_owned()));
                self.ask(held).await.unwrap_or_else(over)
            }
        }
    }

    /// One message there and back; none where the connection was over before it was written.
    async fn ask(&self, held: Held) -> Option<Result<(Answer, Instant), Fault>> {
        let (reply, told) = oneshot::channel();
        held.asks.send(Ask { reply }).await.ok()?;
        let answer = told.await.ok()?;
        let ended = Instant::now();
        if answer.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(held);
        }
        Some(answer.map(|answer| (answer, ended)))
    }

    /// A connection that is held already, once there are as many as there should be.
    fn take(&self) -> Option<Held> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let too_old = |held: &Held| self.max_age.is_some_and(|limit| held.opened.elapsed() >= limit);
        idle.retain(|held| !held.asks.is_closed() && !too_old(held));
        // Those that talk now hold a place each, this one's own among them.
        let talking = self.most - self.places.available_permits();
        if idle.len() + talking > self.most { idle.pop_front() } else { None }
    }

    async fn open(&self, path: &str, connection: &mut Connection) -> Result<Upgraded, Fault> {
        let stream = self.dialer.dial(connection).await?;
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).read_buffer_size(8 << 10);
        match client_async_with_config(self.request(path)?, stream, Some(config)).await {
            Ok((socket, answer)) => {
                connection.node = node_of(answer.headers());
                Ok(Upgraded::Open(Box::new(socket)))
            }
            Err(tungstenite::Error::Http(answer)) => {
                let (status, node) = (Some(answer.status().as_u16()), node_of(answer.headers()));
                Ok(Upgraded::Refused(Answer { status, node }))
            }
            Err(error) => Err(classify(&error)),
        }
    }

    fn request(&self, path: &str) -> Result<Request<()>, Fault> {
        let scheme = self.dialer.target().scheme().word();
        let url = format!("{scheme}://{}{path}", self.dialer.host());
        url.into_client_request().map_err(|e| (FailureKind::NotSent, e.to_string()))
    }
}

pub(super) fn classify(error: &tungstenite::Error) -> Fault {
    use tungstenite::{Error, error::ProtocolError};
    match error {
        Error::Io(error) => io_fault(error),
        Error::ConnectionClosed | Error::AlreadyClosed => (FailureKind::Closed, error.to_string()),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete) => {
            (FailureKind::Closed, error.to_string())
        }
        _ => (FailureKind::Protocol, error.to_string()),
    }
}

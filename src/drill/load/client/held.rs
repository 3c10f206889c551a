//! One WebSocket that is held: a task of its own, which talks when it is asked to and notices when the far end ends it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::{
    Answer, Connection, Fault,
    body::node_in,
    websocket::{Socket, classify},
};
use crate::drill::load::{FailureKind, Target, record::Recorder};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What is said, and what has to come back.
pub(super) struct Talk {
    pub(super) message: String,
    pub(super) expect: Option<String>,
}

/// One message is asked for.
pub(super) struct Ask {
    pub(super) reply: oneshot::Sender<Result<Answer, Fault>>,
}

/// A handle to a held connection; it is closed when this goes.
pub(super) struct Held {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) opened: Instant,
    address: Option<SocketAddr>,
    node: Option<String>,
}

impl Held {
    pub(super) fn new(
        socket: Socket,
        connection: &Connection,
        talk: Arc<Talk>,
        target: &Target,
        recorder: &Arc<Recorder>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let (address, node) = (connection.address, connection.node.clone());
        let (target, recorder, at) = (target.clone(), recorder.clone(), connection.clone());
        tokio::spawn(async move {
            if let Some(detail) = hold(socket, asked, &talk).await {
                recorder.ended(&target, at.address, at.node.as_deref(), detail);
            }
        });
        Self { asks, opened: Instant::now(), address, node }
    }

    pub(super) fn connection(&self) -> Connection {
        Connection { opened: false, address: self.address, node: self.node.clone() }
    }
}

/// Until it is over. Tells how the far end ended it where no message was under way; with one, that one is told.
async fn hold(mut socket: Socket, mut asked: mpsc::Receiver<Ask>, talk: &Talk) -> Option<String> {
    loop {
        tokio::select! {
            // First what has come: a message is not written on a connection whose end was already told.
            biased;
            frame = socket.next() => match frame {
                Some(Ok(Message::Close(frame))) => return Some(told(frame)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(classify(&error).1),
                None => return Some("ended without a close frame".into()),
            },
            ask = asked.recv() => {
                let Some(Ask { mut reply }) = ask else {
                    let _ = timeout(GOODBYE, socket.close(None)).await;
                    return None;
                };
                let answer = tokio::select! {
                    answer = talk.round_trip(&mut socket) => answer,
                    // Nobody waits any more; an answer that comes now would be taken for that of the next message.
                    () = reply.closed() => return None,
                };
                let over = answer.is_err();
                let _ = reply.send(answer);
                if over {
                    return None;
                }
            }
        }
    }
}

impl Talk {
    /// One message there, and what answers it.
    pub(super) async fn round_trip(&self, socket: &mut Socket) -> Result<Answer, Fault> {
        socket.send(Message::text(self.message.clone())).await.map_err(|e| classify(&e))?;
        loop {
            let data = match socket.next().await {
                Some(Ok(Message::Text(text))) => text.into(),
                Some(Ok(Message::Binary(data))) => data,
                Some(Ok(Message::Close(frame))) => return Err((FailureKind::Closed, told(frame))),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(classify(&error)),
                None => return Err((FailureKind::Closed, "ended without a close frame".into())),
            };
            let is_it = self.expect.as_deref().is_none_or(|expect| String::from_utf8_lossy(&data).contains(expect));
            if is_it {
                return Ok(Answer { status: None, node: node_in(&data) });
            }
        }
    }
}

fn told(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => format!("close frame {}", u16::from(frame.code)),
        Some(frame) => format!("close frame {}: {}", u16::from(frame.code), frame.reason),
        None => "close frame without a code".into(),
    }
}

//! TCP: a connection each. Being connected is an answer where the plan sends and expects nothing.

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::{
    Answer, Connection, Fault,
    body::node_in,
    dial::{Dialer, io_fault},
};
use crate::drill::load::{FailureKind, LoadPlan};

/// Bytes of an answer in which what is expected has to come.
const MAX_ANSWER: usize = 64 << 10;

/// Connections to one target.
pub(super) struct Client {
    dialer: Dialer,
    message: Option<String>,
    expect: Option<String>,
}

impl Client {
    pub(super) fn new(dialer: Dialer, plan: &LoadPlan) -> Self {
        Self { dialer, message: plan.manner.message.clone(), expect: plan.manner.expect.clone() }
    }

    pub(super) async fn exchange(&self, connection: &mut Connection) -> Result<(Answer, Instant), Fault> {
        let mut stream = self.dialer.dial(connection).await?;
        if let Some(message) = &self.message {
            stream.write_all(message.as_bytes()).await.map_err(|e| io_fault(&e))?;
        }
        let mut answer = BytesMut::new();
        while !self.is_whole(&answer) {
            let read = stream.read_buf(&mut answer).await.map_err(|e| io_fault(&e))?;
            if read == 0 {
                return Err((FailureKind::Closed, format!("closed after {} bytes of an answer", answer.len())));
            }
            if answer.len() > MAX_ANSWER {
                return Err((FailureKind::Protocol, "an answer without what was expected".into()));
            }
        }
        let ended = Instant::now();
        // Said, so that the far end does not have to guess; the answer counts whatever becomes of it.
        let _ = stream.shutdown().await;
        Ok((Answer { status: None, node: node_in(&answer) }, ended))
    }

    fn is_whole(&self, answer: &[u8]) -> bool {
        match &self.expect {
            Some(expect) => answer.windows(expect.len().max(1)).any(|part| part == expect.as_bytes()),
            None => self.message.is_none() || !answer.is_empty(),
        }
    }
}

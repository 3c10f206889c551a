//! One message there, one back. Over TCP with an authority, where no answer is cut short or made up by a stranger; over
//! UDP with a resolver, as its clients do, and over TCP where the answer does not fit.
//!
//! What matters for an update is *when* it failed: without a connection nothing was sent; afterwards, everything may
//! have happened.

use std::{net::SocketAddr, time::Duration};

use hickory_proto::op::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::message;
use crate::provider::{ProviderError, Result};

/// A connection to one server.
pub(super) struct Line {
    server: SocketAddr,
    stream: TcpStream,
    limit: Duration,
}

impl Line {
    /// Connects. An error means that nothing was sent.
    pub async fn open(server: SocketAddr, limit: Duration) -> Result<Self> {
        let unreachable = |why: String| ProviderError::Unreachable(format!("{server}: {why}"));
        let stream = timeout(limit, TcpStream::connect(server)).await;
        let stream = stream.map_err(|_| unreachable(format!("no connection within {limit:?}")))?;
        Ok(Self { server, stream: stream.map_err(|error| unreachable(error.to_string()))?, limit })
    }

    /// The server.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Sends one message and reads one, of at most 64 KiB: the protocol knows no longer ones.
    pub async fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        let limit = self.limit;
        let answer = timeout(limit, self.exchange(message)).await.map_err(|_| ProviderError::TimedOut(limit))?;
        answer.map_err(|error| ProviderError::Unexpected(format!("{}: the connection broke: {error}", self.server)))
    }

    async fn exchange(&mut self, message: &[u8]) -> std::io::Result<Vec<u8>> {
        let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], message].concat();
        self.stream.write_all(&framed).await?;
        let length = self.stream.read_u16().await?;
        let mut answer = vec![0; length.into()];
        self.stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    /// Asks a question that only an authority may answer.
    pub async fn authority(&mut self, question: &Message) -> Result<Message> {
        let bytes = self.ask(&encoded(question)?).await?;
        let server = self.server;
        message::answer(question, &bytes, true).map_err(|why| ProviderError::Unexpected(format!("{server}: {why}")))
    }
}

/// A message as bytes.
pub(super) fn encoded(message: &Message) -> Result<Vec<u8>> {
    message.to_vec().map_err(|error| ProviderError::Refused(format!("the message cannot be written: {error}")))
}

/// Asks a resolver, within `limit` in all.
pub(super) async fn resolver(server: SocketAddr, question: &Message, limit: Duration) -> Result<Message> {
    let asked = timeout(limit, async {
        let bytes = match datagram(server, &encoded(question)?, question.metadata.id, limit / 3).await? {
            Some(bytes) => bytes,
            None => Line::open(server, limit).await?.ask(&encoded(question)?).await?,
        };
        message::answer(question, &bytes, false).map_err(|why| ProviderError::Unexpected(format!("{server}: {why}")))
    });
    asked.await.map_err(|_| ProviderError::TimedOut(limit))?
}

/// Sends a datagram up to three times. `None` where the answer did not fit into one.
async fn datagram(server: SocketAddr, bytes: &[u8], id: u16, pause: Duration) -> Result<Option<Vec<u8>>> {
    let unreachable = |error: std::io::Error| ProviderError::Unreachable(format!("{server}: {error}"));
    let here: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(here).await.map_err(unreachable)?;
    socket.connect(server).await.map_err(unreachable)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    for _ in 0..3 {
        socket.send(bytes).await.map_err(unreachable)?;
        let received = timeout(pause, async {
            loop {
                let length = socket.recv(&mut buffer).await?;
                // Somebody else's answer, or an old one, is no reason to stop listening.
                if length >= 12 && buffer[..2] == id.to_be_bytes() {
                    return Ok::<_, std::io::Error>(length);
                }
            }
        });
        if let Ok(length) = received.await {
            let length = length.map_err(unreachable)?;
            let truncated = buffer[2] & 0x02 != 0;
            return Ok((!truncated).then(|| buffer[..length].to_vec()));
        }
    }
    Err(ProviderError::TimedOut(pause * 3))
}

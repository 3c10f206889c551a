//! One conversation on BIRD's control socket: a greeting, then a reply a command, all of it bounded.

use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::reply::{self, Reply, code};
use crate::{
    config::settings::Endpoint,
    provider::{ProviderError, Result, access::Stream, route::kind::Tools},
};

/// Longest reply that is read: some 30,000 paths to one prefix.
const MAX_REPLY: u64 = 4 << 20;

/// An open conversation. Its caller bounds the time of the whole.
pub(super) struct Control {
    stream: BufReader<Box<dyn Stream>>,
    place: String,
}

impl Control {
    /// Connects, and waits for the greeting.
    pub(super) async fn open(socket: &std::result::Result<Endpoint, String>, tools: &Tools) -> Result<Self> {
        let no_socket = |text: &String| ProviderError::Refused(format!("{text:?} is no control socket"));
        let socket = socket.as_ref().map_err(no_socket)?;
        let place = socket.to_string();
        let stream = match socket {
            Endpoint::Unix { path } => tools.local.connect_unix("", path).await?,
            Endpoint::Ssh { host, path } => tools.access.connect_unix(host, Path::new(path)).await?,
            Endpoint::Tcp { .. } => {
                return Err(ProviderError::Refused(format!("{place}: BIRD has no TCP control socket")));
            }
        };
        let mut control = Self { stream: BufReader::new(stream), place };
        let greeting = control.reply().await?;
        if greeting.code != code::READY {
            return Err(control.unexpected(&format!("it greets with {:04} {}", greeting.code, greeting.text)));
        }
        Ok(control)
    }

    /// One command, and its reply, which may be a refusal.
    pub(super) async fn say(&mut self, command: &str) -> Result<Reply> {
        if command.chars().any(char::is_control) {
            return Err(ProviderError::Refused(format!("{command:?} is no single command")));
        }
        let line = format!("{command}\n");
        let written = self.stream.get_mut().write_all(line.as_bytes()).await;
        written.map_err(|e| self.unexpected(&format!("the connection broke: {e}")))?;
        self.reply().await
    }

    /// One question; a refusal to answer it is an error.
    pub(super) async fn ask(&mut self, command: &str) -> Result<Reply> {
        let reply = self.say(command).await?;
        match reply.refusal() {
            Some(words) => Err(self.unexpected(&format!("`{command}`: {words}"))),
            None => Ok(reply),
        }
    }

    async fn reply(&mut self) -> Result<Reply> {
        let mut lines = Vec::new();
        let mut left = MAX_REPLY;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(left).read_until(b'\n', &mut line).await;
            let read = read.map_err(|e| self.unexpected(&format!("the connection broke: {e}")))?;
            left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
            if line.pop() != Some(b'\n') {
                let why = if left == 0 { "a reply without end" } else { "closed in the middle of a reply" };
                return Err(self.unexpected(why));
            }
            let line = String::from_utf8(line).map_err(|_| self.unexpected("the reply is no text"))?;
            let ends = matches!(reply::head(&line), Some((_, true)));
            lines.push(line);
            if ends {
                return reply::reply(&lines).map_err(|why| self.unexpected(&why));
            }
        }
    }

    pub(super) fn unexpected(&self, why: &str) -> ProviderError {
        ProviderError::Unexpected(format!("{}: {why}", self.place))
    }
}

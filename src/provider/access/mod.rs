//! How commands and connections reach a machine: directly, or over the user's own SSH.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{ProviderError, Result};

pub mod local;
mod process;
pub mod ssh;

/// What a command said. A command that could not be started at all is an error, not an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output, at most [`MAX_OUTPUT`] bytes.
    pub stdout: String,
    /// Standard error, at most [`MAX_OUTPUT`] bytes.
    pub stderr: String,
}

/// Bytes of a command's output that are kept; more is an error, never a silent cut.
pub const MAX_OUTPUT: usize = 16 << 20;

/// A connected byte stream, wherever its far end is.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The output of a program that goes on. Dropping it ends the program.
pub trait Following: AsyncRead + Send + Unpin {
    /// Closes its standard input, which tells it to end; what it still has to say can be read to its end.
    fn end_input(&mut self);
}

#[cfg(test)]
impl Following for tokio::io::Empty {
    fn end_input(&mut self) {}
}

#[cfg(test)]
impl Following for tokio::io::Repeat {
    fn end_input(&mut self) {}
}

/// A way to machines. `host` is a name that this way understands: a node's SSH alias, ignored when local.
#[async_trait]
pub trait Access: Send + Sync {
    /// Runs a program with exactly these arguments (no shell interprets them) and bounded output, within `limit`.
    async fn run(&self, host: &str, argv: &[&str], limit: Duration) -> Result<Output>;

    /// The same with this on the program's standard input. A program that does not read it all is no error.
    async fn feed(&self, host: &str, argv: &[&str], _input: &[u8], _limit: Duration) -> Result<Output> {
        Err(ProviderError::Refused(format!("this way to {host} gives {} no input", argv.join(" "))))
    }

    /// Starts a program that goes on, and hands over its standard output. Its standard input stays open for as long as
    /// what is handed over lives, and the program has to end when that closes: nothing else ends it on another machine.
    async fn follow(&self, host: &str, argv: &[&str]) -> Result<Box<dyn Following>> {
        Err(ProviderError::Refused(format!("this way to {host} does not follow {}", argv.join(" "))))
    }

    /// Connects to a UNIX socket on that machine.
    async fn connect_unix(&self, host: &str, path: &Path) -> Result<Box<dyn Stream>>;

    /// Connects to `address` (`host:port`) as that machine would: its loopback, its names.
    async fn connect_tcp(&self, host: &str, address: &str) -> Result<Box<dyn Stream>> {
        Err(ProviderError::Refused(format!("this way to {host} does not reach {address}")))
    }

    /// A connection to that machine's system bus.
    async fn system_bus(&self, host: &str) -> Result<zbus::Connection>;
}

//! A machine on which a proxy runs: this one, or one that SSH reaches.

use std::{sync::Arc, time::Duration};

use super::Tools;
use crate::provider::{
    ProviderError, Result,
    access::{Access, Output, Stream},
};

/// A machine, and how programs run there.
#[derive(Clone)]
pub(super) struct Machine {
    access: Arc<dyn Access>,
    host: String,
    sudo: bool,
    /// Time limit of one exchange.
    pub limit: Duration,
}

impl Machine {
    /// The machine that SSH knows as `host`, or this one. With `sudo`, programs run as root through it; it must not
    /// ask for a password.
    pub fn new(host: Option<&str>, sudo: bool, tools: &Tools) -> Self {
        let access = if host.is_some() { tools.access.clone() } else { tools.local.clone() };
        Self { access, host: host.unwrap_or_default().to_owned(), sudo, limit: tools.limit }
    }

    /// The SSH host; empty for this machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Runs a program there with this on its standard input. A way to that machine that broke is an error, an exit
    /// code is an answer.
    pub async fn feed(&self, argv: &[&str], input: &[u8]) -> Result<Output> {
        let mut words = if self.sudo { vec!["sudo", "-n", "--"] } else { Vec::new() };
        words.extend(argv);
        self.access.feed(&self.host, &words, input, self.limit).await
    }

    /// Runs a fixed script of a POSIX shell there. What varies goes into its arguments, never into its text.
    pub async fn script(&self, text: &str, arguments: &[&str], input: &[u8]) -> Result<Output> {
        let mut argv = vec!["sh", "-c", text, "tidegate"];
        argv.extend(arguments);
        self.feed(&argv, input).await
    }

    /// Connects to a TCP port as that machine would.
    pub async fn connect_tcp(&self, address: &str) -> Result<Box<dyn Stream>> {
        self.access.connect_tcp(&self.host, address).await
    }

    /// Connects to a UNIX socket there.
    pub async fn connect_unix(&self, path: &std::path::Path) -> Result<Box<dyn Stream>> {
        self.access.connect_unix(&self.host, path).await
    }
}

/// What a command that did not end well says of itself.
pub(super) fn failed(what: &str, output: &Output) -> ProviderError {
    let why = output.stderr.lines().map(str::trim).find(|line| !line.is_empty());
    let why = why.map_or_else(|| format!("it ended with {:?} and no reason", output.code), str::to_owned);
    ProviderError::Unexpected(format!("{what}: {why}"))
}

//! The nodes' machines, for programs and files of a playbook.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::Trouble;
use crate::{
    model::NodeName,
    provider::access::{Access, Output},
};

/// The way to every node.
#[derive(Clone)]
pub struct Machines {
    /// The way.
    pub access: Arc<dyn Access>,
    /// What each node is called there.
    pub hosts: BTreeMap<NodeName, String>,
    /// This machine.
    pub here: Arc<dyn Access>,
    /// Time limit of one call that only asks.
    pub limit: Duration,
}

impl Machines {
    /// What a node is called.
    pub fn host(&self, node: &NodeName) -> Result<&str, Trouble> {
        let host = self.hosts.get(node).map(String::as_str);
        host.ok_or_else(|| Trouble::failed(format!("{node} is no member of the cluster")))
    }

    /// Runs a program there, which ends soon.
    pub async fn ask(&self, node: &NodeName, argv: &[&str]) -> Result<Output, Trouble> {
        let host = self.host(node)?;
        self.access.run(host, argv, self.limit).await.map_err(|e| Trouble::failed(format!("{node}: {e}")))
    }

    /// The same, where anything but a good end is a failure; what it printed.
    pub async fn told(&self, node: &NodeName, argv: &[&str]) -> Result<String, Trouble> {
        let output = self.ask(node, argv).await?;
        if output.code == Some(0) {
            return Ok(output.stdout);
        }
        let program = argv.first().copied().unwrap_or_default();
        Err(Trouble::failed(format!(
            "{node}: {program} ended with {}: {}",
            code(output.code),
            tail(&output.stderr, 400)
        )))
    }
}

/// An exit code, for people.
pub fn code(code: Option<i32>) -> String {
    code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}

/// The end of a text, in whole characters.
pub fn tail(text: &str, bytes: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].trim()
}

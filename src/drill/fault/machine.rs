//! A machine on which a fault is played: programs run there as root.

use std::{sync::Arc, time::Duration};

use crate::{
    playbook::Place,
    provider::{
        ProviderError, Result,
        access::{Access, Output},
    },
};

/// What a machine is.
const LOOK: &str = include_str!("scripts/look.sh");
/// Bytes of an error that are told.
const TOLD: usize = 300;

/// A machine, and the way there.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) access: Arc<dyn Access>,
    pub(super) host: String,
    pub(super) limit: Duration,
}

/// What a machine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether the way there ends at another user than root.
    pub(super) sudo: bool,
    /// Which boot this is.
    pub(super) boot: String,
    /// By which interface it answers.
    pub(super) interface: Option<String>,
}

impl Machine {
    /// Which user, which boot, which interface.
    pub(super) async fn look(&self) -> Result<Look> {
        let output = self.access.run(&self.host, &["sh", "-c", LOOK], self.limit).await?;
        parse(&output.stdout).ok_or_else(|| failed("a look at the machine", &output))
    }

    /// Runs a program as root, with this on its standard input. An exit code is an answer.
    pub(super) async fn root(&self, sudo: bool, argv: &[&str], input: &[u8], more: Duration) -> Result<Output> {
        let mut words = if sudo { vec!["sudo", "-n", "--"] } else { Vec::new() };
        words.extend(argv);
        self.access.feed(&self.host, &words, input, self.limit + more).await
    }

    /// Runs a fixed script as root. What varies goes into its arguments, never into its text.
    pub(super) async fn script(&self, sudo: bool, text: &str, arguments: &[&str], input: &[u8]) -> Result<Output> {
        let mut argv = vec!["sh", "-c", text, "tidegate-fault"];
        argv.extend(arguments);
        self.root(sudo, &argv, input, Duration::ZERO).await
    }
}

fn parse(said: &str) -> Option<Look> {
    let mut lines = said.lines();
    let (user, boot) = (lines.next()?.parse::<u32>().ok()?, lines.next()?);
    let interface = lines.next().filter(|name| !name.is_empty()).map(str::to_owned);
    (boot.len() >= 32).then(|| Look { sudo: user != 0, boot: boot.to_owned(), interface })
}

/// What a program that did not end well says of itself.
pub(super) fn failed(what: &str, output: &Output) -> ProviderError {
    ProviderError::Unexpected(format!("{what}: {}", why(output)))
}

/// The last line of its errors: what it came to.
pub(super) fn why(output: &Output) -> String {
    let lines: Vec<&str> = output.stderr.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let said = lines.get(lines.len().saturating_sub(2)..).unwrap_or_default().join("; ");
    match said.as_str() {
        "" => format!("it ended with {:?} and no reason", output.code),
        said => said.chars().take(TOLD).collect(),
    }
}

/// A place as people call it.
pub(super) fn name(place: &Place) -> &str {
    match place {
        Place::Node(node) => node.as_str(),
        Place::Host { host, .. } => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_says_what_it_is_or_nothing_is_believed() {
        let boot = "6b1c3e90-0f1c-4d7e-9f7a-0c4e6f0a1b2c";
        let look = |sudo, interface: Option<&str>| {
            Some(Look { sudo, boot: boot.into(), interface: interface.map(str::to_owned) })
        };
        assert_eq!(parse(&format!("0\n{boot}\neth0\n")), look(false, Some("eth0")));
        assert_eq!(parse(&format!("1000\n{boot}\n")), look(true, None));
        for odd in ["", "root\n", "0\n\n", "0\nno-boot\neth0\n"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }
}

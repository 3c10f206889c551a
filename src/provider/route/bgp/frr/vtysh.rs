//! vtysh, as a command on the announcer's host: nothing is sent anywhere but to bgpd.

use std::time::Duration;

use jiff::Timestamp;

use crate::provider::{ProviderError, Result, access::Output, route::kind::Tools};

/// bgpd on one host, as its vtysh reaches it.
pub(super) struct Vtysh {
    /// The host; this machine where there is none.
    pub(super) host: Option<String>,
    /// The folder of bgpd's socket.
    pub(super) folder: String,
    pub(super) tools: Tools,
}

impl Vtysh {
    /// Gives commands in one call, which ends at the first that fails. What it says, all of it.
    pub(super) async fn say(&self, commands: &[&str]) -> Result<Output> {
        if let Some(bad) = commands.iter().find(|c| c.chars().any(char::is_control)) {
            return Err(ProviderError::Refused(format!("{bad:?} is no single command")));
        }
        let mut argv = vec!["vtysh", "--vty_socket", &self.folder, "-d", "bgpd"];
        argv.extend(commands.iter().flat_map(|command| ["-c", command]));
        let output = self.run(&argv).await?;
        match output.code {
            _ if output.stderr.contains("failed to connect") => Err(ProviderError::Unreachable(self.at(&format!(
                "vtysh finds no bgpd in {}: it does not run, or the user is not in the group frrvty",
                self.folder
            )))),
            Some(126 | 127) => Err(ProviderError::Unreachable(self.at(&format!("no vtysh: {}", words(&output))))),
            _ => Ok(output),
        }
    }

    /// The answers to questions, of which each must succeed.
    pub(super) async fn ask(&self, questions: &[&str]) -> Result<String> {
        let output = self.say(questions).await?;
        if output.code == Some(0) { Ok(output.stdout) } else { Err(self.unexpected(&words(&output))) }
    }

    /// When bgpd was started: it makes its socket then. vtysh itself has no word for it.
    pub(super) async fn started(&self) -> Result<Started> {
        let socket = format!("{}/bgpd.vty", self.folder);
        let output = self.run(&["stat", "--format=%.9Y %i", "--", &socket]).await?;
        if output.code != Some(0) {
            return Err(ProviderError::Unreachable(self.at(&words(&output))));
        }
        started(&output.stdout).ok_or_else(|| self.unexpected(&format!("stat says {:?}", output.stdout)))
    }

    async fn run(&self, argv: &[&str]) -> Result<Output> {
        let limit: Duration = self.tools.limit;
        match &self.host {
            Some(host) => self.tools.access.run(host, argv, limit).await,
            None => self.tools.local.run("", argv, limit).await,
        }
    }

    pub(super) fn unexpected(&self, why: &str) -> ProviderError {
        ProviderError::Unexpected(self.at(why))
    }

    fn at(&self, why: &str) -> String {
        self.host.as_ref().map_or_else(|| why.to_owned(), |host| format!("{host}: {why}"))
    }
}

/// A start of bgpd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// Tells it from any other.
    pub(super) generation: String,
    /// For people.
    pub(super) since: String,
}

fn started(said: &str) -> Option<Started> {
    let (time, inode) = said.trim().split_once(' ')?;
    let seconds: i64 = time.split('.').next()?.parse().ok()?;
    let since = Timestamp::from_second(seconds).ok()?;
    inode
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| Started { generation: format!("{time}/{inode}"), since: format!("bgpd since {since}") })
}

/// What a failed command said, in one line.
pub(super) fn words(output: &Output) -> String {
    let lines = output.stdout.lines().chain(output.stderr.lines()).map(str::trim);
    // That vtysh may not read its own configuration is no reason for anything.
    let said: Vec<&str> = lines.filter(|l| !l.is_empty() && !l.contains("vtysh.conf")).take(3).collect();
    if said.is_empty() { format!("it failed with code {:?}", output.code) } else { said.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_told_by_the_socket() {
        let one = started("1795253742.333387096 10018857\n").expect("a start");
        assert_eq!(one.generation, "1795253742.333387096/10018857");
        assert_eq!(one.since, "bgpd since 2026-11-21T09:35:42Z");
        assert_eq!(started("nothing"), None);
        assert_eq!(started("x y"), None);
    }

    #[test]
    fn what_failed_says_why_and_not_everything() {
        let output = Output {
            code: Some(1),
            stdout: "% Unknown command: x\n\n".into(),
            stderr: "% Can't open configuration file /etc/frr/vtysh.conf due to 'Permission denied'.\n".into(),
        };
        assert_eq!(words(&output), "% Unknown command: x");
        assert_eq!(words(&Output { code: Some(1), ..Output::default() }), "it failed with code Some(1)");
    }
}

//! What an HAProxy's configuration is, for the review: its file, where the route names it, and what the running process
//! says for itself.
//!
//! The runtime API tells the mode, of what kind the last check was, and after how many failures a server is down. It
//! tells no interval, no header, no PROXY protocol and no TLS of a listener: only the file does.

use std::time::Duration;

use super::{Haproxy, file, parse};
use crate::{
    config::settings::Endpoint,
    model::{
        BalancerView,
        balancer::{Check, Layer},
    },
    provider::{ProviderError, Result, access::local::LocalAccess},
};

/// Longest file that is read.
const MAX_FILE: &str = "1048576";

impl Haproxy {
    /// The configuration of one instance, as far as it can be had.
    pub(super) async fn configuration(&self, instance: &super::Instance) -> Result<BalancerView> {
        let answer = self.ask(&instance.socket, "show stat -1 7 -1").await?;
        let running = parse::running(&answer, &self.backend).map_err(ProviderError::Unexpected)?;
        let mut view = match self.config_text(instance).await {
            Ok(text) => file::read(&text, &self.backend).unwrap_or_else(unread),
            Err(error) => unread(error.to_string()),
        };
        view.layer = running.layer.or(view.layer);
        // The kind of check that ran says less than the file, and is true.
        let fits = |check: &Check| {
            !matches!((check, &running.check), (Check::Request { .. }, Some(Check::Port | Check::None)))
        };
        view.check = view.check.filter(fits).or(running.check);
        Ok(view)
    }

    async fn config_text(&self, instance: &super::Instance) -> Result<String> {
        let lacking = |why: &str| ProviderError::Refused(why.to_owned());
        let Some(place) = &self.config_file else {
            return Err(lacking("HAProxy's socket does not tell it, and the route's `config-file` names no file"));
        };
        let place = place.replace("{instance}", instance.name.as_str());
        let local = LocalAccess::default();
        let (access, host, path): (&dyn crate::provider::access::Access, &str, &str) =
            match place.strip_prefix("ssh://") {
                Some(rest) => {
                    let at = rest.find('/').ok_or_else(|| lacking("`config-file` names no path"))?;
                    (&*self.access, &rest[..at], &rest[at..])
                }
                None => match &instance.socket {
                    Endpoint::Ssh { host, .. } => (&*self.access, host, &place),
                    Endpoint::Unix { .. } => (&local, "", &place),
                    Endpoint::Tcp { .. } => {
                        return Err(lacking(
                            "behind a TCP socket no file can be read: write `config-file` as ssh://host/path",
                        ));
                    }
                },
            };
        let limit = self.limit.max(Duration::from_secs(5));
        let said = access.run(host, &["head", "-c", MAX_FILE, "--", path], limit).await?;
        if said.code != Some(0) {
            return Err(ProviderError::Refused(format!("{path} cannot be read: {}", parse::first_words(&said.stderr))));
        }
        if said.stdout.len().to_string() == MAX_FILE {
            return Err(ProviderError::Unexpected(format!("{path} is longer than 1 MiB")));
        }
        Ok(said.stdout)
    }
}

fn unread(why: String) -> BalancerView {
    BalancerView { lacks: why, ..BalancerView::default() }
}

/// What the running process says of a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    pub layer: Option<Layer>,
    /// The weakest kind of check that ran on a server; `None` where none has ended yet.
    pub check: Option<Check>,
}

/// The kind of a check by its status: `L4OK`, `L6TOUT`, `L7STS`.
pub(super) fn kind(status: &str) -> Option<Check> {
    match status.trim_start_matches(['*', ' ']).get(..2)? {
        "L4" => Some(Check::Port),
        "L6" => Some(Check::Handshake),
        "L7" => Some(Check::Request { path: None, port: None, passes: None }),
        _ => None,
    }
}

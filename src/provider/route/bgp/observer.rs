//! A router or a route collector that is only asked: whose paths to the prefix does it have?
//!
//! A path is a node's when one of its speakers (next hop, peer, originator) is the node's address. A daemon without any
//! session has heard nobody, so its silence says nothing: that is an error.
//!
//! No run ever writes here. Where the configuration names the router's sessions with the nodes (`sessions`), the guard
//! closes the one with a node that the cluster has lost, for nobody can tell the announcer there; and opens it again.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

use super::Instance;
use crate::{
    model::{Admission, Desired, InstanceView, MemberView, Session},
    provider::{ProviderError, Result},
};

/// What a daemon hears of the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Changes when the daemon was started anew.
    pub(super) generation: String,
    /// BGP sessions that stand.
    pub(super) sessions: usize,
    /// The speakers of each path, and whether it carries 65535:0.
    pub(super) paths: Vec<(Vec<IpAddr>, bool)>,
}

/// A daemon that is asked what it hears.
#[async_trait]
pub(super) trait Listener: Send + Sync {
    /// All paths to the prefix.
    async fn hear(&self) -> Result<Heard>;

    /// What its session of this name is now.
    async fn session(&self, _name: &str) -> Result<Session> {
        Err(not_here())
    }

    /// Closes that session with the node that `speaker` is the address of, or puts it back.
    async fn set_session(&self, _name: &str, _speaker: IpAddr, _desired: &Desired) -> Result<()> {
        Err(not_here())
    }
}

fn not_here() -> ProviderError {
    ProviderError::Refused("sessions of this daemon are not closed".into())
}

/// One observer.
pub(super) struct Observer<L> {
    listener: L,
    /// The address by which each member's paths are known, or why none is.
    members: BTreeMap<String, std::result::Result<IpAddr, String>>,
    /// Its session with each member, where that may be closed.
    sessions: BTreeMap<String, String>,
    limit: Duration,
}

impl<L: Listener> Observer<L> {
    /// Tells the paths of these members apart by these addresses.
    pub(super) fn new(
        listener: L,
        members: BTreeMap<String, std::result::Result<IpAddr, String>>,
        sessions: BTreeMap<String, String>,
        limit: Duration,
    ) -> Self {
        Self { listener, members, sessions, limit }
    }

    fn named(&self, server: &str) -> Result<&str> {
        let name = self.sessions.get(server).map(String::as_str);
        name.ok_or_else(|| ProviderError::Refused(format!("no session with {server} is named in `sessions`")))
    }
}

#[async_trait]
impl<L: Listener> Instance for Observer<L> {
    fn has(&self, server: &str) -> bool {
        self.members.contains_key(server)
    }

    async fn observe(&self) -> Result<InstanceView> {
        let heard = timeout(self.limit, self.listener.hear()).await;
        view(&heard.map_err(|_| ProviderError::TimedOut(self.limit))??, &self.members)
    }

    async fn apply(&self, _desired: &Desired) -> Result<()> {
        Err(ProviderError::Refused("an observer is only asked".into()))
    }

    async fn session(&self, server: &str) -> Result<Session> {
        let session = timeout(self.limit, self.listener.session(self.named(server)?)).await;
        session.map_err(|_| ProviderError::TimedOut(self.limit))?
    }

    async fn set_session(&self, server: &str, desired: &Desired) -> Result<()> {
        let unknown = || Err(format!("{server} is no member"));
        let speaker = self.members.get(server).cloned().unwrap_or_else(unknown).map_err(ProviderError::Refused)?;
        let set = timeout(self.limit, self.listener.set_session(self.named(server)?, speaker, desired)).await;
        set.map_err(|_| ProviderError::TimedOut(self.limit))?
    }
}

fn view(heard: &Heard, members: &BTreeMap<String, std::result::Result<IpAddr, String>>) -> Result<InstanceView> {
    if heard.sessions == 0 {
        let why = "it has no BGP session that stands, so what it does not hear says nothing";
        return Err(ProviderError::Unexpected(why.into()));
    }
    let mut views = BTreeMap::new();
    for (server, address) in members {
        let address = address.as_ref().map_err(|why| ProviderError::Refused(why.clone()))?;
        let there = heard.paths.iter().any(|(speakers, _)| speakers.contains(address));
        let admission = if there { Admission::Serving } else { Admission::Draining };
        views.insert(server.clone(), MemberView { admission, weight: 1, ..MemberView::default() });
    }
    let generation = heard.generation.clone();
    Ok(InstanceView { generation, version: Some(version(heard)), members: views, warnings: Vec::new() })
}

/// `paths by 10.0.0.1, 10.0.0.2 (65535:0)`
fn version(heard: &Heard) -> String {
    let shown = |(speakers, marked): &(Vec<IpAddr>, bool)| {
        let speaker = speakers.first().map_or_else(|| "itself".to_owned(), ToString::to_string);
        format!("{speaker}{}", if *marked { " (65535:0)" } else { "" })
    };
    match heard.paths.as_slice() {
        [] => "no path".into(),
        paths => format!("paths by {}", paths.iter().map(shown).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn members() -> BTreeMap<String, std::result::Result<IpAddr, String>> {
        [("node-01".to_owned(), Ok(ip("10.0.0.1"))), ("node-02".to_owned(), Ok(ip("10.0.0.2")))].into()
    }

    #[test]
    fn a_path_is_known_by_its_speaker() {
        let paths = vec![(vec![ip("10.9.9.9"), ip("10.0.0.2")], true), (vec![ip("10.0.0.77")], false)];
        let heard = Heard { generation: "g".into(), sessions: 1, paths };
        let seen = view(&heard, &members()).expect("a view");
        assert_eq!(seen.members["node-01"].admission, Admission::Draining);
        assert_eq!(seen.members["node-02"].admission, Admission::Serving);
        assert_eq!(seen.version.as_deref(), Some("paths by 10.9.9.9 (65535:0), 10.0.0.77"));
    }

    #[test]
    fn the_silence_of_a_daemon_without_sessions_says_nothing() {
        let heard = Heard { generation: "g".into(), sessions: 0, paths: Vec::new() };
        assert!(matches!(view(&heard, &members()), Err(ProviderError::Unexpected(_))));
        let heard = Heard { sessions: 1, ..heard };
        assert_eq!(view(&heard, &members()).expect("a view").version.as_deref(), Some("no path"));
    }

    #[test]
    fn a_member_without_an_address_is_an_error_not_an_absence() {
        let heard = Heard { generation: "g".into(), sessions: 1, paths: Vec::new() };
        let nowhere = [("node-01".to_owned(), Err("no address".to_owned()))].into();
        assert_eq!(view(&heard, &nowhere), Err(ProviderError::Refused("no address".into())));
    }
}

//! What BIRD's answers together say of an announcement. Pure.

use super::{
    reply::{Path, Protocol, Status},
    switches::Switches,
};
use crate::{
    model::Health,
    provider::route::bgp::{announcer::Look, prefix::Prefix, stage::Stage},
};

/// What one session is told of the prefix; only sessions that stand are here.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) paths: Vec<Path>,
}

/// All the answers.
pub(super) struct Answers {
    pub(super) prefix: Prefix,
    pub(super) switches: Switches,
    pub(super) status: Status,
    pub(super) protocols: Vec<Protocol>,
    /// The paths that BIRD itself holds.
    pub(super) held: Vec<Path>,
    pub(super) peers: Vec<Peer>,
}

impl Answers {
    pub(super) fn look(self) -> Look<Switches> {
        let Status { reboot, reconfiguration } = &self.status;
        Look {
            stage: self.switches.stage(),
            foreign: self.foreign(),
            unmarked: self.unmarked(),
            unmarkable: None,
            health: self.health(),
            generation: format!("{reboot}, configured {reconfiguration}"),
            version: format!("configuration of {reconfiguration}"),
            warnings: self.warnings(),
            state: self.switches,
        }
    }

    fn is_ours(&self, path: &Path) -> bool {
        let graceful = self.switches.graceful.as_ref().map(|g| &g.protocol);
        path.protocol == self.switches.protocol || graceful == Some(&path.protocol)
    }

    /// Whether a path came over BGP: then somebody else announces it, and this daemon only passes it on.
    fn is_learned(&self, path: &Path) -> bool {
        self.protocols.iter().any(|p| p.name == path.protocol && p.kind == "BGP")
    }

    /// The protocol that announces the prefix besides the ones that are driven.
    fn foreign(&self) -> Option<String> {
        let told = self.peers.iter().flat_map(|p| &p.paths);
        told.filter(|p| !self.is_ours(p) && !self.is_learned(p)).map(|p| p.protocol.clone()).next()
    }

    fn unmarked(&self) -> Option<String> {
        let marked = |peer: &&Peer| peer.paths.iter().all(|p| p.marked || self.is_learned(p));
        let names: Vec<&str> = self.peers.iter().filter(|p| !marked(p)).map(|p| p.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn health(&self) -> Health {
        let failing = |reason: String| Health::Failing { reason };
        let (prefix, name) = (self.prefix, &self.switches.protocol);
        if self.peers.is_empty() {
            return failing("no BGP session stands".into());
        }
        match self.switches.stage() {
            Stage::Withdrawn => Health::Unchecked,
            _ if !self.held.iter().any(|p| self.is_ours(p)) => failing(format!("{name} is on and has no {prefix}")),
            _ if !self.peers.iter().any(|p| p.paths.iter().any(|p| self.is_ours(p))) => {
                failing(format!("no session exports {prefix} of {name}"))
            }
            _ => Health::Unchecked,
        }
    }

    fn warnings(&self) -> Vec<String> {
        let down = self.protocols.iter().filter(|p| p.kind == "BGP" && p.enabled && !p.established);
        let down: Vec<&str> = down.map(|p| p.name.as_str()).collect();
        let mut warnings = Vec::new();
        if !down.is_empty() {
            warnings.push(format!("BGP sessions that do not stand: {}", down.join(", ")));
        }
        if let Some(message) = self.switches.message.as_ref().filter(|m| *m != super::switches::WITHDRAWN) {
            warnings.push(format!("{} was disabled by hand: \"{message}\"", self.switches.protocol));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(name: &str, kind: &str, established: bool) -> Protocol {
        Protocol { name: name.into(), kind: kind.into(), enabled: true, established }
    }

    fn path(protocol: &str, marked: bool) -> Path {
        Path { protocol: protocol.into(), speakers: Vec::new(), marked }
    }

    fn answers(enabled: bool, held: Vec<Path>, peers: Vec<Vec<Path>>) -> Answers {
        Answers {
            prefix: "192.0.2.80/32".parse().expect("a prefix"),
            switches: Switches { protocol: "anycast".into(), enabled, message: None, graceful: None },
            status: Status { reboot: "monday".into(), reconfiguration: "tuesday".into() },
            protocols: vec![
                protocol("anycast", "Static", false),
                protocol("direct1", "Direct", false),
                protocol("up1", "BGP", true),
                protocol("up2", "BGP", false),
            ],
            held,
            peers: peers.into_iter().map(|paths| Peer { name: "up1".into(), paths }).collect(),
        }
    }

    fn failing(look: &Look<Switches>) -> &str {
        let Health::Failing { reason } = &look.health else { panic!("{:?}", look.health) };
        reason
    }

    #[test]
    fn a_prefix_that_a_peer_gets_is_well() {
        let look = answers(true, vec![path("anycast", false)], vec![vec![path("anycast", false)]]).look();
        assert_eq!((look.stage, &look.health, &look.foreign), (Stage::Announced, &Health::Unchecked, &None));
        assert_eq!(look.generation, "monday, configured tuesday");
        assert_eq!(look.warnings, ["BGP sessions that do not stand: up2"]);
        assert_eq!(look.unmarked.as_deref(), Some("up1"));
    }

    #[test]
    fn a_prefix_that_nobody_hears_of_is_not() {
        let look = answers(true, vec![path("anycast", false)], vec![]).look();
        assert_eq!(failing(&look), "no BGP session stands");
        let look = answers(true, vec![path("anycast", false)], vec![vec![]]).look();
        assert_eq!(failing(&look), "no session exports 192.0.2.80/32 of anycast");
        let look = answers(true, vec![], vec![vec![]]).look();
        assert_eq!(failing(&look), "anycast is on and has no 192.0.2.80/32");
        let look = answers(false, vec![], vec![]).look();
        assert_eq!(failing(&look), "no BGP session stands");
    }

    #[test]
    fn what_another_protocol_announces_is_not_withdrawn() {
        let look = answers(false, vec![path("direct1", false)], vec![vec![path("direct1", false)]]).look();
        assert_eq!((look.stage, look.foreign.as_deref()), (Stage::Withdrawn, Some("direct1")));
        // What came from another speaker is that one's.
        let look = answers(false, vec![path("up1", false)], vec![vec![path("up1", false)]]).look();
        assert_eq!((look.stage, look.foreign), (Stage::Withdrawn, None));
    }

    #[test]
    fn a_person_s_words_are_shown() {
        let mut answers = answers(false, vec![], vec![vec![]]);
        answers.switches.message = Some("fibre works".into());
        assert!(answers.look().warnings.contains(&"anycast was disabled by hand: \"fibre works\"".to_owned()));
    }
}

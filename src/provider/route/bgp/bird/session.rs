//! A router's session with a node that is lost: closed so that the node's paths go at once, and opened again.
//!
//! * A BGP protocol is disabled and enabled by its name, as a static one is, and `disable` leaves the same words in it.
//!   Its paths go at once, whether the other side still answers or not (*measured*).
//! * A person's `disable` of a protocol that is disabled already changes nothing, the words included (*measured*): whose
//!   session stays closed is theirs who closed it first.
//! * A wrong name would take a healthy node out. So a session is closed only where the node's path comes by it, and no
//!   path of anybody else.

use std::net::IpAddr;

use super::{Ear, about, control::Control, give, paths, reply::Path, switch, switches::Switches};
use crate::{
    model::{Desired, Exact, Session},
    provider::{ProviderError, Result, route::bgp::stage::Move},
};

/// What the session of this name is now.
pub(super) async fn look(ear: &Ear, name: &str) -> Result<Session> {
    let mut control = Control::open(&ear.socket, &ear.tools).await?;
    let now = switches(&mut control, name).await?;
    let exact = serde_json::to_value(&now).map(Exact);
    let exact = exact.map_err(|e| ProviderError::Unexpected(format!("a state that cannot be kept: {e}")))?;
    Ok(Session { open: now.enabled, ours: now.is_ours(), exact })
}

/// Closes the session of this name with the node that `speaker` is the address of, or puts it back.
pub(super) async fn set(ear: &Ear, name: &str, speaker: IpAddr, desired: &Desired) -> Result<()> {
    let mut control = Control::open(&ear.socket, &ear.tools).await?;
    let now = switches(&mut control, name).await?;
    let commands = match desired {
        Desired::Drained if now.enabled => {
            let paths = paths(&mut control, ear.prefix, "table all").await?.unwrap_or_default();
            only(&paths, name, speaker).map_err(ProviderError::Refused)?;
            now.commands(&Move::Withdraw)?
        }
        Desired::Drained if now.is_ours() => Vec::new(),
        Desired::Drained => return Err(ProviderError::Refused(format!("{name} was closed by another hand"))),
        Desired::Exactly { exact } => {
            let receipt: std::result::Result<Switches, _> = serde_json::from_value(exact.0.clone());
            let receipt = receipt
                .map_err(|_| ProviderError::Refused(format!("{} is no state of the session {name}", exact.0)))?;
            now.commands(&Move::PutBack(&receipt))?
        }
        _ => return Err(ProviderError::Refused("a session is closed, or put back".into())),
    };
    give(&mut control, &commands).await
}

async fn switches(control: &mut Control, name: &str) -> Result<Switches> {
    let (_, protocols) = about(control).await?;
    let protocol = protocols.iter().find(|p| p.name == name);
    let protocol = protocol.ok_or_else(|| control.unexpected(&format!("BIRD has no protocol {name}")))?;
    if protocol.kind != "BGP" {
        let why = format!("{name} is a protocol of the kind {}, and no BGP session", protocol.kind);
        return Err(ProviderError::Refused(why));
    }
    switch(control, protocol).await
}

/// What stands against closing this session for this node.
fn only(paths: &[Path], name: &str, speaker: IpAddr) -> std::result::Result<(), String> {
    let (node_s, others): (Vec<&Path>, Vec<&Path>) =
        paths.iter().filter(|p| p.protocol == name).partition(|p| p.speakers.contains(&speaker));
    if let Some(other) = others.first() {
        let who = other.speakers.first().map_or_else(|| "itself".to_owned(), ToString::to_string);
        return Err(format!("by the session {name} comes a path of {who} too, not only of {speaker}"));
    }
    if node_s.is_empty() { Err(format!("no path of {speaker} comes by the session {name}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(protocol: &str, speaker: &str) -> Path {
        Path { protocol: protocol.into(), speakers: vec![speaker.parse().expect("an address")], marked: false }
    }

    #[test]
    fn a_session_is_closed_only_where_the_node_s_path_and_nobody_else_s_comes_by_it() {
        let paths = [path("one", "10.0.0.1"), path("two", "10.0.0.2"), path("reflector", "10.0.0.1")];
        let speaker = "10.0.0.1".parse().expect("an address");
        assert_eq!(only(&paths, "one", speaker), Ok(()));
        let wrong = only(&paths, "two", speaker).expect_err("another node's session");
        assert!(wrong.contains("a path of 10.0.0.2 too"), "{wrong}");
        let none = only(&paths, "three", speaker).expect_err("no path");
        assert!(none.contains("no path of 10.0.0.1"), "{none}");
        let shared = [path("reflector", "10.0.0.1"), path("reflector", "10.0.0.2")];
        assert!(only(&shared, "reflector", speaker).is_err());
    }
}

//! BIRD, through its control socket.
//!
//! * A prefix is originated by a static protocol, and withdrawn by disabling that protocol: the BGP sessions stay.
//! * Nothing at run time changes the attributes of a route. So the operator prepares the mark: a second static protocol
//!   with the same prefix and the community 65535:0, disabled in bird.conf, of a preference of its own. Enabling it and
//!   disabling the plain one is a single update for the peers (*measured*: no withdrawal in between). The other way,
//!   `configure` with another file, would touch everything else in it, and the next `configure` would undo it.
//! * `disable` takes a message, which `show protocols all` shows until the protocol is enabled. It is how a person's
//!   hand and ours are told apart.
//! * **`configure` enables what `disable` disabled** (*measured*): it is read as a restart, like a reload elsewhere.
//! * What a peer gets is asked of BIRD's own export filters (`show route … export PEER`), whichever protocol originates
//!   it: a prefix that a second protocol keeps alive was not withdrawn.
//! * A router is only asked, but for one thing where the configuration permits it: [`session`].

use std::net::IpAddr;

use async_trait::async_trait;

use super::{
    announcer::{Look, Speaker},
    observer::{Heard, Listener},
    prefix::Prefix,
    stage::Move,
};
use crate::{
    config::settings::Endpoint,
    model::{Desired, Session},
    provider::{ProviderError, Result, route::kind::Tools},
};

mod control;
mod reply;
mod session;
mod switches;
mod verdict;

use control::Control;
use reply::{Path, Protocol, Status, code};
use switches::{Graceful, Switches};
use verdict::{Answers, Peer};

/// Sessions whose exports are looked at; more is a route server, no announcer.
const MAX_PEERS: usize = 64;

/// A BIRD that announces a prefix.
pub(super) struct Bird {
    pub(super) prefix: Prefix,
    /// Its control socket, or what was written in its place.
    pub(super) socket: std::result::Result<Endpoint, String>,
    pub(super) protocol: String,
    pub(super) graceful: Option<String>,
    pub(super) tools: Tools,
}

#[async_trait]
impl Speaker for Bird {
    type State = Switches;

    async fn look(&self) -> Result<Look<Switches>> {
        let mut control = Control::open(&self.socket, &self.tools).await?;
        let (status, protocols) = about(&mut control).await?;
        let named =
            |name: &str| protocols.iter().find(|p| p.name == name).ok_or(format!("BIRD has no protocol {name}"));
        let both =
            named(&self.protocol).and_then(|plain| Ok((plain, self.graceful.as_deref().map(named).transpose()?)));
        let (plain, graceful) = both.map_err(|why| control.unexpected(&why))?;
        let graceful = graceful.map(|p| Graceful { protocol: p.name.clone(), enabled: p.enabled });
        let switches = Switches { graceful, ..switch(&mut control, plain).await? };
        let held = paths(&mut control, self.prefix, "table all").await?.unwrap_or_default();
        let peers = peers(&mut control, self.prefix, &protocols).await?;
        Ok(Answers { prefix: self.prefix, switches, status, protocols, held, peers }.look())
    }

    fn commands(&self, now: &Switches, to: &Move<'_, Switches>) -> Result<Vec<String>> {
        now.commands(to)
    }

    async fn carry_out(&self, _now: &Switches, commands: &[String]) -> Result<()> {
        let mut control = Control::open(&self.socket, &self.tools).await?;
        give(&mut control, commands).await
    }
}

/// A BIRD that is asked what it hears.
pub(super) struct Ear {
    pub(super) prefix: Prefix,
    /// Its control socket, or what was written in its place.
    pub(super) socket: std::result::Result<Endpoint, String>,
    pub(super) tools: Tools,
}

#[async_trait]
impl Listener for Ear {
    async fn hear(&self) -> Result<Heard> {
        let mut control = Control::open(&self.socket, &self.tools).await?;
        let (status, protocols) = about(&mut control).await?;
        let sessions = protocols.iter().filter(|p| p.established).count();
        // Every table: a path that is gone from one of them only is not gone.
        let paths = paths(&mut control, self.prefix, "table all").await?.unwrap_or_default();
        Ok(Heard {
            generation: format!("{}, configured {}", status.reboot, status.reconfiguration),
            sessions,
            paths: paths.into_iter().map(|p| (p.speakers, p.marked)).collect(),
        })
    }

    async fn session(&self, name: &str) -> Result<Session> {
        session::look(self, name).await
    }

    async fn set_session(&self, name: &str, speaker: IpAddr, desired: &Desired) -> Result<()> {
        session::set(self, name, speaker, desired).await
    }
}

/// A protocol as a switch, with the words of who disabled it.
async fn switch(control: &mut Control, protocol: &Protocol) -> Result<Switches> {
    let message = match protocol.enabled {
        true => None,
        false => reply::message(&control.ask(&format!("show protocols all '{}'", protocol.name)).await?),
    };
    Ok(Switches { protocol: protocol.name.clone(), enabled: protocol.enabled, message, graceful: None })
}

/// Gives these commands, in order. Refused only where nothing was changed.
async fn give(control: &mut Control, commands: &[String]) -> Result<()> {
    for (done, command) in commands.iter().enumerate() {
        let reply = control.say(command).await?;
        let Some(words) = reply.refusal() else { continue };
        let why = match reply.code {
            code::ACCESS_DENIED => format!("the session is restricted, so BIRD changes nothing: {words}"),
            code::NO_PROTOCOLS_MATCH | code::NOT_UNDERSTOOD => {
                format!("`{command}`: is there such a protocol? {words}")
            }
            _ => format!("`{command}`: {words}"),
        };
        return Err(if done == 0 { ProviderError::Refused(why) } else { control.unexpected(&why) });
    }
    Ok(())
}

async fn about(control: &mut Control) -> Result<(Status, Vec<Protocol>)> {
    let status = reply::status(&control.ask("show status").await?);
    let protocols = reply::protocols(&control.ask("show protocols").await?);
    let both = status.and_then(|status| Ok((status, protocols?)));
    both.map_err(|why| control.unexpected(&why))
}

/// The paths of one view of the tables; `None` where that view has no table of this family.
async fn paths(control: &mut Control, prefix: Prefix, of: &str) -> Result<Option<Vec<Path>>> {
    let question = format!("show route {prefix} {of} all");
    let reply = control.say(&question).await?;
    match reply.refusal() {
        None => reply::paths(&reply).map(Some).map_err(|why| control.unexpected(&why)),
        Some(_) if reply.code == code::NETWORK_NOT_FOUND => Ok(Some(Vec::new())),
        Some(_) if reply.text == "No valid tables" => Ok(None),
        Some(words) => Err(control.unexpected(&format!("`{question}`: {words}"))),
    }
}

/// What each session that stands is told of the prefix. Sessions of the other family say nothing of it.
async fn peers(control: &mut Control, prefix: Prefix, protocols: &[Protocol]) -> Result<Vec<Peer>> {
    let standing: Vec<&Protocol> = protocols.iter().filter(|p| p.kind == "BGP" && p.established).collect();
    if standing.len() > MAX_PEERS {
        return Err(control.unexpected(&format!("{} BGP sessions are too many to ask about", standing.len())));
    }
    let mut peers = Vec::new();
    for protocol in standing {
        let name = protocol.name.clone();
        if let Some(paths) = paths(control, prefix, &format!("export '{name}'")).await? {
            peers.push(Peer { name, paths });
        }
    }
    Ok(peers)
}

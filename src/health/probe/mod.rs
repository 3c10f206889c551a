//! One probe of one service on one node: a connection of its own, which is gone when the probe is over.
//!
//! A pool would be faster and would lie: a kept connection stays open to a process that accepts no new ones. So each
//! probe connects, as a client would. Everything that belongs to a probe is inside its future (no task is spawned):
//! dropping it drops the connection too. A connection is reset at its end, not closed: thousands of probes a second
//! would otherwise hold tens of thousands of ports in TIME-WAIT.

use std::net::{IpAddr, SocketAddr};

use super::failure::{Failure, Kind};
use crate::{
    config::settings::{Probe, Ready},
    model::NodeName,
};

mod connect;
mod exec;
mod expect;
mod http1;

pub use connect::Place;
pub use exec::{Program, Programs};
pub use expect::{Expect, Header, Statuses};
pub use http1::Get;

/// What is asked, and where.
#[derive(Clone, Debug)]
pub struct Check {
    /// Where it connects to.
    pub place: Place,
    /// What it asks.
    pub ask: Ask,
}

/// What a probe asks.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Nothing but a connection.
    Tcp,
    /// An answer over HTTP/1.1.
    Http(Get),
    /// A program's exit code.
    Exec(Program),
}

impl Check {
    /// A configured probe of a node; it is looked up by its name where it has no address.
    pub fn new(ready: &Ready, node: &NodeName, address: Option<IpAddr>, _programs: &Programs) -> Result<Self, Failure> {
        let place = match address {
            Some(ip) => Place::At(SocketAddr::new(ip, ready.port)),
            None => Place::Named(node.as_str().into(), ready.port),
        };
        let ask = match &ready.probe {
            Probe::Tcp => Ask::Tcp,
            Probe::Http { path, status, host } => {
                let expect = Expect { status: Statuses::only(*status), ..Expect::default() };
                Ask::Http(Get::new(path, host.as_deref().unwrap_or(node.as_str()), expect))
            }
        };
        Ok(Self { place, ask })
    }

    /// Asks once. There is no time limit here: whoever calls has one, and drops this.
    pub async fn run(&self) -> Result<(), Failure> {
        match &self.ask {
            Ask::Exec(program) => Box::pin(program.run()).await,
            _ => self.ask_at(self.place.address().await?).await,
        }
    }

    /// Asks once, at this address.
    pub(super) async fn ask_at(&self, address: SocketAddr) -> Result<(), Failure> {
        match &self.ask {
            Ask::Tcp => connect::tcp(address).await.map(drop),
            Ask::Http(get) => get.ask(connect::tcp(address).await?).await,
            Ask::Exec(program) => Box::pin(program.run()).await,
        }
    }
}

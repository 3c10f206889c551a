//! One probe of one service on one node: a connection of its own, which is gone when the probe is over.
//!
//! A pool would be faster and would lie: a kept connection stays open to a process that accepts no new ones. So each
//! probe connects, as a client would. Everything that belongs to a probe is inside its future (no task is spawned):
//! dropping it drops the connection too. A connection is reset at its end, not closed: thousands of probes a second
//! would otherwise hold tens of thousands of ports in TIME-WAIT.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::failure::{Failure, Kind};
use crate::{
    config::ready::{self, Probe, Ready},
    model::NodeName,
};

mod connect;
mod exec;
mod expect;
mod grpc;
mod http1;
mod http2;
mod tls;

pub use connect::Place;
pub use exec::{Program, Programs};
pub use grpc::HealthCheck;
pub use http1::Get;
pub use http2::Get2;
pub use tls::Tls;

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
    /// An answer over HTTP/1.1 and TLS.
    Https(Get, Tls),
    /// An answer over HTTP/2, in clear where there is no TLS.
    Http2(Get2, Option<Tls>),
    /// gRPC's own health check, in clear where there is no TLS.
    Grpc(HealthCheck, Option<Tls>),
    /// A program's exit code.
    Exec(Program),
}

impl Check {
    /// A configured probe of a node; it is looked up by its name where it has no address. Fails where a file that the
    /// probe needs cannot be read.
    pub fn new(ready: &Ready, node: &NodeName, address: Option<IpAddr>, programs: &Programs) -> Result<Self, Failure> {
        let place = match address {
            Some(ip) => Place::At(SocketAddr::new(ip, ready.port)),
            None => Place::Named(node.as_str().into(), ready.port),
        };
        let or_node = |host: &Option<String>| host.clone().unwrap_or_else(|| node.as_str().to_owned());
        let h2 = |trust: &Option<ready::Tls>, host: &str| {
            trust.as_ref().map(|settings| Tls::new(settings, host, "h2")).transpose()
        };
        let ask = match &ready.probe {
            Probe::Tcp => Ask::Tcp,
            Probe::Http(http) => Ask::Http(Get::new(&http.path, &or_node(&http.host), http.expect.clone())),
            Probe::Https { http, trust } => {
                let host = or_node(&http.host);
                Ask::Https(Get::new(&http.path, &host, http.expect.clone()), Tls::new(trust, &host, "http/1.1")?)
            }
            Probe::Http2 { http, trust } => {
                let host = or_node(&http.host);
                Ask::Http2(Get2::new(&http.path, &host, trust.is_some(), http.expect.clone())?, h2(trust, &host)?)
            }
            Probe::Grpc { service, host, trust } => {
                let host = or_node(host);
                Ask::Grpc(HealthCheck::new(service, &host, trust.is_some())?, h2(trust, &host)?)
            }
            Probe::Exec { command, on } => {
                let here = *on == ready::Place::Coordinator;
                Ask::Exec(Program::new(programs, node, here, command, ready.timeout))
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

    /// Asks once, at this address. What is large and rare is boxed, so that a usual probe stays small.
    pub(super) async fn ask_at(&self, address: SocketAddr) -> Result<(), Failure> {
        match &self.ask {
            Ask::Exec(program) => Box::pin(program.run()).await,
            Ask::Tcp => connect::tcp(address).await.map(drop),
            Ask::Http(get) => get.ask(connect::tcp(address).await?).await,
            Ask::Https(get, tls) => {
                Box::pin(async { get.ask(tls.over(connect::tcp(address).await?).await?).await }).await
            }
            Ask::Http2(get, None) => Box::pin(async { get.ask(connect::tcp(address).await?).await }).await,
            Ask::Http2(get, Some(tls)) => {
                Box::pin(async { get.ask(over_h2(tls, connect::tcp(address).await?).await?).await }).await
            }
            Ask::Grpc(check, None) => Box::pin(async { check.ask(connect::tcp(address).await?).await }).await,
            Ask::Grpc(check, Some(tls)) => {
                Box::pin(async { check.ask(over_h2(tls, connect::tcp(address).await?).await?).await }).await
            }
        }
    }
}

async fn over_h2(tls: &Tls, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
    let stream = tls.over(stream).await?;
    tls::speaks_h2(&stream)?;
    Ok(stream)
}

#[cfg(test)]
mod tests;

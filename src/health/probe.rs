//! One probe of one service on one node: a connection of its own, which is gone when the probe is over.
//!
//! A pool would be faster and would lie: a kept connection stays open to a process that accepts no new ones. So
//! each probe connects, as a client would. Connection and request are driven by the same task: dropping the probe
//! drops both.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    config::settings::{self, Probe, Ready},
    model::{NodeName, Readiness, ServiceName},
    provider::{Prober, ProviderError, Result},
};

/// Bytes of a body that are read; the status has been seen by then, so the rest is left unread.
const MAX_BODY: usize = 64 << 10;

/// Probes over HTTP/1.1 or TCP, from this machine.
pub struct HttpProber {
    services: BTreeMap<ServiceName, Ready>,
    addresses: BTreeMap<NodeName, IpAddr>,
}

impl HttpProber {
    /// Probes these services; a node without an address in `nodes` is looked up by its name, at every probe.
    pub fn new(services: &[settings::Service], nodes: &BTreeMap<NodeName, settings::Node>) -> Self {
        Self {
            services: services.iter().map(|s| (s.name.clone(), s.ready.clone())).collect(),
            addresses: nodes.iter().filter_map(|(name, node)| Some((name.clone(), node.address?))).collect(),
        }
    }

    async fn address(&self, node: &NodeName, port: u16) -> Result<SocketAddr> {
        if let Some(ip) = self.addresses.get(node) {
            return Ok(SocketAddr::new(*ip, port));
        }
        let unknown = |why: String| ProviderError::Unreachable(format!("no address of {node}: {why}"));
        let mut found = lookup_host((node.as_str(), port)).await.map_err(|e| unknown(e.to_string()))?;
        found.next().ok_or_else(|| unknown("the name has none".into()))
    }
}

#[async_trait]
impl Prober for HttpProber {
    async fn probe(&self, node: &NodeName, service: &ServiceName) -> Result<Readiness> {
        let ready = self.services.get(service);
        let ready = ready.ok_or_else(|| ProviderError::Refused(format!("there is no service {service} to probe")))?;
        let address = timeout(ready.timeout, self.address(node, ready.port)).await;
        let address = address.map_err(|_| ProviderError::Unreachable(format!("no address of {node} in time")))??;
        let answer = match &ready.probe {
            Probe::Tcp => within(ready.timeout, connect(address)).await.map(drop),
            Probe::Http { path, status, host } => {
                let host = host.as_deref().unwrap_or(node.as_str());
                within(ready.timeout, http(address, path, *status, host)).await
            }
        };
        Ok(match answer {
            Ok(()) => Readiness::Ready,
            Err(reason) => Readiness::NotReady { reason },
        })
    }
}

/// The reason why it is not ready is the error.
type Answer<T> = std::result::Result<T, String>;

async fn within<T>(limit: Duration, probe: impl Future<Output = Answer<T>>) -> Answer<T> {
    let late = || format!("no answer within {:.1} s", limit.as_secs_f64());
    timeout(limit, probe).await.unwrap_or_else(|_| Err(late()))
}

async fn connect(address: SocketAddr) -> Answer<TcpStream> {
    TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection to {address} refused"),
        _ => format!("no connection to {address}: {error}"),
    })
}

async fn http(address: SocketAddr, path: &str, wanted: u16, host: &str) -> Answer<()> {
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("tidegate/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("cannot ask for {path} of {host}: {error}"))?;
    let stream = TokioIo::new(connect(address).await?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|e| broke(&e))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| broke(&e))?;
        let status = response.status().as_u16();
        read_out(response.into_body()).await?;
        if status == wanted { Ok(()) } else { Err(format!("status {status}")) }
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // The connection ends as soon as its last byte is handed over: the answer is then still to be read.
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(broke(&error)),
        },
    }
}

async fn read_out(mut body: Incoming) -> Answer<()> {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.map_err(|e| broke(&e))?.data_ref().map_or(0, Bytes::len);
        if read > MAX_BODY {
            break;
        }
    }
    Ok(())
}

/// The innermost cause says what happened; hyper's own words say where.
fn broke(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_parse() { format!("no HTTP: {cause}") } else { format!("the connection broke: {cause}") }
}

#[cfg(test)]
mod tests;

//! The connection of a probe.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::{TcpStream, lookup_host};

use super::{Failure, Kind};

/// Where a probe connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This address.
    At(SocketAddr),
    /// A name, looked up at every probe, and a port.
    Named(Arc<str>, u16),
}

impl Place {
    /// The address; a name is looked up.
    pub(in crate::health) async fn address(&self) -> Result<SocketAddr, Failure> {
        let (name, port) = match self {
            Self::At(address) => return Ok(*address),
            Self::Named(name, port) => (name, *port),
        };
        let unknown = |why: String| Failure::new(Kind::Name, format!("no address of {name}: {why}"));
        let mut found = lookup_host((&**name, port)).await.map_err(|e| unknown(e.to_string()))?;
        found.next().ok_or_else(|| unknown("the name has none".into()))
    }
}

/// Connects. What comes back is reset when it is dropped.
pub(super) async fn tcp(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::new(Kind::Refused, format!("connection to {address} refused")),
        _ => Failure::new(Kind::Unreachable, format!("no connection to {address}: {error}")),
    })?;
    // Where this fails the connection is closed in the usual way.
    let _ = stream.set_zero_linger();
    Ok(stream)
}

//! Opening a connection: the name is looked up as configured, then TCP, then TLS where the scheme wants it.
//!
//! TLS asks for the name that the Host header has (SNI), and believes the system's authorities or those of the plan.
//! Sessions are resumed, as clients do.

use std::{io, sync::Arc};

use http::uri::Authority;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Connection, Fault};
use crate::drill::load::{FailureKind, LoadPlan, Scheme, Target, address::Addresses};

/// A connected stream.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The authorities of one run, read once; or why there are none.
pub(in crate::drill::load) struct Trust(Option<Result<Arc<RootCertStore>, String>>);

impl Trust {
    pub(in crate::drill::load) fn of(plan: &LoadPlan) -> Self {
        if !plan.targets.iter().any(|target| target.scheme().is_tls()) {
            return Self(None);
        }
        let found = match &plan.manner.authorities {
            Some(authorities) => authorities.certificates(),
            // Some of the system's files may be unreadable; those that are not are believed.
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found);
        Self(Some(if added == 0 { Err("there is no authority to believe".into()) } else { Ok(Arc::new(roots)) }))
    }
}

/// The way to one target.
pub(super) struct Dialer {
    target: Target,
    host: String,
    addresses: Addresses,
    tls: Option<Result<Tls, String>>,
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Dialer {
    pub(super) fn new(target: &Target, plan: &LoadPlan, trust: &Trust) -> Self {
        let host = plan.manner.host.clone().unwrap_or_else(|| target.host_header());
        let roots = trust.0.as_ref().filter(|_| target.scheme().is_tls());
        let tls = roots.map(|roots| Tls::new(roots.as_ref().map_err(String::clone)?, &host, target.scheme()));
        Self { target: target.clone(), host, addresses: Addresses::new(plan.lookup), tls }
    }

    /// The Host header.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Opens a connection, and notes where it leads as soon as that is known.
    pub(super) async fn dial(&self, connection: &mut Connection) -> Result<Box<dyn Wire>, Fault> {
        *connection = Connection { opened: true, ..Connection::default() };
        let address = self.addresses.next(&self.target).await?;
        connection.address = Some(address);
        let stream = TcpStream::connect(address).await.map_err(|e| connect_fault(&e))?;
        // Small requests must not wait for each other's acknowledgement.
        stream.set_nodelay(true).map_err(|e| connect_fault(&e))?;
        let tls = match &self.tls {
            None => return Ok(Box::new(stream)),
            Some(tls) => tls.as_ref().map_err(|why| (FailureKind::Tls, why.clone()))?,
        };
        let stream = tls.connector.connect(tls.name.clone(), stream).await.map_err(|e| tls_fault(&e))?;
        if self.target.scheme() == Scheme::H2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err((FailureKind::Protocol, "the server does not offer HTTP/2 (ALPN)".into()));
        }
        Ok(Box::new(stream))
    }
}

impl Tls {
    fn new(roots: &Arc<RootCertStore>, host: &str, scheme: Scheme) -> Result<Self, String> {
        let authority: Authority = host.parse().map_err(|e| format!("{host:?} is no host: {e}"))?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|e| format!("{host:?} is no server's name: {e}"))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let protocol: &[u8] = if scheme == Scheme::H2 { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

fn connect_fault(error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::Refused,
        io::ErrorKind::ConnectionReset => FailureKind::Reset,
        _ => FailureKind::Unreachable,
    };
    (kind, error.to_string())
}

fn tls_fault(error: &io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => (FailureKind::Tls, tls.to_string()),
        None => io_fault(error),
    }
}

/// What an error of an open connection means.
pub(super) fn io_fault(error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => FailureKind::Reset,
        _ => FailureKind::Closed,
    };
    (kind, error.to_string())
}

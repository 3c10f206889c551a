//! TLS under a probe: with the system's authorities or those of a file, and a certificate of the probe's own where the
//! service wants one. Files are read once, when the target is made.
//!
//! Sessions are never resumed: a resumed one would not show the certificate that new clients are shown. The handshake is
//! part of the probe's own future, so it is under its time limit and gone with it.

use std::{net::IpAddr, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Failure, Kind};
use crate::config::ready::Tls as Settings;

/// How a target's TLS is spoken.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the files that the settings name. `host` (with or without a port) is asked for where they name nothing
    /// else; `protocol` is what must be spoken inside (`h2`, `http/1.1`).
    pub(crate) fn new(settings: &Settings, host: &str, protocol: &str) -> Result<Self, Failure> {
        let name = settings.sni.as_deref().unwrap_or_else(|| without_port(host));
        let unfit = |why: String| Failure::new(Kind::Tls, why);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| unfit(format!("{name:?} is no server's name")))?;
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| unfit(e.to_string()))?
            .with_root_certificates(roots(settings.ca_file.as_deref())?);
        let mut config = match &settings.identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let unread = |path: &Path, why: &dyn std::fmt::Display| unfit(format!("{}: {why}", path.display()));
                let chain = certificates(certificate)?;
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unread(key, &e))?;
                config.with_client_auth_cert(chain, secret).map_err(|e| unread(certificate, &e))?
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), name })
    }

    /// Shakes hands.
    pub(crate) async fn over(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = TlsConnector::from(self.config.clone());
        let failed = |e: std::io::Error| Failure::new(Kind::Tls, format!("no TLS: {}", cause(&e)));
        connector.connect(self.name.clone(), stream).await.map_err(failed)
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether the other side agreed to speak HTTP/2.
pub(super) fn speaks_h2(stream: &TlsStream<TcpStream>) -> Result<(), Failure> {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Ok(()),
        _ => Err(Failure::new(Kind::Protocol, "the node does not offer HTTP/2 (ALPN)")),
    }
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let found = match file {
        Some(path) => certificates(path)?,
        // Some of the system's files may be unreadable; those that are not are believed.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(found);
    let whose = file.map_or_else(|| "the system".to_owned(), |path| path.display().to_string());
    if added == 0 { Err(Failure::new(Kind::Tls, format!("{whose} has no authority to believe"))) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unread = |why: &dyn std::fmt::Display| Failure::new(Kind::Tls, format!("{}: {why}", path.display()));
    let all = CertificateDer::pem_file_iter(path).map_err(|e| unread(&e))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| unread(&e))?;
    if all.is_empty() { Err(unread(&"there is no certificate in it")) } else { Ok(all) }
}

/// `app.example.com:8443` → `app.example.com`, `[::1]:8443` → `::1`.
fn without_port(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match host.rsplit_once(':') {
        Some((name, _)) if host.parse::<IpAddr>().is_err() => name,
        _ => host,
    }
}

/// rustls's own words, without those of the stream around it.
fn cause(error: &std::io::Error) -> String {
    error.get_ref().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_port() {
        for (host, name) in
            [("a.example", "a.example"), ("a.example:1", "a.example"), ("[::1]:8443", "::1"), ("::1", "::1")]
        {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_file() {
        let settings = Settings { ca_file: Some("/no/such/file".into()), ..Settings::default() };
        let failure = Tls::new(&settings, "a.example", "h2").expect_err("there is no such file");
        assert!(failure.kind == Kind::Tls && failure.detail.starts_with("/no/such/file: "), "{failure}");
    }
}

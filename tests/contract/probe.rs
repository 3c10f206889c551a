//! Probes against a real NGINX: TLS with an authority of its own, client certificates, HTTP/2 with and without TLS.

use std::{fs, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tidegate::{
    config::{
        expect::{Expect, Header},
        ready::{Http, Probe, Ready, Tls},
    },
    health::probe::{Check, Programs},
};
use tokio::{net::TcpStream, time::sleep};

use crate::process::{Process, free_port, program};

const NAME: &str = "app.example";

/// An NGINX with four servers of the same answers.
struct Web {
    directory: TempDir,
    _process: Process,
    /// TLS, HTTP/1.1 and HTTP/2.
    both: u16,
    /// TLS and HTTP/1.1 only.
    old: u16,
    /// TLS, for clients with a certificate.
    strict: u16,
    /// HTTP/2 in clear.
    clear: u16,
}

/// Writes an authority, a certificate for [`NAME`] and one for a client.
fn certificates(at: &Path) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    // An authority of the same name as what it signs would look self-signed.
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(at.join("ca.pem"), params.self_signed(&key).expect("a certificate").pem()).expect("written");
    let issuer = Issuer::new(params, key);
    for (file, name) in [("server", NAME), ("client", "tidegate")] {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        fs::write(at.join(format!("{file}.pem")), certificate.pem()).expect("written");
        fs::write(at.join(format!("{file}.key")), key.serialize_pem()).expect("written");
    }
}

impl Web {
    async fn start() -> Option<Self> {
        let nginx = program("/usr/sbin/nginx")?;
        let directory = tempfile::tempdir().expect("a directory");
        certificates(directory.path());
        let [both, old, strict, clear] = [free_port(), free_port(), free_port(), free_port()];
        let at = directory.path().display();
        let server = |listen: &str, more: &str| {
            format!(
                "server {{\n listen 127.0.0.1:{listen};\n server_name {NAME};\n{more}\n default_type text/plain;\n \
                 add_header X-Host $host always;\n location = /ready {{ return 200 \"it is up\"; }}\n \
                 location / {{ return 503; }}\n}}\n"
            )
        };
        let tls = format!(" ssl_certificate {at}/server.pem;\n ssl_certificate_key {at}/server.key;\n");
        let verify = format!("{tls} ssl_client_certificate {at}/ca.pem;\n ssl_verify_client on;\n");
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let servers = [
            server(&format!("{both} ssl http2"), &tls),
            server(&format!("{old} ssl"), &tls),
            server(&format!("{strict} ssl"), &verify),
            server(&format!("{clear} http2"), ""),
        ];
        let config = format!(
            "{user}pid {at}/nginx.pid;\nerror_log {at}/error.log notice;\nevents {{ worker_connections 64; }}\nhttp {{\n \
             access_log off;\n client_body_temp_path {at}/t1;\n proxy_temp_path {at}/t2;\n fastcgi_temp_path {at}/t3;\n \
             uwsgi_temp_path {at}/t4;\n scgi_temp_path {at}/t5;\n{}}}\n",
            servers.concat()
        );
        fs::write(directory.path().join("nginx.conf"), config).expect("a file");
        let mut command = Command::new(nginx);
        command.arg("-c").arg(directory.path().join("nginx.conf")).args(["-g", "daemon off;"]);
        let log = directory.path().join("log");
        let process = Process::start(&mut command, &log);
        for _ in 0..500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, clear)).await.is_ok() {
                return Some(Self { directory, _process: process, both, old, strict, clear });
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("NGINX does not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    fn trust(&self, sni: Option<&str>) -> Tls {
        let ca_file = Some(self.directory.path().join("ca.pem"));
        Tls { sni: sni.map(str::to_owned), ca_file, identity: None }
    }

    fn with_identity(&self) -> Tls {
        let file = |name| self.directory.path().join(name);
        Tls { identity: Some((file("client.pem"), file("client.key"))), ..self.trust(None) }
    }
}

fn ask(path: &str) -> Http {
    Http { path: path.into(), host: Some(NAME.into()), expect: Expect::default() }
}

/// What a probe of that port says: `ready`, or the word and the sentence.
async fn said(port: u16, probe: Probe) -> String {
    let check =
        Check::new(&Ready::new(port, probe), &"node-01".into(), Some([127, 0, 0, 1].into()), &Programs::default());
    let answer = match check {
        Ok(check) => tokio::time::timeout(Duration::from_secs(10), check.run()).await.expect("in time"),
        Err(failure) => Err(failure),
    };
    answer.map_or_else(|failure| format!("{}: {failure}", failure.kind), |()| "ready".into())
}

#[tokio::test]
async fn https_believes_its_own_authority_and_no_other() {
    let Some(web) = Web::start().await else { return };
    let https = |trust: Tls| Probe::Https { http: ask("/ready"), trust };
    assert_eq!(said(web.both, https(web.trust(None))).await, "ready");
    // The name is asked for and checked, not the address that is connected to.
    assert_eq!(said(web.both, https(web.trust(Some(NAME)))).await, "ready");
    let other = said(web.both, https(web.trust(Some("other.example")))).await;
    assert!(other.starts_with("tls: no TLS: invalid peer certificate") && other.contains("other.example"), "{other}");
    let unknown = Tls { ca_file: Some(web.directory.path().join("client.pem")), ..Tls::default() };
    let unknown = said(web.both, https(unknown)).await;
    assert!(unknown.starts_with("tls: no TLS: invalid peer certificate"), "{unknown}");
    let down = Probe::Https { http: ask("/down"), trust: web.trust(None) };
    assert_eq!(said(web.both, down).await, "status: status 503");
    // A port that speaks no TLS.
    let plain = said(web.clear, https(web.trust(None))).await;
    assert!(plain.starts_with("tls: "), "{plain}");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let Some(web) = Web::start().await else { return };
    let https = |trust: Tls| Probe::Https { http: ask("/ready"), trust };
    assert_eq!(said(web.strict, https(web.with_identity())).await, "ready");
    assert_eq!(said(web.strict, https(web.trust(None))).await, "status: status 400");
    let file = |name: &str| web.directory.path().join(name);
    let mixed = Tls { identity: Some((file("client.pem"), file("server.key"))), ..web.trust(None) };
    let mixed = said(web.strict, https(mixed)).await;
    assert!(mixed.starts_with("tls: ") && mixed.contains("client.pem"), "{mixed}");
}

#[tokio::test]
async fn http2_is_spoken_over_tls_and_in_clear() {
    let Some(web) = Web::start().await else { return };
    let h2 = |path: &str, trust: Option<Tls>| Probe::Http2 { http: ask(path), trust };
    assert_eq!(said(web.both, h2("/ready", Some(web.trust(None)))).await, "ready");
    assert_eq!(said(web.clear, h2("/ready", None)).await, "ready");
    assert_eq!(said(web.clear, h2("/down", None)).await, "status: status 503");
    let old = said(web.old, h2("/ready", Some(web.trust(None)))).await;
    assert!(old.starts_with("protocol: ") || old.starts_with("tls: "), "{old}");
}

#[tokio::test]
async fn host_headers_and_body_are_checked_over_both_versions() {
    let Some(web) = Web::start().await else { return };
    let expecting = |header: &str, body: &str| {
        let expect = Expect { headers: vec![Header::parse(header)], body: Some(body.into()), ..Expect::default() };
        Http { expect, ..ask("/ready") }
    };
    for (header, body, expected) in [
        ("X-Host: app.example", "is up", "ready"),
        ("x-host", "is up", "ready"),
        ("X-Host: node-01", "is up", "header: header x-host is \"app.example\", not \"node-01\""),
        ("X-Other", "is up", "header: no header x-other"),
        ("X-Host", "is down", "body: the body does not hold \"is down\""),
    ] {
        let trust = web.trust(None);
        assert_eq!(said(web.both, Probe::Https { http: expecting(header, body), trust }).await, expected);
        assert_eq!(said(web.clear, Probe::Http2 { http: expecting(header, body), trust: None }).await, expected);
    }
}

//! Where load goes: a URL, as the client of the service would write it, and the route that it stands for.
//!
//! The scheme says what is spoken: `http`, `https`, `h2c` (HTTP/2 at once), `h2` (HTTP/2 over TLS, agreed by ALPN), `ws`,
//! `wss`, `tcp`. A label before it (`web/dns=https://app.example.com/`) names the route in the report.

use std::{fmt, net::SocketAddr, str::FromStr};

use http::Uri;
use serde::{Deserialize, Serialize};

/// What is spoken with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 at once, with prior knowledge.
    H2c,
    /// HTTP/2 over TLS, agreed by ALPN.
    H2,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// Connections, and bytes where the plan has some.
    Tcp,
}

impl Scheme {
    const ALL: [Self; 7] = [Self::Http, Self::Https, Self::H2c, Self::H2, Self::Ws, Self::Wss, Self::Tcp];

    /// As it is written in a URL.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
            Self::H2 => "h2",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Tcp => "tcp",
        }
    }

    /// Whether it is spoken inside TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::H2 | Self::Wss)
    }

    /// The port where a URL has none.
    fn port(self) -> Option<u16> {
        match self {
            Self::Tcp => None,
            _ if self.is_tls() => Some(443),
            _ => Some(80),
        }
    }
}

/// One address of an entrypoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    route: Option<String>,
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

/// Why a URL is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is no URL.
    #[error("'{0}' is no URL (like http://10.0.0.10:8080/)")]
    NoUrl(String),
    /// It is a URL of another kind.
    #[error("'{0}': only http, https, h2, h2c, ws, wss and tcp are spoken")]
    Unspoken(String),
    /// It has no port, and its scheme has none of its own.
    #[error("'{0}' needs a port (like tcp://10.0.0.10:5432)")]
    NoPort(String),
    /// A path where there is none.
    #[error("'{0}': tcp has no path")]
    Path(String),
}

impl Target {
    /// A server's address and a path of it, over plain HTTP/1.1.
    pub fn http(address: SocketAddr, path: &str) -> Self {
        let (host, port) = (address.ip().to_string(), address.port());
        Self { route: None, scheme: Scheme::Http, host, port, path: path.to_owned() }
    }

    /// The same target as a route's, named so in the report.
    #[must_use]
    pub fn of_route(self, route: &str) -> Self {
        Self { route: Some(route.to_owned()), ..self }
    }

    /// The route that it stands for, where the caller named one.
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// What is spoken.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; the scheme's own where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query of an ordinary request; empty for `tcp`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// The Host header: without the port where it is the scheme's own, as browsers send it.
    pub fn host_header(&self) -> String {
        if self.scheme.port() == Some(self.port) { self.bracketed() } else { self.authority() }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        // A scheme has no '=', so one before it ends a label; a URL may have more of them further on.
        let before = text.find("://").unwrap_or(0);
        let (route, url) = match text[..before].split_once('=') {
            Some((route, _)) => (Some(route.to_owned()), &text[route.len() + 1..]),
            None => (None, text),
        };
        let no_url = || BadTarget::NoUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| no_url())?;
        let word = uri.scheme_str().ok_or_else(no_url)?;
        let scheme = Scheme::ALL.into_iter().find(|s| s.word() == word);
        let scheme = scheme.ok_or_else(|| BadTarget::Unspoken(url.to_owned()))?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || route.as_deref() == Some("") {
            return Err(no_url());
        }
        let port = uri.port_u16().or(scheme.port()).ok_or_else(|| BadTarget::NoPort(url.to_owned()))?;
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let path = match (scheme, path) {
            (Scheme::Tcp, "/" | "") => "",
            (Scheme::Tcp, _) => return Err(BadTarget::Path(url.to_owned())),
            (_, path) => path,
        };
        Ok(Self { route, scheme, host, port, path: path.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.word(), self.authority(), self.path)
    }
}

impl TryFrom<String> for Target {
    type Error = BadTarget;

    fn try_from(url: String) -> Result<Self, BadTarget> {
        url.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        match target.route() {
            Some(route) => format!("{route}={target}"),
            None => target.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_written() {
        let target: Target = "http://[::1]:8080/a?b=1".parse().expect("a URL");
        assert_eq!((target.host(), target.port(), target.path()), ("::1", 8080, "/a?b=1"));
        assert_eq!(target.to_string(), "http://[::1]:8080/a?b=1");
        assert_eq!(target.host_header(), "[::1]:8080");
        let plain: Target = "http://app.example.com".parse().expect("a URL");
        assert_eq!(
            (plain.to_string().as_str(), plain.host_header().as_str()),
            ("http://app.example.com:80/", "app.example.com")
        );
        for (url, shown) in [
            ("https://app/", "https://app:443/"),
            ("h2c://app:8080/x", "h2c://app:8080/x"),
            ("h2://app", "h2://app:443/"),
            ("wss://app/ws", "wss://app:443/ws"),
            ("tcp://10.0.0.1:5432", "tcp://10.0.0.1:5432"),
        ] {
            assert_eq!(url.parse::<Target>().map(|t| t.to_string()).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn a_label_names_the_route() {
        let target: Target = "web/dns=https://app/?a=b://c".parse().expect("a URL");
        assert_eq!((target.route(), target.to_string().as_str()), (Some("web/dns"), "https://app:443/?a=b://c"));
        let written = serde_json::to_string(&target).expect("JSON");
        assert_eq!(serde_json::from_str::<Target>(&written).expect("a target"), target);
        let plain: Target = "http://app/?a=b".parse().expect("a URL");
        assert_eq!(plain.route(), None);
    }

    #[test]
    fn what_is_no_target_says_why() {
        let bad = |url: &str| url.parse::<Target>().expect_err("no target");
        assert!(matches!(bad("ftp://app/"), BadTarget::Unspoken(_)));
        assert!(matches!(bad("app:80"), BadTarget::NoUrl(_)));
        assert!(matches!(bad("=http://app/"), BadTarget::NoUrl(_)));
        assert!(matches!(bad("tcp://app"), BadTarget::NoPort(_)));
        assert!(matches!(bad("tcp://app:1/path"), BadTarget::Path(_)));
    }
}

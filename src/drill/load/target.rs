//! Where load goes: an `http://` URL, as the client of the service would write it.

use std::{fmt, net::SocketAddr, str::FromStr};

use http::Uri;
use serde::{Deserialize, Serialize};

/// One address of an entrypoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
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
    #[error("'{0}': only http:// is supported")]
    NotHttp(String),
}

impl Target {
    /// A server's address and a path of it.
    pub fn http(address: SocketAddr, path: &str) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), path: path.to_owned() }
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query of an ordinary request.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The Host header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(url: &str) -> Result<Self, BadTarget> {
        let uri: Uri = url.parse().map_err(|_| BadTarget::NoUrl(url.to_owned()))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(BadTarget::NotHttp(url.to_owned())),
            None => return Err(BadTarget::NoUrl(url.to_owned())),
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(BadTarget::NoUrl(url.to_owned()));
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(80), path: path.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
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
        target.to_string()
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
        assert_eq!(
            "http://app.example.com".parse::<Target>().map(|t| t.to_string()),
            Ok("http://app.example.com:80/".into())
        );
        assert!(matches!("https://app/".parse::<Target>(), Err(BadTarget::NotHttp(_))));
        assert!(matches!("app:80".parse::<Target>(), Err(BadTarget::NoUrl(_))));
    }
}

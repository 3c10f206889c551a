//! `[prometheus]`: where alerts are asked for before a drain, and which of them count.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    matcher::{Matchers, parse},
    reader::Reader,
    report::Problems,
};

/// `[prometheus]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prometheus {
    /// Where it answers.
    pub url: Url,
    /// Alerts that count: those that one of these matches.
    pub matching: Vec<Matchers>,
    /// Time limit of one question.
    pub timeout: Duration,
    /// The authorities that are believed; the system's where there is none.
    pub ca_file: Option<PathBuf>,
    /// The file of a bearer token, read at each question.
    pub token_file: Option<PathBuf>,
}

/// The parts of a URL that are needed to ask there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host, an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What is before `/api/v1`, without a slash at its end.
    pub path: String,
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl Url {
    /// `host:port`.
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Reads `http://…` or `https://…`.
    pub fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?),
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let port = match port {
            "" => Some(if tls { 443 } else { 80 }),
            port => port.parse().ok().filter(|port| *port > 0),
        };
        Some(Self { tls, host: host.to_owned(), port: port?, path: path.trim_end_matches('/').to_owned() })
    }
}

/// Reads the table; `Some(None)` where it is not there.
pub(super) fn prometheus(root: &Reader<'_>, problems: &mut Problems) -> Option<Option<Prometheus>> {
    if !root.has("prometheus") {
        return Some(None);
    }
    let r = root.table("prometheus")?;
    let url = r.text("url").and_then(|text| {
        let url = Url::read(&text);
        if url.is_none() {
            r.spot("url").report(problems, "that port is none", "from 1 to 65535");
        }
        url
    });
    let mut matching = Vec::new();
    for (spot, text) in r.texts("match")? {
        match parse(&text) {
            Ok(matchers) => matching.push(matchers),
            Err(why) => spot.report(
                problems,
                format!("\"{text}\" matches no alert: {why}"),
                "write it as \"severity=page\" or as \"team=~web|edge, severity!=info\"",
            ),
        }
    }
    if r.has("token-file") && url.as_ref().is_some_and(|url| !url.tls) {
        r.spot("token-file").report(problems, "a token would be sent in clear", "use an `https://` URL");
    }
    Some(Some(Prometheus {
        url: url?,
        matching,
        timeout: r.duration("timeout")?,
        ca_file: r.text("ca-file").map(PathBuf::from),
        token_file: r.text("token-file").map(PathBuf::from),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown() {
        let shown = |text: &str| Url::read(text).map(|url| url.to_string());
        for (text, said) in [
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("https://monitoring.example.com/prometheus/", "https://monitoring.example.com:443/prometheus"),
            ("http://[fd00::9]:9090", "http://[fd00::9]:9090"),
            ("http://[fd00::9]", "http://[fd00::9]:80"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(said));
        }
        assert_eq!(shown("http://prometheus:0"), None);
        assert_eq!(shown("http://prometheus:99999"), None);
        assert_eq!(shown("ftp://prometheus"), None);
    }
}

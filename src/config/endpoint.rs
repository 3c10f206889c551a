//! Sockets as text: `unix:/path`, `tcp:host:port`, `ssh://host/path`, and the names that instances get from them.

use std::collections::BTreeSet;

use super::settings::Endpoint;
use crate::model::InstanceName;

/// Reads a socket. Its form was checked before; what is left can be wrong only in the port.
pub(crate) fn parse(text: &str) -> Option<Endpoint> {
    if let Some(path) = text.strip_prefix("unix:") {
        // `unix:///run/x` and `unix:/run/x` are the same.
        let path = path.strip_prefix("//").unwrap_or(path);
        return path.starts_with('/').then(|| Endpoint::Unix { path: path.into() });
    }
    if let Some(address) = text.strip_prefix("tcp:") {
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        // A bare IPv6 address would swallow the port: `::1:9999` is an address by itself.
        let ambiguous = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        return (port > 0 && !host.is_empty() && !ambiguous).then(|| Endpoint::Tcp { address: address.to_owned() });
    }
    let (host, path) = text.strip_prefix("ssh://")?.split_once('/')?;
    (!host.is_empty()).then(|| Endpoint::Ssh { host: host.to_owned(), path: format!("/{path}").into() })
}

/// The name that an instance without one gets: the host where there is one; else the socket's file name without its
/// suffix, or `local` where that says nothing. `taken` names are avoided with a number behind.
pub(crate) fn derive_name(endpoint: &Endpoint, taken: &BTreeSet<InstanceName>) -> InstanceName {
    let base = match endpoint {
        Endpoint::Ssh { host, .. } => host.clone(),
        Endpoint::Tcp { address } => address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned(),
        Endpoint::Unix { path } => {
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            if ["", "admin", "haproxy", "socket", "stats"].contains(&stem.as_str()) { "local".into() } else { stem }
        }
    };
    (1..)
        .map(|n| InstanceName::new(if n == 1 { base.clone() } else { format!("{base}-{n}") }))
        .find(|name| !taken.contains(name))
        .expect("names do not run out before numbers do")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::texts::ENDPOINT;

    #[test]
    fn three_kinds_of_sockets() {
        let unix = Endpoint::Unix { path: "/run/haproxy/admin.sock".into() };
        assert_eq!(parse("unix:/run/haproxy/admin.sock").as_ref(), Some(&unix));
        assert_eq!(parse("unix:///run/haproxy/admin.sock").as_ref(), Some(&unix));
        assert_eq!(parse("tcp:lb-01:9999"), Some(Endpoint::Tcp { address: "lb-01:9999".into() }));
        assert_eq!(parse("tcp:[::1]:9999"), Some(Endpoint::Tcp { address: "[::1]:9999".into() }));
        assert_eq!(parse("ssh://lb-02/run/a"), Some(Endpoint::Ssh { host: "lb-02".into(), path: "/run/a".into() }));
    }

    #[test]
    fn what_cannot_be_connected_to_is_refused() {
        for text in [
            "",
            "/run/haproxy/admin.sock",
            "unix:run/x",
            "unix:/",
            "tcp:lb-01",
            "tcp:lb-01:0",
            "tcp:lb-01:99999",
            "tcp:::1:9999",
            "tcp::9999",
            "ssh://lb-02",
            "ssh://lb-02/",
            "ssh:///run/x",
            "ssh://-oProxyCommand=x/run/x",
            "ssh://root:secret@lb-02/run/x",
            "unix:/run/a b",
        ] {
            assert!(!ENDPOINT.matches(text) || parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn derived_names_are_unique_and_say_where() {
        let mut taken = BTreeSet::new();
        let names: Vec<String> =
            ["unix:/run/haproxy/admin.sock", "unix:/run/edge.sock", "ssh://lb-02/run/x", "tcp:lb-02:9999"]
                .iter()
                .map(|text| {
                    let name = derive_name(&parse(text).expect("a socket"), &taken);
                    taken.insert(name.clone());
                    name.to_string()
                })
                .collect();
        assert_eq!(names, ["local", "edge", "lb-02", "lb-02-2"]);
    }
}

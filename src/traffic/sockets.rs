//! The node's own view of its connections: `ss`, asked on the node, read strictly.
//!
//! Only established connections count. Every line must be understood: a line that is skipped could be a client
//! that is cut off.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::endings::{self, Endings};
use crate::{
    model::{NodeName, SocketsView, Straggler},
    provider::{NodeTraffic, ProviderError, Result, access::Access},
};

/// Sockets by `ss` on the nodes.
pub struct Sockets {
    access: Arc<dyn Access>,
    hosts: BTreeMap<NodeName, String>,
    limit: Duration,
    endings: Endings,
}

impl Sockets {
    /// Asks nodes through `access`, each by its host in `hosts` (its own name where there is none), within `limit`.
    pub fn new(access: Arc<dyn Access>, hosts: BTreeMap<NodeName, String>, limit: Duration) -> Self {
        Self { access, hosts, limit, endings: Endings::default() }
    }

    fn host<'a>(&'a self, node: &'a NodeName) -> &'a str {
        self.hosts.get(node).map_or(node.as_str(), String::as_str)
    }

    async fn list(&self, node: &NodeName, port: u16, state: &str) -> Result<SocketsView> {
        let host = self.host(node);
        let filter = format!("( sport = :{port} )");
        let said = self.access.run(host, &["ss", "-Htn", "state", state, &filter], self.limit).await?;
        if said.code != Some(0) {
            let why = said.stderr.lines().next().unwrap_or("no reason given");
            return Err(ProviderError::Unexpected(format!("ss on {node} failed: {why}")));
        }
        let peers: Result<Vec<_>> = said.stdout.lines().map(|line| peer(line, port)).collect();
        Ok(SocketsView { peers: peers? })
    }
}

#[async_trait]
impl NodeTraffic for Sockets {
    async fn sockets(&self, node: &NodeName, port: u16) -> Result<SocketsView> {
        self.list(node, port, "established").await
    }

    /// Whoever closes first remembers the connection for a minute. Those that the client closed first leave nothing
    /// behind, so the kernel is asked to tell of each that ends, from the first question on.
    async fn ended(&self, node: &NodeName, port: u16) -> Result<SocketsView> {
        let told = self.endings.told(self.access.as_ref(), self.host(node), port).await?;
        let mut view = self.list(node, port, "time-wait").await?;
        let known: BTreeSet<SocketAddr> = view.peers.iter().copied().collect();
        view.peers.extend(told.into_iter().filter(|peer| !known.contains(peer)));
        Ok(view)
    }

    async fn lacks(&self, node: &NodeName) -> Result<Option<String>> {
        endings::lacking(self.access.as_ref(), self.host(node), self.limit).await
    }

    async fn details(&self, node: &NodeName, port: u16, peers: &[SocketAddr]) -> Result<Vec<Straggler>> {
        if peers.is_empty() {
            return Ok(Vec::new());
        }
        let host = self.host(node);
        let filter = format!("( sport = :{port} ) and ( {} )", far_ends(peers));
        let said = self.access.run(host, &["ss", "-Htni", "state", "established", &filter], self.limit).await?;
        match said.code {
            Some(0) => super::socket_info::details(&said.stdout, port),
            _ => {
                let why = said.stderr.lines().next().unwrap_or("no reason given");
                Err(ProviderError::Unexpected(format!("ss -i on {node} failed: {why}")))
            }
        }
    }

    /// The kernel closes them with a reset to both ends; `ss -K` needs the right to administer the network.
    async fn close(&self, node: &NodeName, port: u16, peers: &[SocketAddr]) -> Result<()> {
        if peers.is_empty() {
            return Ok(());
        }
        let host = self.host(node);
        let filter = format!("( sport = :{port} ) and ( {} )", far_ends(peers));
        let said = self.access.run(host, &["ss", "-KHtn", "state", "established", &filter], self.limit).await?;
        match (said.code, said.stderr.trim()) {
            (Some(0), "") => Ok(()),
            (_, why) => {
                let why = why.lines().next().unwrap_or("no reason given");
                Err(ProviderError::Refused(format!("ss -K on {node} failed: {why}")))
            }
        }
    }
}

/// A filter for these far ends, as IPv4 sockets and as IPv6 sockets that carry IPv4 show them.
pub(crate) fn far_ends(peers: &[SocketAddr]) -> String {
    let forms = |peer: &SocketAddr| match peer.ip().to_canonical() {
        IpAddr::V4(ip) => format!("dst {ip}:{port} or dst [::ffff:{ip}]:{port}", port = peer.port()),
        IpAddr::V6(ip) => format!("dst [{ip}]:{}", peer.port()),
    };
    peers.iter().map(forms).collect::<Vec<_>>().join(" or ")
}

/// The far end in one line: `Recv-Q Send-Q Local:Port Peer:Port`.
pub(super) fn peer(line: &str, port: u16) -> Result<SocketAddr> {
    let odd = || ProviderError::Unexpected(format!("ss said: {line}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let [received, sent, local, peer] = words[..] else { return Err(odd()) };
    if received.parse::<u64>().is_err() || sent.parse::<u64>().is_err() {
        return Err(odd());
    }
    match (address(local), address(peer)) {
        (Some(local), Some(peer)) if local.port() == port => Ok(peer),
        _ => Err(odd()),
    }
}

/// `10.0.0.1:80`, `10.0.0.1%eth0:80`, `[::1]:80`, `[fe80::1]%eth0:80`. IPv4 mapped into IPv6 is IPv4.
pub(crate) fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.split_once('%').map_or(host, |(host, _interface)| host);
    let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    let ip: IpAddr = host.parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::provider::access::local::LocalAccess;

    #[test]
    fn every_form_of_address() {
        let read = |line| peer(line, 8080).map(|p| p.to_string());
        assert_eq!(read("0 0 10.0.0.2:8080 10.0.0.1:41234").as_deref(), Ok("10.0.0.1:41234"));
        assert_eq!(
            read("0      36     [::ffff:10.0.0.2]:8080    [::ffff:10.0.0.1]:41234  ").as_deref(),
            Ok("10.0.0.1:41234")
        );
        assert_eq!(read("0 0 [2001:db8::2]:8080 [2001:db8::1]:1").as_deref(), Ok("[2001:db8::1]:1"));
        assert_eq!(read("0 0 [fe80::2]%eth0:8080 [fe80::1]%eth0:1").as_deref(), Ok("[fe80::1]:1"));
        assert_eq!(read("0 0 10.0.0.2%eth0:8080 10.0.0.1:1").as_deref(), Ok("10.0.0.1:1"));
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error() {
        for line in [
            "",
            "Welcome to node-02",
            "0 0 10.0.0.2:8080",
            "ESTAB 0 0 10.0.0.2:8080 10.0.0.1:1",
            "0 0 10.0.0.2:9090 10.0.0.1:1",
            "0 0 *:8080 10.0.0.1:1",
            "0 0 10.0.0.2:8080 [10.0.0.1:1",
            "0 0 10.0.0.2:8080 10.0.0.1:99999",
            "Recv-Q Send-Q Local:Port Peer:Port",
        ] {
            assert!(matches!(peer(line, 8080), Err(ProviderError::Unexpected(_))), "{line:?}");
        }
    }

    #[tokio::test]
    async fn real_sockets_are_seen_while_they_last() {
        if !std::path::Path::new("/usr/bin/ss").exists() && !std::path::Path::new("/usr/sbin/ss").exists() {
            eprintln!("NOT RUN: ss (iproute2) is not installed");
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sockets = Sockets::new(Arc::new(LocalAccess::new()), BTreeMap::new(), Duration::from_secs(5));
        let node = NodeName::new("here");
        assert_eq!(sockets.sockets(&node, port).await, Ok(SocketsView::default()));
        let mut client = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let (server, _) = listener.accept().await.expect("a connection");
        let seen = sockets.sockets(&node, port).await.expect("sockets");
        let peer = client.local_addr().expect("an address");
        assert_eq!(seen.peers, vec![peer]);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"five!").await.expect("written");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let gone: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let details = sockets.details(&node, port, &[peer, gone]).await.expect("details");
        let seen: Vec<_> = details.iter().map(|s| (s.peer.clone(), s.received, s.sent)).collect();
        assert_eq!(seen, [(peer.to_string(), Some(5), Some(0))]);
        assert!(details[0].idle.is_some_and(|idle| (20..5000).contains(&idle.as_millis())), "{details:?}");
        assert_eq!(sockets.lacks(&node).await, Ok(None));
        assert_eq!(sockets.ended(&node, port).await, Ok(SocketsView::default()), "it has not ended");
        drop(server);
        let mut rest = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut client, &mut rest).await;
        drop(client);
        assert_eq!(sockets.sockets(&node, port).await, Ok(SocketsView::default()));
        // Closed with something unread, it is reset, and told only where the kernel is listened to already; closed in
        // order, the first to close remembers it.
        let mut second = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let peer = second.local_addr().expect("an address");
        drop(listener.accept().await.expect("a connection"));
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut second, &mut rest).await;
        drop(second);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let ended = sockets.ended(&node, port).await.expect("who ended").peers;
        assert_eq!(ended.iter().filter(|told| **told == peer).count(), 1, "{peer}: {ended:?}");
    }

    #[tokio::test]
    async fn no_ss_is_no_empty_answer() {
        let sockets = Sockets::new(Arc::new(Broken), BTreeMap::new(), Duration::from_secs(5));
        let seen = sockets.sockets(&NodeName::new("here"), 80).await;
        assert_eq!(seen, Err(ProviderError::Unexpected("ss on here failed: sh: 1: ss: not found".into())));
    }

    /// A machine on which every command fails.
    struct Broken;

    #[async_trait]
    impl Access for Broken {
        async fn run(&self, _: &str, _: &[&str], _: Duration) -> Result<crate::provider::access::Output> {
            let stderr = "sh: 1: ss: not found\n".into();
            Ok(crate::provider::access::Output { code: Some(127), stdout: String::new(), stderr })
        }

        async fn connect_unix(&self, _: &str, _: &std::path::Path) -> Result<Box<dyn crate::provider::access::Stream>> {
            Err(ProviderError::Unreachable("broken".into()))
        }

        async fn system_bus(&self, _: &str) -> Result<zbus::Connection> {
            Err(ProviderError::Unreachable("broken".into()))
        }
    }
}

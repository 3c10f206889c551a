//! A lab with routes: each of them leads to the nodes, can be changed by hand, and is as before after a reset.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use xtask::harness::{Ending, StickyClients, WebSockets};
use xtask::lab::{ANYCAST_APP, Announcer, ENVOY_PORT, Haproxy, Lab, NGINX_PORT, NGINX_SERVERS, Options, Proxy};

use super::{Removed, nothing_left, prefix, within};

/// The nodes that answer clients who come this often, each time looking the name up.
fn answered(lab: &Lab, url: &str) -> Result<Vec<String>> {
    let script = format!("for i in $(seq 30); do curl -s -m 2 {url} || echo none; done");
    let text = lab.shell("client", &script)?;
    let mut nodes: Vec<String> = text.lines().filter_map(|line| Some(line.split('"').nth(3)?.to_owned())).collect();
    nodes.sort();
    nodes.dedup();
    Ok(nodes)
}

fn at(lab: &Lab, machine: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::from((lab.address(machine)?, port)))
}

const ALL: [&str; 3] = ["node-1", "node-2", "node-3"];

#[test]
#[ignore = "boots eight machines; needs root"]
fn every_route_leads_to_the_nodes_and_is_as_before_after_a_reset() -> Result<()> {
    let _removed = Removed;
    let lab = Lab::up(Options { prefix: prefix(), routes: true, ..Options::default() })?;
    names(&lab)?;
    anycast(&lab)?;
    without_memory(&lab)?;
    proxies(&lab)?;
    lasting_clients(&lab)?;

    let started = Instant::now();
    lab.reset()?;
    eprintln!("  reset of all routes: {:.1?}", started.elapsed());
    ensure!(lab.dig("dns-2", "app", "A")?.len() == 3 && lab.serial("dns-2")? == 1, "the zone is as at first");
    ensure!(!lab.nginx_servers("lb-1")?.contains("down"), "NGINX's servers are as at first");
    ensure!(lab.paths(ANYCAST_APP)?.len() == 3, "three paths");
    ensure!(answered(&lab, "http://app.lab.example:8080/")? == ALL, "by name");
    ensure!(answered(&lab, "http://10.78.0.1:8080/")? == ALL, "by the anycast address");
    Lab::down(&prefix())?;
    nothing_left()
}

/// The zone, its secondary, and clients that follow within the TTL.
fn names(lab: &Lab) -> Result<()> {
    ensure!(answered(lab, "http://app.lab.example:8080/")? == ALL, "all nodes by their common name");
    ensure!(answered(lab, "http://web.lab.example/")? == ALL, "all nodes through both load balancers");
    lab.stop_following()?;
    lab.nsupdate("update delete app.lab.example A 10.77.0.11")?;
    ensure!(lab.dig("dns-1", "app", "A")?.len() == 2, "the primary has it");
    within(1, "the secondary answers, and does not follow", || Ok(lab.serial("dns-2")? < lab.serial("dns-1")?))?;
    ensure!(lab.dig("dns-2", "app", "A")?.len() == 3);
    lab.follow()?;
    within(2, "the secondary follows", || Ok(lab.serial("dns-2")? == lab.serial("dns-1")?))?;
    within(6, "clients follow", || Ok(answered(lab, "http://app.lab.example:8080/")? == ALL[1..]))?;
    let updates = lab.zone_updates()?;
    ensure!(
        updates.iter().any(|update| update.key == "operator" && update.what.starts_with("deleting")),
        "{updates:?}"
    );
    ensure!(lab.zone_transfers()?.last().is_some_and(|(at, _)| *at > updates[0].at), "transferred after the update");
    ensure!(!lab.queries("router")?.is_empty(), "the resolver was asked");
    for (name, kind) in [("app-v6", "AAAA"), ("_app._tcp", "SRV"), ("app-https", "HTTPS")] {
        ensure!(lab.dig("dns-2", name, kind)?.len() == 3, "{name} {kind}");
    }
    Ok(())
}

/// Both announcers; a connection outlives the withdrawal of its path.
fn anycast(lab: &Lab) -> Result<()> {
    let to: SocketAddr = (ANYCAST_APP.parse::<std::net::Ipv4Addr>()?, 8080).into();
    for announcer in [Announcer::Bird, Announcer::Frr] {
        lab.announce_with(announcer)?;
        let sockets = WebSockets::open(lab, &[to], 30)?;
        let asn = ["configure terminal", "router bgp 65010", "address-family ipv4 unicast"];
        match announcer {
            Announcer::Bird => lab.bird_static("node-1", "anycast_app", false)?,
            Announcer::Frr => drop(lab.vtysh("node-1", &[&asn[..], &["no network 10.78.0.1/32"]].concat())?),
        }
        within(3, "the path is gone", || Ok(lab.paths(ANYCAST_APP)?.len() == 2))?;
        ensure!(answered(lab, "http://10.78.0.1:8080/")? == ALL[1..], "nobody comes to node-1 any more");
        std::thread::sleep(Duration::from_secs(1));
        let closed = sockets.finish()?;
        ensure!(closed.iter().any(|one| one.node == "node-1"), "some were on node-1: {closed:?}");
        ensure!(closed.iter().all(|one| one.how == Ending::Kept && one.echoes > 1), "{announcer:?}: {closed:?}");
        let last = lab.path_changes()?.into_iter().rfind(|change| change.prefix == "10.78.0.1/32");
        ensure!(last.is_some_and(|change| change.node == "node-1" && !change.there), "the router's log tells");
    }
    Ok(())
}

/// A router that deals out its hashes anew cuts what a drain would have to wait for.
fn without_memory(lab: &Lab) -> Result<()> {
    lab.announce_with(Announcer::Bird)?;
    lab.forget_flows()?;
    let sockets = WebSockets::open(lab, &[(ANYCAST_APP.parse::<std::net::Ipv4Addr>()?, 8080).into()], 30)?;
    lab.bird_static("node-1", "anycast_app", false)?;
    within(3, "connections to node-1 are cut", || Ok(sockets.open_now() < 30))?;
    std::thread::sleep(Duration::from_secs(2));
    let closed = sockets.finish()?;
    ensure!(closed.iter().all(|one| one.node != "node-1" || one.how != Ending::Kept), "{closed:?}");
    lab.bird_static("node-1", "anycast_app", true)?;
    lab.keep_flows()
}

/// The servers of NGINX and Envoy are changed by hand.
fn proxies(lab: &Lab) -> Result<()> {
    lab.run_proxies(&[Proxy::Nginx, Proxy::Envoy, Proxy::Edge])?;
    ensure!(answered(lab, "http://10.78.0.2/")? == ALL, "all nodes through the load balancers on two of them");
    ensure!(answered(lab, "http://edge.lab.example/")? == ALL, "and by their name");
    let (nginx, envoy) = (format!("http://10.77.0.21:{NGINX_PORT}/"), format!("http://10.77.0.21:{ENVOY_PORT}/"));
    for url in [&nginx, &envoy] {
        ensure!(answered(lab, url)? == ALL, "{url}");
    }
    lab.shell("lb-1", &format!("sed -i '/0.11:/s/;/ down;/' {NGINX_SERVERS}"))?;
    lab.reload_nginx("lb-1")?;
    within(3, "NGINX is reloaded", || Ok(answered(lab, &nginx)? == ALL[1..]))?;
    lab.shell("lb-1", "cd /etc/envoy/eds; sed '0,/HEALTHY/s//DRAINING/' app.json > app.new; mv app.new app.json")?;
    within(3, "Envoy sees its file", || Ok(answered(lab, &envoy)? == ALL[1..]))?;
    ensure!(lab.envoy_admin("lb-1", "/clusters")?.contains("draining"), "and says so");
    for proxy in [Proxy::Nginx, Proxy::Envoy] {
        let requests = lab.forwarded(proxy, "lb-1")?;
        ensure!(requests.iter().any(|request| request.node.as_deref() == Some("node-3")), "{proxy:?}: {requests:?}");
    }
    lab.restart_envoy("lb-1")
}

/// WebSockets through three load balancers: kept, told, cut. And clients with a cookie.
fn lasting_clients(lab: &Lab) -> Result<()> {
    lab.reset()?;
    lab.run_proxies(&[Proxy::Haproxy, Proxy::Nginx, Proxy::Envoy])?;
    lab.balance(&Haproxy { sticky: true, ..Haproxy::default() })?;
    let ports = [80, NGINX_PORT, ENVOY_PORT];
    let all = ports.iter().map(|port| at(lab, "lb-1", *port)).collect::<Result<Vec<_>>>()?;
    let sockets = WebSockets::open(lab, &all, 30)?;
    let sticky = StickyClients::start(lab, at(lab, "lb-1", 80)?, 6, Duration::from_millis(200));
    std::thread::sleep(Duration::from_secs(2));
    ensure!(sockets.open_now() == 30, "{} are open", sockets.open_now());
    lab.exec("node-2", &["systemctl", "kill", "--signal=KILL", "app.service"])?;
    // Envoy gives a client a second to close first.
    std::thread::sleep(Duration::from_secs(2));
    let closed = sockets.finish()?;
    for one in &closed {
        let expected = one.node != "node-2";
        ensure!((one.how == Ending::Kept) == expected && one.echoes >= 2, "{one:?}");
    }
    let visits = sticky.finish()?;
    for client in visits {
        let first = client.first().and_then(|visit| visit.node.clone());
        ensure!(client.len() > 5 && client.iter().skip(1).all(|visit| visit.cookie.is_some()), "{client:?}");
        let before = client.iter().take(5).all(|visit| visit.node == first && visit.error.is_none());
        ensure!(before, "they stay where they were: {client:?}");
    }
    let log = lab.app_requests("node-1")?;
    ensure!(log.iter().any(|request| request.path == "/ws" && request.status == 101), "closed by both ends: {log:?}");
    Ok(())
}

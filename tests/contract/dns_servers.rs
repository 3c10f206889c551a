//! All servers of a zone: secondaries that follow and that do not, those that only the zone names, and public resolvers.

use std::time::Duration;

use rustix::process::Signal;
use tidegate::{
    model::{Admission, Desired, topology::Role},
    provider::{ProviderError, RouteProvider, route::dns::Type},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    time::{Instant, sleep},
};

use crate::{
    dns::{LIMIT, dns, of, server, settings, why},
    named::{Primary, Secondary},
    process::free_port,
    route::instance,
};

#[tokio::test]
async fn a_secondary_follows_and_is_seen_when_it_does_not() {
    let port = free_port();
    let Some(primary) = Primary::with("", "", Some(port)).await else { return };
    let Some(secondary) = Secondary::start(primary.port, port).await else { return };
    let mut settings = settings(&primary, &primary.address());
    settings.servers[0].name = "ns1.lab.example".into();
    settings.secondaries = vec![server("ns2.lab.example", &secondary.address())];
    let (ns1, ns2) = ("ns1.lab.example".into(), "ns2.lab.example".into());
    let route = dns(settings);
    assert_eq!(route.discover().await.map(|found| found.len()), Ok(0), "both are configured");
    let before = route.observe(&ns2).await.expect("a view");
    assert_eq!(before.version.as_deref(), Some("serial 100"));
    let refused = why(route.apply(&ns2, "node-01", &Desired::Drained).await);
    assert!(refused.contains("follows ns1.lab.example"), "{refused}");

    // It hangs: no answer, and so no acknowledgement.
    secondary.signal(Signal::STOP);
    route.apply(&ns1, "node-01", &Desired::Drained).await.expect("the primary accepts");
    let began = Instant::now();
    assert_eq!(route.observe(&ns2).await, Err(ProviderError::TimedOut(LIMIT)));
    assert!(began.elapsed() < LIMIT + Duration::from_secs(1));
    secondary.signal(Signal::CONT);
    let began = Instant::now();
    loop {
        let seen = route.observe(&ns2).await.expect("a view");
        if seen.members["node-01"].admission == Admission::Draining {
            break assert_eq!(seen.version.as_deref(), Some("serial 101"));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it does not follow: {seen:?}\n{}", secondary.log());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_secondary_that_is_told_nothing_shows_the_old_set_and_its_serial() {
    let Some(primary) = Primary::start().await else { return };
    let Some(secondary) = Secondary::start(primary.port, free_port()).await else { return };
    let mut settings = settings(&primary, &primary.address());
    settings.secondaries = vec![server("ns2.lab.example", &secondary.address())];
    let route = dns(settings);
    route.apply(&instance(), "node-01", &Desired::Drained).await.expect("accepted");
    let ahead = route.observe(&instance()).await.expect("a view");
    let behind = route.observe(&"ns2.lab.example".into()).await.expect("a view");
    assert_eq!((ahead.version.as_deref(), behind.version.as_deref()), (Some("serial 101"), Some("serial 100")));
    assert_eq!(behind.members["node-01"].admission, Admission::Serving);
}

/// Serving there as here, and told with another weight, or for another time: only the exact state shows who lags.
#[tokio::test]
async fn a_secondary_has_the_exact_state_of_its_primary_or_has_not_followed() {
    let Some(primary) = Primary::start().await else { return };
    let Some(secondary) = Secondary::start(primary.port, free_port()).await else { return };
    let mut settings = settings(&primary, &primary.address());
    settings.secondaries = vec![server("ns2.lab.example", &secondary.address())];
    let route = dns(of(settings, Type::Srv, "_app._tcp", "{node}"));
    let ns2 = "ns2.lab.example".into();
    let here = async || route.observe(&instance()).await.expect("a view").members["node-01"].clone();
    let there = async || route.observe(&ns2).await.expect("a view").members["node-01"].clone();
    assert_eq!(here().await, there().await, "before anything changed");
    let before = here().await.exact;
    // Nobody tells the secondary: it goes on with the former weight, and then with the former TTL.
    route.apply(&instance(), "node-01", &Desired::Serving { weight: 15 }).await.expect("accepted");
    let (now, old) = (here().await, there().await);
    assert_eq!((now.admission, old.admission), (Admission::Serving, Admission::Serving));
    assert!((now.weight, old.weight) == (15, 60) && now.exact != old.exact, "{now:?} {old:?}");
    route.apply(&instance(), "node-01", &Desired::Exactly { exact: before }).await.expect("accepted");
    assert_eq!(here().await.exact, there().await.exact, "as it was, whatever the serial");
    primary.by_hand(
        "update delete _app._tcp.lab.example. SRV\n\
         update add _app._tcp.lab.example. 7 SRV 10 60 443 node-01.lab.example.\n\
         update add _app._tcp.lab.example. 7 SRV 10 40 443 node-02.lab.example.",
    );
    let (now, old) = (here().await, there().await);
    assert!(now.weight == old.weight && now.exact != old.exact && now.linger != old.linger, "{now:?} {old:?}");
}

#[tokio::test]
async fn servers_that_only_the_zone_knows_are_found_and_unknown_until_they_answer() {
    let records = "@ NS ns3.nowhere.invalid.\n@ NS old\nold A 127.0.0.1\n";
    let Some(primary) = Primary::with("", records, None).await else { return };
    let mut settings = settings(&primary, &primary.address());
    settings.servers[0].name = "ns1.lab.example".into();
    settings.not_following = vec!["old.lab.example".into()];
    let route = dns(settings.clone());
    let found = route.discover().await.expect("the zone's servers");
    assert_eq!(found.keys().map(|n| n.as_str()).collect::<Vec<_>>(), ["ns2.lab.example", "ns3.nowhere.invalid"]);
    assert!(found.values().all(|shape| shape.role == Role::Follower && shape.blind && shape.mirrors));
    // ns2 is 127.0.0.1 by the zone, where nobody listens on port 53 here; ns3 has no address at all.
    for (name, expected) in [("ns2.lab.example", "127.0.0.1:53"), ("ns3.nowhere.invalid", "cannot be looked up")] {
        let silent = route.observe(&name.into()).await;
        assert!(
            matches!(&silent, Err(ProviderError::Unreachable(why)) if why.contains(expected)),
            "{name}: {silent:?}"
        );
    }
    // Another process knows the names of a plan too, without having asked before.
    assert!(matches!(dns(settings).observe(&"ns2.lab.example".into()).await, Err(ProviderError::Unreachable(_))));
    assert!(matches!(route.observe(&"ns9.lab.example".into()).await, Err(ProviderError::Refused(_))));
}

#[tokio::test]
async fn updates_go_to_the_first_server_that_takes_them() {
    let Some(primary) = Primary::start().await else { return };
    let Some(secondary) = Secondary::start(primary.port, free_port()).await else { return };
    let mut settings = settings(&primary, &format!("127.0.0.1:{}", free_port()));
    settings.servers.push(server("second", &secondary.address()));
    // Neither a dead server nor a secondary takes any.
    let refused = why(dns(settings.clone()).apply(&instance(), "node-01", &Desired::Drained).await);
    assert!(refused.contains("onnection refused") && refused.contains("BADKEY"), "{refused}");
    settings.servers.push(server("third", &primary.address()));
    let route = dns(settings);
    route.apply(&instance(), "node-01", &Desired::Drained).await.expect("accepted");
    assert_eq!(primary.dig("app", "A").len(), 1);
    // The first one is asked all the same, and does not acknowledge.
    assert!(route.observe(&instance()).await.is_err());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_in_time() {
    let Some(primary) = Primary::start().await else { return };
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("127.0.0.1:{}", silent.local_addr().expect("an address").port());
    for address in [silent.clone(), format!("127.0.0.1:{}", free_port())] {
        let route = dns(settings(&primary, &address));
        let began = Instant::now();
        assert!(route.observe(&instance()).await.is_err());
        assert!(route.discover().await.is_err());
        assert!(route.apply(&instance(), "node-01", &Desired::Drained).await.is_err());
        assert!(began.elapsed() < LIMIT * 5, "{:?}", began.elapsed());
    }
    // A server without the zone answers, and is no authority.
    let mut elsewhere = settings(&primary, &primary.address());
    (elsewhere.zone, elsewhere.name) = ("other.example.".into(), "app.other.example.".into());
    let refused = dns(elsewhere).observe(&instance()).await;
    assert!(matches!(&refused, Err(ProviderError::Unexpected(why)) if why.contains("does it serve")), "{refused:?}");
}

#[tokio::test]
async fn resolvers_are_asked_as_clients_ask_them() {
    let many: String = (0..90).map(|n| format!("app A 198.51.100.{n}\n")).collect();
    let Some(primary) = Primary::with("", &many, None).await else { return };
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().expect("an address").to_string();
    let mut settings = settings(&primary, &primary.address());
    settings.resolvers = vec![server("one", &primary.address()), server("silent", &silent)];
    let began = Instant::now();
    let answers = dns(settings).resolvers().await;
    assert!(began.elapsed() < LIMIT + Duration::from_secs(1), "{:?}", began.elapsed());
    let answer = answers[0].1.as_ref().expect("more than fits into a datagram");
    assert_eq!((answer.nodes.len(), answer.others.len(), answer.left), (2, 90, Some(Duration::from_secs(30))));
    assert!(answers[1].1.is_err(), "{answers:?}");
}

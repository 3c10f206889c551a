//! A real BIND, and what it really does with our updates, other people's, and broken connections.

use std::{sync::Arc, time::Duration};

use rustix::process::Signal;
use tidegate::{
    config::settings::Place,
    model::{Admission, Desired, MemberView, topology::Role},
    provider::{
        ProviderError, Result, RouteProvider,
        route::dns::{Dns, Server, Settings, Type},
    },
};
use tokio::{
    net::{TcpListener, UdpSocket},
    time::{Instant, sleep},
};

use crate::{
    named::{Fate, Primary, Secondary, Way},
    process::free_port,
    route::{eventually, instance, member, view},
};

const LIMIT: Duration = Duration::from_secs(3);

fn server(name: &str, address: &str) -> Server {
    let (host, port) = address.rsplit_once(':').expect("a port");
    Server { name: name.into(), host: host.into(), port: port.parse().expect("a number") }
}

/// `app`'s addresses, at a server that is reached at `address`.
fn settings(primary: &Primary, address: &str) -> Settings {
    Settings {
        servers: vec![server("lb-01", address)],
        secondaries: Vec::new(),
        zone: "lab.example.".into(),
        name: "app.lab.example.".into(),
        kind: Type::A,
        record: "{address}".into(),
        ttl: Some(30),
        ttl_during_maintenance: Some(5),
        key_file: primary.key("drain"),
        resolvers: Vec::new(),
        not_following: Vec::new(),
    }
}

fn dns(settings: Settings) -> Dns {
    let place = |n: u8| Place {
        node: format!("node-0{n}").as_str().into(),
        address: Some([192, 0, 2, 10 + n].into()),
        ssh: format!("node-0{n}"),
        outside: false,
    };
    Dns::new("web/dns:app".into(), settings, &[place(1), place(2)], LIMIT)
}

pub fn addresses(primary: &Primary) -> Arc<dyn RouteProvider> {
    Arc::new(dns(settings(primary, &primary.address())))
}

pub fn services(primary: &Primary) -> Arc<dyn RouteProvider> {
    Arc::new(dns(of(settings(primary, &primary.address()), Type::Srv, "_app._tcp", "{node}")))
}

fn of(settings: Settings, kind: Type, name: &str, record: &str) -> Settings {
    Settings { kind, name: format!("{name}.lab.example."), record: record.into(), ..settings }
}

async fn drain(route: &Arc<dyn RouteProvider>, server: &str) -> Result<()> {
    route.apply(&instance(), server, &Desired::Drained).await
}

async fn restore(route: &Arc<dyn RouteProvider>, server: &str, before: &MemberView) -> Result<()> {
    route.apply(&instance(), server, &Desired::Exactly { exact: before.exact.clone() }).await
}

/// The words of a refusal.
fn why(refused: Result<()>) -> String {
    match refused {
        Err(ProviderError::Refused(why)) => why,
        other => panic!("{other:?} is no refusal"),
    }
}

#[tokio::test]
async fn a_drain_and_a_restore_leave_the_zone_as_it_was() {
    let Some(primary) = Primary::start().await else { return };
    let route = addresses(&primary);
    let (before, zone) = (member(&route, "node-01").await, primary.dig("app", "A"));
    assert_eq!(before.linger, Duration::from_secs(30));
    drain(&route, "node-01").await.expect("drained");
    assert_eq!(primary.dig("app", "A"), ["30 IN A 192.0.2.12"]);
    let drained = member(&route, "node-01").await;
    assert_eq!((drained.admission, drained.linger), (Admission::Draining, before.linger));
    restore(&route, "node-01", &before).await.expect("restored");
    assert_eq!(primary.dig("app", "A"), zone);
    assert!(view(&route).await.warnings.is_empty());
}

#[tokio::test]
async fn the_last_record_stays() {
    let Some(primary) = Primary::start().await else { return };
    let route = addresses(&primary);
    drain(&route, "node-02").await.expect("drained");
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("192.0.2.11 is the last record"), "{refused}");
    assert_eq!(primary.dig("app", "A"), ["30 IN A 192.0.2.11"]);
    // And not when somebody else makes it the last one in the very moment either.
    primary.by_hand("update add app.lab.example. 30 A 192.0.2.12");
    let way = Way::to(primary.port).await;
    let hand = primary.hand();
    way.next(Fate::After(Box::new(move || hand.send("update delete app.lab.example. A 192.0.2.12"))));
    let route: Arc<dyn RouteProvider> = Arc::new(dns(settings(&primary, &way.address())));
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("last record") && way.is_through(), "{refused}");
    assert_eq!(primary.dig("app", "A"), ["30 IN A 192.0.2.11"]);
}

#[tokio::test]
async fn another_hands_edit_of_another_record_stands_and_ours_is_made_in_it() {
    let Some(primary) = Primary::start().await else { return };
    let way = Way::to(primary.port).await;
    let route: Arc<dyn RouteProvider> = Arc::new(dns(settings(&primary, &way.address())));
    let before = member(&route, "node-01").await;
    let hand = primary.hand();
    way.next(Fate::After(Box::new(move || hand.send("update add app.lab.example. 30 A 192.0.2.99"))));
    drain(&route, "node-01").await.expect("drained");
    assert_eq!((way.is_through(), way.updates()), (true, 2));
    assert_eq!(primary.dig("app", "A"), ["30 IN A 192.0.2.12", "30 IN A 192.0.2.99"]);
    let strange = &view(&route).await.members["192.0.2.99"];
    assert!(strange.takes_clients());
    let hand = primary.hand();
    way.next(Fate::After(Box::new(move || hand.send("update delete app.lab.example. A 192.0.2.99"))));
    restore(&route, "node-01", &before).await.expect("restored");
    assert_eq!(primary.dig("app", "A"), ["30 IN A 192.0.2.11", "30 IN A 192.0.2.12"]);
}

#[tokio::test]
async fn another_hands_edit_of_our_record_or_of_the_ttl_is_told_and_stands() {
    let Some(primary) = Primary::start().await else { return };
    let way = Way::to(primary.port).await;
    // The TTL, in the moment of a drain.
    let route: Arc<dyn RouteProvider> = Arc::new(dns(settings(&primary, &way.address())));
    let before = member(&route, "node-01").await;
    let hand = primary.hand();
    way.next(Fate::After(Box::new(move || hand.send("update add app.lab.example. 300 A 192.0.2.12"))));
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("the TTL turned from 30 s to 300 s"), "{refused}");
    assert_eq!(primary.dig("app", "A"), ["300 IN A 192.0.2.11", "300 IN A 192.0.2.12"]);
    // And while the node is out: the restore would take it back for everybody.
    member(&route, "node-01").await;
    drain(&route, "node-01").await.expect("drained after another look");
    let refused = why(restore(&route, "node-01", &before).await);
    assert!(refused.contains("is 300 s now, and was 30 s"), "{refused}");
    assert_eq!(primary.dig("app", "A"), ["300 IN A 192.0.2.12"]);

    // Our own record, in the moment of a drain.
    let services = of(settings(&primary, &way.address()), Type::Srv, "_app._tcp", "10 60 443 {node}");
    let route: Arc<dyn RouteProvider> = Arc::new(dns(services));
    member(&route, "node-01").await;
    let hand = primary.hand();
    let lighter = "update delete _app._tcp.lab.example. SRV 10 60 443 node-01.lab.example.\n\
                   update add _app._tcp.lab.example. 30 SRV 10 5 443 node-01.lab.example.";
    way.next(Fate::After(Box::new(move || hand.send(lighter))));
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("10 60 443 node-01.lab.example. went, 10 5 443"), "{refused}");
    assert_eq!(member(&route, "node-01").await.weight, 5);

    // And between the last look and the drain.
    primary.by_hand(
        "update delete _app._tcp.lab.example. SRV 10 5 443 node-01.lab.example.\n\
                     update add _app._tcp.lab.example. 30 SRV 10 6 443 node-01.lab.example.",
    );
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("it was 10 5 443") && refused.contains("and is 10 6 443"), "{refused}");
    member(&route, "node-01").await;
    drain(&route, "node-01").await.expect("drained after another look");
    assert_eq!(primary.dig("_app._tcp", "SRV").len(), 1);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_outcome_open_and_a_look_settles_it() {
    let Some(primary) = Primary::start().await else { return };
    let way = Way::to(primary.port).await;
    let route: Arc<dyn RouteProvider> = Arc::new(dns(settings(&primary, &way.address())));
    way.next(Fate::AnswerLost);
    let lost = drain(&route, "node-01").await;
    assert!(matches!(&lost, Err(ProviderError::Unexpected(why)) if why.contains("broke")), "{lost:?}");
    assert_eq!(member(&route, "node-01").await.admission, Admission::Draining);
    drain(&route, "node-01").await.expect("nothing is left to do");
    // A server that stops in the middle of it.
    let before = primary.dig("app", "A");
    let stopped = primary.pause();
    way.next(Fate::After(Box::new(stopped)));
    let route: Arc<dyn RouteProvider> = Arc::new(dns(settings(&primary, &way.address())));
    let silent = route.apply(&instance(), "node-01", &Desired::Serving { weight: 1 }).await;
    assert_eq!(silent, Err(ProviderError::TimedOut(LIMIT)));
    primary.signal(Signal::CONT);
    let late = eventually(&route, "node-01", "done late", |m| m.admission == Admission::Serving).await;
    assert_eq!(late.weight, 1);
    assert_ne!(primary.dig("app", "A"), before);
}

#[tokio::test]
async fn every_refusal_is_in_plain_words_and_none_changes_anything() {
    let Some(primary) = Primary::start().await else { return };
    let zone = primary.dig("app", "A");
    let with_key = |name: &str| -> Arc<dyn RouteProvider> {
        Arc::new(dns(Settings { key_file: primary.key(name), ..settings(&primary, &primary.address()) }))
    };
    for (key, expected) in [
        ("secret", "the secret of the key drain. is another one there (BADSIG)"),
        ("name", "does not know the key nobody. with hmac-sha256 (BADKEY)"),
        ("algorithm", "does not know the key drain. with hmac-sha512 (BADKEY)"),
        ("guest", "does not accept this update (REFUSED): the key guest. may not"),
        ("none", "cannot be read"),
    ] {
        let refused = why(drain(&with_key(key), "node-01").await);
        assert!(refused.contains(expected), "{key}: {refused}");
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(primary.key("drain"), open).expect("a mode");
    let route = with_key("drain");
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("open to others (mode 640)"), "{refused}");
    let warnings = view(&route).await.warnings;
    assert!(warnings.iter().any(|w| w.contains("no record can be changed") && w.contains("mode 640")), "{warnings:?}");
    assert_eq!(primary.dig("app", "A"), zone);
}

#[tokio::test]
async fn names_that_are_no_set_of_their_own() {
    let Some(primary) = Primary::start().await else { return };
    let of = |name: &str| -> Arc<dyn RouteProvider> {
        Arc::new(dns(of(settings(&primary, &primary.address()), Type::A, name, "{address}")))
    };
    let alias = of("alias").observe(&instance()).await;
    assert!(matches!(&alias, Err(ProviderError::Unexpected(why)) if why.contains("is an alias")), "{alias:?}");
    let refused = why(drain(&of("any.wild"), "node-01").await);
    assert!(refused.contains("says that it does not hold that"), "{refused}");
    assert_eq!(primary.dig("any.wild", "A").len(), 2);
    // A name that does not exist has no members yet, and gets its first one with the configured TTL.
    let fresh = of("fresh");
    assert!(view(&fresh).await.members.values().all(|m| !m.takes_clients()));
    fresh.apply(&instance(), "node-01", &Desired::Serving { weight: 1 }).await.expect("added");
    assert_eq!(primary.dig("fresh", "A"), ["30 IN A 192.0.2.11"]);
}

#[tokio::test]
async fn an_https_record_comes_back_with_every_parameter() {
    let Some(primary) = Primary::start().await else { return };
    let https = of(settings(&primary, &primary.address()), Type::Https, "web", "{node}");
    let route: Arc<dyn RouteProvider> = Arc::new(dns(https));
    let (before, zone) = (member(&route, "node-01").await, primary.dig("web", "HTTPS"));
    assert!(zone.iter().any(|line| line.contains("key65333") && line.contains("8443")), "{zone:?}");
    drain(&route, "node-01").await.expect("drained");
    assert_eq!(primary.dig("web", "HTTPS").len(), 1);
    restore(&route, "node-01", &before).await.expect("restored");
    assert_eq!(primary.dig("web", "HTTPS"), zone);
    assert_eq!(member(&route, "node-01").await, before);
}

#[tokio::test]
async fn srv_weights_make_a_ramp_and_priorities_stay() {
    let Some(primary) = Primary::start().await else { return };
    let route = services(&primary);
    let (before, zone) = (member(&route, "node-01").await, primary.dig("_app._tcp", "SRV"));
    drain(&route, "node-01").await.expect("drained");
    // The configuration names only the target: the other record is the pattern.
    for weight in [6, 30] {
        route.apply(&instance(), "node-01", &Desired::Serving { weight }).await.expect("a stage");
        assert!(primary.dig("_app._tcp", "SRV").contains(&format!("30 IN SRV 10 {weight} 443 node-01.lab.example.")));
        assert_eq!(member(&route, "node-01").await.weight, weight);
    }
    restore(&route, "node-01", &before).await.expect("restored");
    assert_eq!(primary.dig("_app._tcp", "SRV"), zone);
}

#[tokio::test]
async fn a_window_changes_the_ttl_of_the_set_and_puts_it_back() {
    let Some(primary) = Primary::start().await else { return };
    let way = Way::to(primary.port).await;
    let dns = dns(settings(&primary, &way.address()));
    let zone = primary.dig("app", "A");
    assert_eq!(dns.ttl().await, Ok(30));
    for _ in 0..2 {
        dns.set_ttl(30, 5).await.expect("lowered, and once only");
        assert_eq!(primary.dig("app", "A"), ["5 IN A 192.0.2.11", "5 IN A 192.0.2.12"]);
    }
    let refused = why(dns.set_ttl(60, 30).await);
    assert!(refused.contains("is 5 s now, and not 60 s any more"), "{refused}");
    // A record that came in the meantime is part of the set.
    let hand = primary.hand();
    way.next(Fate::After(Box::new(move || hand.send("update add app.lab.example. 5 A 192.0.2.13"))));
    dns.set_ttl(5, 30).await.expect("put back");
    assert!(way.is_through());
    primary.by_hand("update delete app.lab.example. A 192.0.2.13");
    assert_eq!(primary.dig("app", "A"), zone);
}

#[tokio::test]
async fn a_zone_that_its_server_signs_is_updated_although_its_serial_is_another() {
    let signed = "dnssec-policy default; inline-signing yes;";
    let Some(primary) = Primary::with(signed, "", None).await else { return };
    let way = Way::to(primary.port).await;
    let route: Arc<dyn RouteProvider> = Arc::new(dns(settings(&primary, &way.address())));
    let before = member(&route, "node-01").await;
    drain(&route, "node-01").await.expect("drained");
    assert_eq!(way.updates(), 2, "once with the serial that it serves, and once by the records alone");
    eventually(&route, "node-01", "drained", |m| m.admission == Admission::Draining).await;
    restore(&route, "node-01", &before).await.expect("restored");
    let back = eventually(&route, "node-01", "back", |m| m.admission == Admission::Serving).await;
    assert_eq!(back.exact, before.exact);
}

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
    assert!(found.values().all(|shape| shape.role == Role::Follower && shape.blind));
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

//! A real BIND, and what it really does with our updates, other people's, and broken connections.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    named::{Fate, Primary, Way},
    route::{eventually, instance, member, view},
};
use rustix::process::Signal;
use tidegate::{
    config::settings::Place,
    model::{Admission, Desired, MemberView},
    provider::{
        ProviderError, Result, RouteProvider,
        route::dns::{Dns, Server, Settings, Type},
    },
};

pub const LIMIT: Duration = Duration::from_secs(3);

pub fn server(name: &str, address: &str) -> Server {
    let (host, port) = address.rsplit_once(':').expect("a port");
    Server { name: name.into(), host: host.into(), port: port.parse().expect("a number") }
}

/// `app`'s addresses, at a server that is reached at `address`.
pub fn settings(primary: &Primary, address: &str) -> Settings {
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

pub fn dns(settings: Settings) -> Dns {
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

fn route_of(settings: Settings) -> Arc<dyn RouteProvider> {
    Arc::new(dns(settings))
}

pub fn of(settings: Settings, kind: Type, name: &str, record: &str) -> Settings {
    Settings { kind, name: format!("{name}.lab.example."), record: record.into(), ..settings }
}

async fn drain(route: &Arc<dyn RouteProvider>, server: &str) -> Result<()> {
    route.apply(&instance(), server, &Desired::Drained).await
}

async fn restore(route: &Arc<dyn RouteProvider>, server: &str, before: &MemberView) -> Result<()> {
    route.apply(&instance(), server, &Desired::Exactly { exact: before.exact.clone() }).await
}

/// The words of a refusal.
pub fn why(refused: Result<()>) -> String {
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
    let began = Instant::now();
    drain(&route, "node-01").await.expect("drained");
    eprintln!("a guarded update took {:?}", began.elapsed());
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
    let route = route_of(settings(&primary, &way.address()));
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("last record") && way.is_through(), "{refused}");
    assert_eq!(primary.dig("app", "A"), ["30 IN A 192.0.2.11"]);
}

#[tokio::test]
async fn another_hands_edit_of_another_record_stands_and_ours_is_made_in_it() {
    let Some(primary) = Primary::start().await else { return };
    let way = Way::to(primary.port).await;
    let route = route_of(settings(&primary, &way.address()));
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
    let route = route_of(settings(&primary, &way.address()));
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
    let route = route_of(services);
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
    let route = route_of(settings(&primary, &way.address()));
    way.next(Fate::AnswerLost);
    let lost = drain(&route, "node-01").await;
    assert!(matches!(&lost, Err(ProviderError::Unexpected(why)) if why.contains("broke")), "{lost:?}");
    assert_eq!(member(&route, "node-01").await.admission, Admission::Draining);
    drain(&route, "node-01").await.expect("nothing is left to do");
    // A server that stops in the middle of it.
    let before = primary.dig("app", "A");
    let stopped = primary.pause();
    way.next(Fate::After(Box::new(stopped)));
    let route = route_of(settings(&primary, &way.address()));
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
        ("none", "cannot be read"),
    ] {
        let refused = why(drain(&with_key(key), "node-01").await);
        assert!(refused.contains(expected), "{key}: {refused}");
    }
    let services = of(settings(&primary, &primary.address()), Type::Srv, "_app._tcp", "{node}");
    let refused = why(drain(&route_of(Settings { key_file: primary.key("guest"), ..services }), "node-01").await);
    assert!(refused.contains("does not accept this update (REFUSED): the key guest. may not"), "{refused}");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(primary.key("drain"), open).expect("a mode");
    let route = with_key("drain");
    let refused = why(drain(&route, "node-01").await);
    assert!(refused.contains("open to others (mode 640)"), "{refused}");
    let warnings = view(&route).await.warnings;
    assert!(warnings.iter().any(|w| w.contains("no record can be changed") && w.contains("mode 640")), "{warnings:?}");
    assert_eq!(primary.dig("app", "A"), zone);
}

/// What the shipped example grants: the prerequisites need no more.
#[tokio::test]
async fn a_key_for_one_name_and_type_is_enough() {
    let Some(primary) = Primary::start().await else { return };
    let limited = Settings { key_file: primary.key("guest"), ..settings(&primary, &primary.address()) };
    let route = route_of(limited);
    let before = member(&route, "node-01").await;
    drain(&route, "node-01").await.expect("drained");
    restore(&route, "node-01", &before).await.expect("restored");
    assert_eq!(member(&route, "node-01").await, before);
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
    let route = route_of(https);
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
    let route = route_of(settings(&primary, &way.address()));
    let before = member(&route, "node-01").await;
    drain(&route, "node-01").await.expect("drained");
    // Once with the serial that it serves, once by the records alone; more often where it signs in between.
    assert!((2..=5).contains(&way.updates()), "{} updates", way.updates());
    eventually(&route, "node-01", "drained", |m| m.admission == Admission::Draining).await;
    restore(&route, "node-01", &before).await.expect("restored");
    let back = eventually(&route, "node-01", "back", |m| m.admission == Admission::Serving).await;
    assert_eq!(back.exact, before.exact);
}

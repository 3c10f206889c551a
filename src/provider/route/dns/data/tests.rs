//! Records as people write them, as the wire has them, and whose they are.

use super::*;

fn zone() -> Name {
    names::full("lab.example").expect("a zone")
}

fn data(kind: Type, text: &str) -> Data {
    Data::parse(kind, text, &zone()).expect(text)
}

#[test]
fn every_type_survives_the_way_through_a_receipt() {
    let cases = [
        (Type::A, "192.0.2.11", "192.0.2.11"),
        (Type::Aaaa, "2001:DB8::11", "2001:db8::11"),
        (Type::Srv, "10 60 443 node-01", "10 60 443 node-01.lab.example."),
        (Type::Srv, "0 0 443 node-01.elsewhere.net.", "0 0 443 node-01.elsewhere.net."),
        (Type::Https, "1 node-01", "1 node-01.lab.example."),
        (
            Type::Https,
            "1 node-01 port=8443 alpn=h2,h3 ipv4hint=192.0.2.11,192.0.2.12",
            "1 node-01.lab.example. alpn=h2,h3 port=8443 ipv4hint=192.0.2.11,192.0.2.12",
        ),
        (Type::Svcb, "16 Node-01 key65333=xyz", "16 node-01.lab.example. key65333=xyz"),
    ];
    for (kind, text, shown) in cases {
        let data = data(kind, text);
        assert_eq!(data.to_string(), shown);
        let back = Data::from_wire(kind, data.wire()).expect("the same record");
        assert_eq!((&back, back.to_string().as_str()), (&data, shown));
    }
}

#[test]
fn what_is_no_record() {
    let cases = [
        (Type::A, ""),
        (Type::A, "192.0.2"),
        (Type::A, "2001:db8::11"),
        (Type::A, "192.0.2.11 192.0.2.12"),
        (Type::Aaaa, "192.0.2.11"),
        (Type::Srv, "10 60 443"),
        (Type::Srv, "10 60 node-01 443"),
        (Type::Srv, "10 70000 443 node-01"),
        (Type::Srv, "10 60 443 node-01 more"),
        (Type::Https, "1"),
        (Type::Https, "one node-01"),
        (Type::Https, "1 node-01 port=many"),
    ];
    for (kind, text) in cases {
        assert!(Data::parse(kind, text, &zone()).is_err(), "{kind} {text}");
    }
    for (kind, wire) in
        [(Type::A, &[192, 0, 2][..]), (Type::A, &[192, 0, 2, 1, 1]), (Type::Srv, &[0; 6]), (Type::Https, &[])]
    {
        assert!(Data::from_wire(kind, wire).is_none(), "{kind} {wire:?}");
    }
}

#[test]
fn a_record_is_its_nodes_by_what_it_leads_to() {
    assert_eq!(data(Type::A, "192.0.2.11").goal(), Goal::Address([192, 0, 2, 11].into()));
    let heavy = data(Type::Srv, "10 60 443 Node-01.LAB.example.");
    let light = heavy.weighing(5).expect("a weight");
    assert_eq!(light.to_string(), "10 5 443 node-01.lab.example.");
    assert_ne!(heavy, light);
    assert_eq!(heavy.goal(), light.goal());
    assert_eq!(heavy.goal(), data(Type::Srv, "1 1 1 node-01").goal());
    assert!(heavy.weighing(70_000).is_none());
    assert_eq!(data(Type::A, "192.0.2.11").weighing(7), Some(data(Type::A, "192.0.2.11")));
}

#[test]
fn an_srv_weight_of_zero_is_a_share() {
    let none = data(Type::Srv, "0 0 443 node-01");
    assert_eq!(none.weight(), 1);
    assert_eq!(none.weighing(1), Some(none.clone()), "and stays as it is where one is wanted");
    assert_eq!(data(Type::Https, "1 node-01").weight(), 1);
}

#[test]
fn a_sibling_serves_as_a_pattern_unless_it_holds_something_of_its_own() {
    let target = names::full("node-02.lab.example").expect("a name");
    let moved = |kind, text| data(kind, text).leading_to(&target).map(|d| d.to_string());
    assert_eq!(moved(Type::Srv, "0 5 443 node-01").as_deref(), Some("0 1 443 node-02.lab.example."));
    assert_eq!(moved(Type::Https, "1 node-01 alpn=h2").as_deref(), Some("1 node-02.lab.example. alpn=h2"));
    assert_eq!(moved(Type::Https, "1 node-01 ipv4hint=192.0.2.11"), None);
    assert_eq!(moved(Type::A, "192.0.2.11"), None);
}

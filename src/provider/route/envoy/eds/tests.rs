//! Files as people and programs write them.

use super::*;

const FILE: &str = r#"{"version_info": "7",
  "resources": [
    {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "clusterName": "other"},
    {"cluster_name": "app", "endpoints": [{"locality": {"zone": "a"}, "lbEndpoints": [
      {"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}, "hostname": "a{\"}"},
       "load_balancing_weight" :  7 },
      {"healthStatus": 3, "endpoint": {"address": {"socketAddress": {"address": "::1", "portValue": 81}}}}
    ]}]}]}
"#;

fn change(key: &str, desired: &Desired) -> String {
    let endpoint = read(FILE, "app").expect("a file").endpoints.remove(key).expect("it");
    let mut text = FILE.to_owned();
    text.replace_range(endpoint.span.clone(), &endpoint.edited(desired, Status::Draining).expect("edited"));
    text
}

#[test]
fn members_by_their_address() {
    let seen = read(FILE, "app").expect("a file").endpoints;
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["10.0.0.1:80", "[::1]:81"]);
    let one = &seen["10.0.0.1:80"];
    assert_eq!((one.hostname.as_str(), one.status, one.weight), ("a{\"}", Status::Unknown, 7));
    let two = &seen["[::1]:81"];
    assert_eq!((two.hostname.as_str(), two.status, two.weight), ("", Status::Draining, 1));
    assert!(read(FILE, "none").is_err_and(|why| why.contains("no cluster none")));
}

#[test]
fn only_what_is_wanted_changes() {
    let drained = change("10.0.0.1:80", &Desired::Drained);
    assert_eq!(
        drained,
        FILE.replace(
            r#"{"endpoint": {"address": {"socket_address""#,
            r#"{"health_status": "DRAINING", "endpoint": {"address": {"socket_address""#
        )
    );
    assert_eq!(change("10.0.0.1:80", &Desired::Serving { weight: 9 }), FILE.replace(":  7 }", ":  9 }"));
    let serving = change("[::1]:81", &Desired::Serving { weight: 1 });
    assert_eq!(serving, FILE.replace("\"healthStatus\": 3", "\"healthStatus\": \"HEALTHY\""));
    assert_eq!(change("[::1]:81", &Desired::Drained), FILE);
    assert_eq!(change("10.0.0.1:80", &Desired::FreshCheck), FILE);
}

#[test]
fn a_receipt_brings_back_every_letter() {
    let before = read(FILE, "app").expect("a file").endpoints.remove("10.0.0.1:80").expect("it");
    let drained = change("10.0.0.1:80", &Desired::Drained);
    let now = read(&drained, "app").expect("a file").endpoints.remove("10.0.0.1:80").expect("it");
    assert_ne!(now.exact(), before.exact());
    let back = Desired::Exactly { exact: before.exact() };
    let mut text = drained.clone();
    text.replace_range(now.span.clone(), &now.edited(&back, Status::Draining).expect("edited"));
    assert_eq!(text, FILE);
    let moved =
        read(&drained.replace("\"a{", "\"b{"), "app").expect("a file").endpoints.remove("10.0.0.1:80").expect("it");
    assert!(moved.edited(&back, Status::Draining).is_err_and(|why| why.contains("another hand")));
}

#[test]
fn what_is_not_understood_is_an_error() {
    for (from, to) in [
        ("\"healthStatus\": 3", "\"healthStatus\": 9"),
        ("\"healthStatus\": 3", "\"healthStatus\": 3, \"health_status\": 1"),
        (":  7", ":  -7"),
        ("\"clusterName\": \"other\"", "\"clusterName\": \"app\""),
        ("\"::1\", \"portValue\": 81", "\"10.0.0.1\", \"portValue\": 80"),
        ("{\"socketAddress\"", "{\"odd\""),
        ("\"resources\"", "\"Resources\""),
    ] {
        let text = FILE.replace(from, to);
        assert!(text != FILE && read(&text, "app").is_err(), "{text}");
    }
    let text = FILE.replace(":  7", ":  0");
    assert!(read(&text, "app").is_ok(), "what Envoy refuses, Envoy says");
}

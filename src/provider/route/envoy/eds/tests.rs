//! Endpoints, read and edited.

use super::*;

const FILE: &str = r#"{
  "version_info": "7",
  "resources": [
    { "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "other",
      "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "pipe": { "path": "/run/x" } } } }] }] },
    { "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "clusterName": "app",
      "policy": { "overprovisioning_factor": 100 },
      "endpoints": [
        { "locality": { "zone": "a" }, "lb_endpoints": [
          {"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 8080}}},  "load_balancing_weight" : 100}
        ] },
        { "priority": 1, "lbEndpoints": [
          { "healthStatus": "HEALTHY", "endpoint": { "address": { "socketAddress": { "address": "::1", "portValue": 80 } } } }
        ] }
      ] }
  ]
}
"#;

fn endpoint(name: &str) -> Endpoint {
    read(FILE, "app").expect("readable").endpoints.remove(name).expect("an endpoint")
}

fn to(endpoint: &Endpoint, desired: &Desired) -> Endpoint {
    match endpoint.edit(desired).expect("accepted") {
        Some(text) => super::endpoint(&text, 0).expect("readable"),
        None => endpoint.clone(),
    }
}

#[test]
fn every_endpoint_of_the_cluster_is_seen() {
    let app = read(FILE, "app").expect("readable");
    let seen: Vec<_> = app.endpoints.iter().map(|(n, e)| (n.as_str(), e.health.as_str(), e.weight)).collect();
    assert_eq!(seen, [("10.0.0.1:8080", "UNKNOWN", 100), ("[::1]:80", "HEALTHY", 1)]);
    assert_eq!((app.overprovisioning, app.weighted), (100, false));
    for endpoint in app.endpoints.values() {
        assert_eq!(FILE[endpoint.span.clone()], endpoint.text);
    }
}

#[test]
fn what_cannot_be_understood_is_refused() {
    for (text, why) in [
        ("", "no DiscoveryResponse"),
        ("resources: []", "no DiscoveryResponse"),
        (r#"{"resources": []}"#, "no endpoints of the cluster app"),
        (&FILE.replace("\"other\"", "\"app\""), "the cluster app is there twice"),
        (
            &FILE.replace("\"other\"", "\"app\"").replace("\"app\",\n      \"policy", "\"x\",\n      \"policy"),
            "cannot be understood",
        ),
        (&FILE.replace("8080", "\"8080\""), "cannot be understood"),
        (&FILE.replace("100}", "-1}"), "cannot be understood"),
        (&FILE.replace("::1", "10.0.0.1").replace("80 } } }", "8080 } } }"), "there twice"),
    ] {
        let refused = read(text, "app");
        assert!(refused.as_ref().is_err_and(|e| e.contains(why)), "{why}: {refused:?}");
    }
}

#[test]
fn only_what_is_meant_to_change_does() {
    let before = endpoint("10.0.0.1:8080");
    let drained = to(&before, &Desired::Drained);
    assert_eq!(drained.text, before.text.replacen('{', r#"{ "health_status": "DRAINING","#, 1));
    for desired in [Desired::Drained, Desired::Closed, Desired::FreshCheck] {
        assert_eq!(drained.edit(&desired), Ok(None));
    }
    let ramp = to(&drained, &Desired::Serving { weight: 7 });
    assert_eq!((ramp.health.as_str(), ramp.weight), ("HEALTHY", 7));
    assert!(ramp.text.contains(r#""load_balancing_weight" : 7}"#), "{}", ramp.text);
    let back = Desired::Exactly { exact: before.exact("HEALTHY", 100) };
    assert_eq!(to(&ramp, &back).text, before.text);
    assert_eq!(before.edit(&back), Ok(None));
}

#[test]
fn both_spellings_are_edited_in_their_place() {
    let before = endpoint("[::1]:80");
    let drained = to(&before, &Desired::Drained);
    assert_eq!(drained.text, before.text.replace("HEALTHY", "DRAINING"));
    assert_eq!(to(&drained, &Desired::Serving { weight: 1 }).text, before.text);
    assert!(to(&before, &Desired::Serving { weight: 2 }).text.starts_with(r#"{ "load_balancing_weight": 2,"#));
    assert!(before.edit(&Desired::Serving { weight: 0 }).is_err());
}

#[test]
fn another_hand_is_not_overwritten() {
    let before = endpoint("10.0.0.1:8080");
    let back = Desired::Exactly { exact: before.exact("HEALTHY", 100) };
    let edited = before.text.replacen('{', r#"{"metadata": {}, "health_status": "DRAINING","#, 1);
    let edited = super::endpoint(&edited, 0).expect("readable");
    assert!(edited.edit(&back).is_err_and(|e| e.contains("another hand changed the endpoint 10.0.0.1:8080")));
}

#[test]
fn a_receipt_of_something_else_is_refused() {
    let endpoint = endpoint("10.0.0.1:8080");
    let other = super::tests::endpoint("[::1]:80");
    for exact in [
        json!(null),
        json!({ "ttl": 30 }),
        json!({ "endpoint": "{}", "health": "HEALTHY", "weight": 1 }),
        json!({ "endpoint": endpoint.text, "health": "HEALTHY" }),
        other.exact("HEALTHY", 1).0,
    ] {
        let refused = endpoint.edit(&Desired::Exactly { exact: Exact(exact.clone()) });
        assert!(refused.as_ref().is_err_and(|e| e.contains("no state of an endpoint")), "{exact}: {refused:?}");
    }
}

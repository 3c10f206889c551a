//! What the configuration makes of a route, and what it does not let through.

use crate::{
    config::{self, Settings as Whole},
    provider::route::kind::Kind,
};

/// What the configuration makes of a route with these lines; the problems where it makes none.
fn route(lines: &str) -> Result<super::Settings, String> {
    let text = format!(
        r#"
[cluster]
name = "c"
[[node]]
name = "node-01"
address = "192.0.2.11"
[[node]]
name = "node-02"
address = "192.0.2.12"
[[service]]
name = "app"
unit = "app.service"
min-ready = 1
ready = {{ port = 80 }}
[[entrypoint]]
name = "web"
service = "app"
address = "app.lab.example:443"
protocol = "https"
[[entrypoint.route]]
via = "dns"
key-file = "/etc/tidegate/lab.key"
{lines}
"#
    );
    let whole: Whole =
        config::load_fragments(vec![("test.toml".into(), text)]).map_err(|report| format!("{report:?}"))?;
    match &whole.entrypoints[0].routes[0].via {
        config::settings::Via::Dns(settings) => Ok(settings.clone()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn what_most_people_write() {
    let settings = route("servers = [\"10.0.0.53\"]\nzone = \"lab.example\"\nttl = \"30s\"").expect("settings");
    assert_eq!((settings.name.as_str(), settings.zone.as_str()), ("app.lab.example.", "lab.example."));
    assert_eq!((settings.record.as_str(), settings.ttl), ("{address}", Some(30)));
    assert_eq!(settings.servers[0].name.as_str(), "10.0.0.53");
}

#[test]
fn everything_there_is() {
    let settings = route(
        r#"servers = [{ name = "NS1.lab.example.", address = "10.0.0.53:5353" }, "10.0.0.54"]
zone = "lab.example."
record-name = "_https._tcp"
type = "SRV"
record = "10 60 443 {node}"
ttl = "1m"
ttl-during-maintenance = "5s"
secondaries = ["ns2.lab.example"]
not-following = ["Old.lab.example."]
resolvers = ["192.0.2.1"]
"#,
    )
    .expect("settings");
    assert_eq!(settings.servers[0].name.as_str(), "ns1.lab.example");
    assert_eq!(settings.name, "_https._tcp.lab.example.");
    assert_eq!(settings.not_following, ["old.lab.example".into()]);
    assert_eq!(settings.ttl_during_maintenance, Some(5));
    let mirrors: Vec<String> = Kind::instances(&settings, &[])
        .into_iter()
        .filter(|(_, shape)| shape.mirrors && !shape.role.is_driven())
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(mirrors, ["10.0.0.54", "ns2.lab.example"]);
}

#[test]
fn what_contradicts_itself_is_reported() {
    let usual = "servers = [\"10.0.0.53\"]\nzone = \"lab.example\"\n";
    for (lines, expected) in [
        ("servers = [\"10.0.0.53\"]\nzone = \"other.example\"", "does not lie in the zone"),
        ("servers = [\"10.0.0.53:0\"]\nzone = \"lab.example\"", "is no server"),
        ("servers = [\"10.0.0.53\", \"10.0.0.53\"]\nzone = \"lab.example\"", "two servers named"),
        (&format!("{usual}record-name = \"app.other.example.\""), "does not lie in the zone"),
        (&format!("{usual}type = \"AAAA\""), "is no AAAA record"),
        (&format!("{usual}type = \"SRV\"\nrecord = \"ten 60 443 {{node}}\""), "is no SRV record"),
        (&format!("{usual}type = \"SRV\"\nrecord = \"10 60 443 . {{node}}\""), "is no SRV record"),
        (&format!("{usual}type = \"HTTPS\"\nrecord = \"1 . ipv4hint={{address}}\""), "tells no node from another"),
        (&format!("{usual}record = \"192.0.2.1\""), "a record with"),
        (&format!("{usual}ttl = \"1s500ms\""), "whole seconds"),
        (&format!("{usual}ttl-during-maintenance = \"5s\""), "`ttl` is missing"),
        (&format!("{usual}ttl = \"30s\"\nttl-during-maintenance = \"30s\""), "no shorter than"),
        (&format!("{usual}nodes = [\"node-01\", \"node-03\"]"), "no node \\\"node-03\\\""),
    ] {
        let problems = route(lines).expect_err(lines);
        assert!(problems.contains(expected), "{lines}: {problems}");
    }
}

//! What is made of each recorded reading.

use std::fmt::Write;

use super::{super::status::view, *};
use crate::model::ClusterView;

/// A view as text, a line a node and a line an instance.
fn picture(view: &ClusterView) -> String {
    let mut out = String::new();
    let flags =
        |all: &[(&str, bool)]| all.iter().filter(|(_, on)| *on).map(|(f, _)| format!(" {f}")).collect::<String>();
    let cluster = flags(&[
        ("quorate", view.quorate),
        ("fencing", view.fencing),
        ("maintenance-mode", view.maintenance_mode),
        ("transition", view.transition),
    ]);
    let _ = writeln!(out, "dc {}:{cluster}", view.dc.as_ref().map_or("none", NodeName::as_str));
    for (name, m) in &view.nodes {
        let state = flags(&[
            ("online", m.online),
            ("standby", m.standby),
            ("maintenance", m.maintenance),
            ("pending", m.pending),
            ("unclean", m.unclean),
        ]);
        let _ = write!(out, "{name}:{state}");
        if let Some(value) = &m.standby_attribute {
            let _ = write!(out, ", attribute '{value}'");
        }
        if let Some(o) = &m.owner {
            let _ = write!(out, ", held by {} ({}: {})", o.run, o.operator, o.reason);
        }
        out.push('\n');
    }
    for i in &view.instances {
        let state =
            flags(&[("active", i.active), ("failed", i.failed), ("blocked", i.blocked), ("managed", i.managed)]);
        let node = i.node.as_ref().map_or("nowhere", NodeName::as_str);
        let pending = i.pending.as_ref().map_or(String::new(), |p| format!(" pending {p}"));
        let started = if i.started() { ", started for good" } else { "" };
        let _ = writeln!(out, "{} on {node}: {:?}{state}{pending}{started}", i.resource, i.role);
    }
    out
}

fn seen(name: &str) -> ClusterView {
    let reading = recorded(name);
    view(&cib(&reading), halves(&reading).1).expect("a view")
}

#[test]
fn pacemaker_says_its_version() {
    assert!(seen("joining").version.is_some_and(|version| version.starts_with("2.1.")), "by its controller");
}

macro_rules! views {
    ($($test:ident: $name:literal;)*) => {$(
        #[test]
        fn $test() {
            insta::assert_snapshot!($name, picture(&seen($name)));
        }
    )*};
}

views! {
    three_nodes_and_nothing_to_do: "clean";
    a_node_in_our_standby: "standby";
    a_stop_in_flight: "stopping";
    a_start_in_flight_is_not_started: "starting";
    a_failed_instance: "failed";
    a_failed_stop_without_fencing_is_blocked_and_no_transition: "blocked";
    a_node_to_be_fenced: "unclean";
    a_node_that_joins: "joining";
    a_partition_without_quorum: "no-quorum";
    maintenance_mode: "maintenance";
}

#[test]
fn pacemaker_3_names_and_additions_read_the_same() {
    let old = recorded("standby");
    let new = old
        .replace("stonith-enabled", "fencing-enabled")
        .replace("orphaned=", "removed=")
        .replace("<resource id=", "<resource newer=\"yes\" id=")
        .replace("<actions/>", "<actions/><injections><something/></injections>");
    assert_ne!(old, new);
    assert_eq!(view(&cib(&new), halves(&new).1).expect("a view"), seen("standby"));
}

#[test]
fn several_nodes_of_one_instance_are_several_instances() {
    let reading = recorded("clean").replacen(
        r#"<node name="node-1" id="1" cached="true"/>"#,
        r#"<node name="node-1" id="1" cached="true"/><node name="node-2" id="2" cached="true"/>"#,
        2,
    );
    let view = view(&cib(&reading), halves(&reading).1).expect("a view");
    assert_eq!(view.instances_on("app_service", &"node-2".into()).count(), 2);
}

#[test]
fn numbers_of_unique_clones_are_not_part_of_the_name() {
    let reading = recorded("clean").replace(r#"<resource id="app_service""#, r#"<resource id="app_service:1""#);
    let view = view(&cib(&reading), halves(&reading).1).expect("a view");
    assert!(!view.instances.is_empty() && view.instances.iter().all(|i| i.resource == "app_service"));
}

#[test]
fn what_cannot_be_understood_is_an_error() {
    let reading = recorded("clean");
    let (text, simulation) = halves(&reading);
    for (what, broken) in [
        ("cut off", simulation[..simulation.len() / 2].to_owned()),
        ("empty", String::new()),
        ("failed", simulation.replace(r#"<status code="0""#, r#"<status code="1""#)),
        ("no nodes", simulation.replace("nodes>", "knots>")),
        ("no online", simulation.replace("online=", "reachable=")),
        ("neither true nor false", simulation.replace(r#"standby="false""#, r#"standby="maybe""#)),
        ("no actions", simulation.replace("<actions/>", "")),
    ] {
        let view = view(&cib(&reading), &broken);
        assert!(matches!(view, Err(ProviderError::Unexpected(_))), "{what}: {view:?}");
    }
    for (what, broken) in [
        ("cut off", text[..text.len() / 2].to_owned()),
        ("no quorum", text.replace("have-quorum", "had-quorum")),
        ("no version", text.replace(" epoch=", " age=")),
        ("something else", "<html/>".to_owned()),
        ("nodes hidden", text.replace("nodes>", "knots>")),
        ("a rule", text.replace("<nvpair id=\"cib-bootstrap-options-dc", "<rule id=\"r\"/><nvpair id=\"cib-b")),
    ] {
        let cib = Cib::parse(&broken);
        assert!(matches!(cib, Err(ProviderError::Unexpected(_))), "{what}: {cib:?}");
    }
}

#[test]
fn options_are_read_as_pacemaker_does() {
    let text = |set: &str| halves(&recorded("clean")).0.replace("<crm_config>", &format!("<crm_config>{set}"));
    let with = |id: &str, score: &str, value: &str| {
        format!(
            r#"<cluster_property_set id="{id}"{score}><nvpair id="{id}-m" name="maintenance-mode" value="{value}"/></cluster_property_set>"#
        )
    };
    let mode = |set: String| Cib::parse(&text(&set)).expect("a CIB").maintenance_mode;
    assert!(mode(with("extra", "", "TRUE")));
    assert!(mode(with("extra", "", "1")));
    assert!(!mode(with("extra", "", "off")));
    assert!(!mode(with("extra", "", "perhaps")), "Pacemaker takes the default for what it cannot read");
    assert!(mode(with("low", r#" score="5""#, "false") + &with("high", r#" score="INFINITY""#, "true")));
    // Fencing is on where nothing is said.
    let silent = halves(&recorded("clean")).0.replace("stonith-enabled", "something-else");
    assert!(Cib::parse(&silent).expect("a CIB").fencing);
}

//! Later fragments over earlier ones.

use std::time::Duration;

use tidegate::config::settings::{Access, Http, Probe, Via};

use super::{SMALL, load};

fn lines(fragments: &[&str]) -> Vec<String> {
    load(fragments).expect_err("there are problems").problems().iter().map(ToString::to_string).collect()
}

#[test]
fn a_drop_in_changes_one_key_and_nothing_else() {
    let drop_in = "[[service]]\nname = \"app\"\nconnections.deadline = \"30m\"\nready.path = \"/health\"\n";
    let merged = load(&[SMALL, drop_in]).unwrap_or_else(|r| panic!("{r}"));
    let mut expected = load(&[SMALL]).unwrap_or_else(|r| panic!("{r}"));
    let service = &mut expected.services[0];
    service.connections.deadline = Duration::from_secs(1800);
    service.ready.probe = Probe::Http(Http { path: "/health".into(), ..Http::default() });
    assert_eq!(merged, expected);
}

#[test]
fn named_tables_are_added_and_routes_appended() {
    let drop_in = r#"
[[service]]
name = "other"
unit = "other.service"
min-ready = 1
ready = { port = 9090 }
[[entrypoint]]
name = "web"
[[entrypoint.route]]
via = "haproxy"
tier = 30
backend = "inner"
instances = ["unix:/run/inner.sock"]
"#;
    let merged = load(&[SMALL, drop_in]).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(merged.services.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["app", "other"]);
    let routes: Vec<&str> = merged.entrypoints[0].routes.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(routes, ["web/haproxy:app", "web/haproxy:inner"]);
}

#[test]
fn lists_are_replaced_as_a_whole() {
    let members = |list: &str| format!("[cluster]\nmembers = [{list}]\n");
    let merged =
        load(&[SMALL, &members(r#""a", "b", "c""#), &members(r#""d", "e""#)]).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(merged.cluster.members.iter().map(|n| n.as_str()).collect::<Vec<_>>(), ["d", "e"]);
}

#[test]
fn another_variant_leaves_the_keys_of_the_former_behind() {
    let ssh = "[cluster.access]\nvia = \"ssh\"\nuser = \"tidegate\"\n";
    let more = "[cluster.access]\nconfig = \"/etc/tidegate/ssh_config\"\n";
    let merged = load(&[SMALL, ssh, more]).unwrap_or_else(|r| panic!("{r}"));
    let both = Access::Ssh { user: Some("tidegate".into()), config: Some("/etc/tidegate/ssh_config".into()) };
    assert_eq!(merged.cluster.access, both);
    let local = load(&[SMALL, ssh, "[cluster.access]\nvia = \"local\"\n"]).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(local.cluster.access, Access::Local);
    let short = load(&[SMALL, ssh, "[cluster]\naccess = \"local\"\n"]).unwrap_or_else(|r| panic!("{r}"));
    assert_eq!(short.cluster.access, Access::Local);
    let probe = "[[service]]\nname = \"app\"\nready = { path = \"/x\", status = 204 }\n";
    let tcp = load(&[SMALL, probe, "[[service]]\nname = \"app\"\nready.protocol = \"tcp\"\n"]);
    assert_eq!(tcp.unwrap_or_else(|r| panic!("{r}")).services[0].ready.probe, Probe::Tcp);
}

#[test]
fn problems_point_to_the_fragment_that_won() {
    let drop_in = "\n[[service]]\nname = \"app\"\nclone.clone-max = 1\n";
    assert_eq!(
        lines(&[SMALL, "[[service]]\nname = \"app\"\nmin-ready = 3\n", drop_in]),
        ["1.toml:3:13: service[app].min-ready: min-ready = 3 leaves nothing to drain: clone-max is 1"]
    );
}

#[test]
fn what_is_overridden_is_checked_all_the_same() {
    let wrong = "[[service]]\nname = \"app\"\nready.timeout = 5\n";
    let right = "[[service]]\nname = \"app\"\nready.timeout = \"3s\"\n";
    assert_eq!(
        lines(&[SMALL, wrong, right]),
        ["1.toml:3:17: service[app].ready.timeout: expected a string such as \"5s\", found an integer 5"]
    );
}

#[test]
fn a_route_is_not_changed_by_a_drop_in() {
    let again = r#"
[[entrypoint]]
name = "web"
[[entrypoint.route]]
via = "haproxy"
backend = "app"
instances = ["unix:/run/other.sock"]
"#;
    let found = lines(&[SMALL, again]);
    assert_eq!(
        found,
        ["1.toml:4:1: entrypoint[web].route[app]: there is a route web/haproxy:app already, at main.toml:17"]
    );
    let named = again.replace("backend", "name = \"second\"\nbackend");
    let merged = load(&[SMALL, &named]).unwrap_or_else(|r| panic!("{r}"));
    let Via::Haproxy(second) = &merged.entrypoints[0].routes[1].via else { panic!("another kind of route") };
    assert_eq!((merged.entrypoints[0].routes[1].id.as_str(), second.backend.as_str()), ("web/haproxy:second", "app"));
}

//! Which commands lead from a state to a desired one; none where it is so already.

use serde_json::json;

use super::*;
use crate::model::Exact;

/// A server as far as commands depend on it: forced bits, weight, whether it runs, whether it is checked.
fn server(forced: u32, running: bool, checked: bool, tracked: &str) -> Server {
    let (op, checks) = (if running { 2 } else { 0 }, if checked { 6 } else { 0 });
    let answer = format!(
        "Pid: 1\n\nadmin\n\n# pxname,svname,qcur,scur,stot,econ,eresp,status,tracked,type,check_status,check_code,last_chk\n\
         b,s,0,0,0,0,0,UP,{tracked},2,L7OK,200,\n\n1\n# be_id be_name srv_name srv_op_state srv_admin_state srv_uweight \
         srv_time_since_last_change srv_check_result srv_check_state\n1 b s {op} {forced} 50 0 3 {checks}\n\n"
    );
    parse::snapshot(&answer, "b").expect("a snapshot").servers.remove("s").expect("the server")
}

fn sent(now: &Server, desired: Desired) -> String {
    let said: Vec<String> = commands("b/s", now, &desired).expect("commands");
    said.iter().map(|c| c.trim_start_matches("set server b/s ")).collect::<Vec<_>>().join("; ")
}

fn exactly(forced: u32, weight: u32) -> Desired {
    Desired::Exactly { exact: Exact(json!({ "forced": forced, "weight": weight })) }
}

const READY: u32 = 0;
const MAINT: u32 = 1;
const DRAIN: u32 = 8;

#[test]
fn what_is_so_already_is_not_sent() {
    assert_eq!(sent(&server(DRAIN, true, true, ""), Desired::Drained), "");
    assert_eq!(sent(&server(MAINT, false, true, ""), Desired::Drained), "");
    assert_eq!(sent(&server(READY, true, true, ""), Desired::Serving { weight: 50 }), "");
    assert_eq!(sent(&server(DRAIN, true, true, ""), exactly(DRAIN, 50)), "");
    assert_eq!(sent(&server(DRAIN, false, true, ""), Desired::FreshCheck), "");
}

#[test]
fn an_inherited_drain_is_made_our_own() {
    assert_eq!(sent(&server(16, true, true, ""), Desired::Drained), "state drain");
    assert_eq!(sent(&server(32, false, true, ""), Desired::Drained), "state drain");
}

#[test]
fn the_weight_is_set_before_clients_come() {
    assert_eq!(sent(&server(DRAIN, true, true, ""), Desired::Serving { weight: 10 }), "weight 10; state ready");
    assert_eq!(sent(&server(READY, true, true, ""), Desired::Serving { weight: 10 }), "weight 10");
    assert_eq!(sent(&server(DRAIN, true, true, ""), exactly(READY, 100)), "weight 100; state ready");
}

#[test]
fn nothing_goes_from_maintenance_to_ready_without_a_check() {
    let maint = server(MAINT, false, true, "");
    assert_eq!(sent(&maint, Desired::Serving { weight: 50 }), "state drain; health down; state ready");
    assert_eq!(sent(&maint, exactly(READY, 50)), "state drain; health down; state ready");
    assert_eq!(sent(&maint, exactly(DRAIN, 50)), "state drain; health down");
    // Unchecked, `health down` would never end.
    assert_eq!(sent(&server(MAINT, false, false, ""), exactly(READY, 50)), "state drain; state ready");
    assert_eq!(sent(&server(DRAIN, true, true, ""), exactly(MAINT, 50)), "state maint");
}

#[test]
fn a_fresh_check_voids_the_old_one_only_where_checks_run() {
    assert_eq!(sent(&server(DRAIN, true, true, ""), Desired::FreshCheck), "health down");
    assert_eq!(sent(&server(MAINT, false, true, ""), Desired::FreshCheck), "state drain; health down");
    assert_eq!(sent(&server(DRAIN, true, false, ""), Desired::FreshCheck), "");
}

#[test]
fn a_fresh_check_of_a_tracking_server_is_refused_with_the_reason() {
    let refused = commands("b/s", &server(DRAIN, true, false, "other/s"), &Desired::FreshCheck);
    assert!(matches!(refused, Err(ProviderError::Refused(why)) if why.contains("follows the checks of other/s")));
}

#[test]
fn a_foreign_receipt_is_refused() {
    let foreign = Desired::Exactly { exact: Exact(json!({ "ttl": 30 })) };
    let refused = commands("b/s", &server(DRAIN, true, true, ""), &foreign);
    assert!(matches!(refused, Err(ProviderError::Refused(_))));
}

#[tokio::test]
async fn no_name_smuggles_a_command_in() {
    let settings = Settings {
        backend: "b".into(),
        server: "{node}".into(),
        instances: vec![Instance {
            name: "lb".into(),
            // Nothing listens here: whoever got so far would be told so.
            socket: Endpoint::Unix { path: "/nonexistent".into() },
            master: None,
            source: Vec::new(),
            node: None,
        }],
        config_file: None,
    };
    let access = Arc::new(crate::provider::access::local::LocalAccess::default());
    let haproxy = Haproxy::new("r".into(), settings, access, Duration::from_secs(1));
    for name in ["s;set server b/x state maint", "s\nhelp", "s t", "", "ü", "a/b"] {
        let refused = haproxy.apply(&"lb".into(), name, &Desired::Drained).await;
        assert!(matches!(refused, Err(ProviderError::Refused(_))), "{name:?}: {refused:?}");
        let refused = haproxy.close_connections(&"lb".into(), name).await;
        assert!(matches!(refused, Err(ProviderError::Refused(_))), "{name:?}: {refused:?}");
    }
    assert!(matches!(haproxy.observe(&"lb".into()).await, Err(ProviderError::Unreachable(_))));
    assert!(matches!(haproxy.observe(&"other".into()).await, Err(ProviderError::Refused(_))));
}

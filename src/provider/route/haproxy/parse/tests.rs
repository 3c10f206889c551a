//! HAProxy's own answers, with the traps that real versions set.

use super::*;

/// `show info; show cli level; show stat app 4 -1; show servers state app` of HAProxy 2.6.12, shortened to the
/// lines and columns that matter, with one column that no version has.
fn answer(rows: &[(&str, &str)]) -> String {
    let mut text = String::from("Name: HAProxy\nVersion: 2.6.12\nPid: 4711\nStart_time_sec: 1795224514\n\nadmin\n\n");
    text += "# pxname,svname,qcur,scur,stot,econ,eresp,status,weight,tracked,type,check_status,check_code,hrsp_5xx,\
             last_chk,srv_icur,brand_new,\n";
    for (stat, _) in rows {
        text += &format!("{stat}\n");
    }
    text += "app,BACKEND,0,9,9,0,0,UP,151,,1,,,0,,,x,\n\n1\n";
    text += "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
             srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state brand_new\n";
    for (_, state) in rows {
        text += &format!("{state}\n");
    }
    text + "\n"
}

fn one(stat: &str, state: &str) -> MemberView {
    let snapshot = snapshot(&answer(&[(stat, state)]), "app").expect("a snapshot");
    assert_eq!(snapshot.servers.len(), 1);
    snapshot.servers["n1"].view(Load::default())
}

const UP: &str = "app,n1,1,2,246,3,4,UP,100,,2,L7OK,200,5,,9,x,";

#[test]
fn a_passing_server_with_its_counters() {
    let seen = one(UP, "3 app 1 n1 127.0.0.1 2 0 100 100 53 15 3 3 6 0");
    assert_eq!(seen.admission, Admission::Serving);
    assert_eq!(seen.health, Health::Passing);
    // Queued requests are traffic as well.
    assert_eq!((seen.weight, seen.sessions, seen.idle), (100, 3, 9));
    assert_eq!((seen.requests_total, seen.errors_total), (246, 12));
    assert_eq!(seen.since_change, Some(Duration::from_secs(53)));
    assert_eq!(forced_and_weight(&seen.exact), Some((0, 100)));
}

/// Measured on HAProxy 2.6.12: three requests of a client with the server's cookie count in `stot` and not in `lbtot`.
const COUNTING: &str = "# pxname,svname,qcur,scur,stot,lbtot,connect,econ,eresp,status,weight,tracked,type,check_status,\
                        check_code,hrsp_5xx,last_chk,srv_icur,mode,rtime,throttle,bck,";

fn counting(rows: &[&str]) -> BTreeMap<String, MemberView> {
    let stats: Vec<(&str, String)> = rows
        .iter()
        .map(|row| {
            (*row, format!("3 app 1 {} 127.0.0.1 2 0 100 100 53 15 3 3 6 0", row.split(',').nth(1).unwrap_or("")))
        })
        .collect();
    let stats: Vec<(&str, &str)> = stats.iter().map(|(stat, state)| (*stat, state.as_str())).collect();
    let old = "# pxname,svname,qcur,scur,stot,econ,eresp,status,weight,tracked,type,check_status,check_code,hrsp_5xx,\
               last_chk,srv_icur,brand_new,";
    let text = answer(&stats).replace(old, COUNTING).replace("app,BACKEND,0,9,9,0,0,UP,151,,1,,,0,,,x,\n", "");
    let servers = snapshot(&text, "app").expect("a snapshot").servers;
    servers.into_iter().map(|(name, server)| (name, server.view(Load::default()))).collect()
}

#[test]
fn requests_connections_and_choices_are_told_apart() {
    let seen = counting(&["app,n1,0,0,6,2,3,1,2,UP,100,,2,L7OK,200,4,,0,http,21,,0,"]);
    let http = Counters {
        requests: Some(6),
        connections: Some(3),
        choices: Some(2),
        connect_failures: Some(1),
        lost_answers: Some(2),
        answers_5xx: Some(4),
        failed_requests: None,
        latency: Some(Duration::from_millis(21)),
    };
    assert_eq!(seen["n1"].counters, http);
    let seen = counting(&["app,n1,0,0,6,2,3,1,2,UP,100,,2,L7OK,200,,,0,tcp,0,,0,"]);
    let tcp = Counters { requests: None, connections: Some(6), answers_5xx: None, latency: None, ..http };
    assert_eq!(seen["n1"].counters, tcp, "a session is a connection there");
    let seen = counting(&["app,n1,0,0,0,0,0,0,0,UP,100,,2,L7OK,200,0,,0,http,0,,0,"]);
    assert_eq!(seen["n1"].counters.latency, None, "a mean of nothing is not 0");
}

#[test]
fn a_version_that_does_not_count_is_not_at_zero() {
    let seen = one(UP, "3 app 1 n1 127.0.0.1 2 0 100 100 53 15 3 3 6 0");
    assert_eq!((seen.counters.requests, seen.counters.choices, seen.counters.latency), (None, None, None));
}

#[test]
fn slow_starts_and_backups_are_chosen_by_another_weight() {
    let seen = counting(&[
        "app,n1,0,0,6,2,3,1,2,UP,30,,2,L7OK,200,4,,0,http,21,30,0,",
        "app,n2,0,0,6,2,3,1,2,UP,100,,2,L7OK,200,4,,0,http,21,,1,",
    ]);
    assert_eq!((seen["n1"].weight, seen["n1"].chosen_by(), seen["n2"].chosen_by()), (100, 30, 0));
    let seen = counting(&["app,n2,0,0,6,2,3,1,2,UP,100,,2,L7OK,200,4,,0,http,21,,1,"]);
    assert_eq!(seen["n2"].chosen_by(), 100, "nobody else takes clients");
}

#[test]
fn the_process_is_told_by_its_id_and_start() {
    let seen = snapshot(&answer(&[(UP, "3 app 1 n1 127.0.0.1 2 0 100 100 53 15 3 3 6 0")]), "app").expect("a snapshot");
    assert_eq!((seen.pid, seen.generation.as_str(), seen.level.as_str()), (4711, "4711@1795224514", "admin"));
}

#[test]
fn the_drain_shows_in_the_raw_bits_though_the_status_says_down() {
    let down = "app,n1,0,0,9,0,0,DOWN,100,,2,L7STS,503,0,Service Unavailable,0,x,";
    let seen = one(down, "3 app 1 n1 127.0.0.1 0 8 100 100 0 17 2 0 6 0");
    assert_eq!(seen.admission, Admission::Draining);
    assert_eq!(seen.health, Health::Failing { reason: "DOWN, last check: L7STS 503 Service Unavailable".into() });
}

#[test]
fn admin_bits_are_decimal_and_the_memory_of_a_configured_disable_is_no_maintenance() {
    for (bits, admission) in [
        (0, Admission::Serving),
        (1, Admission::Out),
        (2, Admission::Out),
        (4, Admission::Serving),
        (5, Admission::Out),
        (8, Admission::Draining),
        (16, Admission::Draining),
        (32, Admission::Out),
        (40, Admission::Out),
        (64, Admission::Serving),
    ] {
        let seen = one(UP, &format!("3 app 1 n1 127.0.0.1 2 {bits} 100 100 53 15 3 3 6 0"));
        assert_eq!(seen.admission, admission, "bits {bits}");
    }
}

#[test]
fn checks_begun_again_are_no_passing_checks() {
    // After `health down` the last result still reads "passed": the operational state is what tells.
    let again = "app,n1,0,0,9,0,0,DOWN 1/2,100,,2,L7OK,200,0,,0,x,";
    let seen = one(again, "3 app 1 n1 127.0.0.1 0 8 100 100 0 15 3 1 6 0");
    assert_eq!(seen.health, Health::Failing { reason: "DOWN 1/2, last check: L7OK 200".into() });
}

#[test]
fn a_server_without_checks_is_unchecked_unless_it_was_stopped_by_hand() {
    let unchecked = "app,n1,0,0,9,0,0,no check,1,,2,,,0,,0,x,";
    assert_eq!(one(unchecked, "3 app 1 n1 127.0.0.1 2 0 1 1 3 1 0 2 0 0").health, Health::Unchecked);
    // Configured, then disabled at run time.
    assert_eq!(one(unchecked, "3 app 1 n1 127.0.0.1 2 0 1 1 3 15 3 3 2 0").health, Health::Unchecked);
    let stopped = one(unchecked, "3 app 1 n1 127.0.0.1 0 0 1 1 3 1 0 0 0 0").health;
    assert!(matches!(stopped, Health::Failing { reason } if reason.contains("no check brings it back")));
}

#[test]
fn a_tracking_server_has_the_health_of_the_one_it_follows() {
    let follows = |status: &str| format!("app,n1,0,0,9,0,0,{status},1,other/n1,2,,,0,,0,x,");
    assert_eq!(one(&follows("UP"), "3 app 1 n1 127.0.0.1 2 0 1 1 3 1 0 2 0 0").health, Health::Passing);
    let down = one(&follows("DOWN"), "3 app 1 n1 127.0.0.1 0 0 1 1 3 1 0 2 0 0").health;
    assert_eq!(down, Health::Failing { reason: "DOWN, follows other/n1".into() });
}

#[test]
fn quoted_cells_may_hold_commas_quotes_and_line_breaks() {
    let odd = "app,n1,0,0,9,0,0,DOWN,1,,2,L7RSP,,0,\"no \"\"ok\"\", but\n\nthis\",0,x,";
    let seen = one(odd, "3 app 1 n1 127.0.0.1 0 0 1 1 3 17 2 0 6 0").health;
    assert_eq!(seen, Health::Failing { reason: "DOWN, last check: L7RSP no \"ok\", but\n\nthis".into() });
}

#[test]
fn what_is_missing_is_an_error_and_never_a_zero() {
    let whole = answer(&[(UP, "3 app 1 n1 127.0.0.1 2 0 100 100 53 15 3 3 6 0")]);
    let reason = |text: &str| snapshot(text, "app").expect_err("an error");
    assert_eq!(reason(&whole.replace(",scur,", ",cur_scur,")), "no column scur");
    assert_eq!(reason(&whole.replace("srv_admin_state", "state")), "no column srv_admin_state");
    assert!(reason(&whole.replace(" 2 0 100 ", " 2 ? 100 ")).contains("not a number"));
    assert!(reason(&whole.replace("Pid: 4711", "")).contains("Pid"));
    assert!(reason(&whole.replace("app,n1,", "app,n2,")).contains("no row for app/n1"));
    assert!(reason("").contains("Pid"));
    assert!(reason(&whole[..whole.find("# be_id").expect("there")]).contains("# be_id"));
    assert_eq!(reason("Pid: 1\n\nadmin\n\nNo such proxy.\n\nCan't find backend.\n\n"), "there is no backend app");
    // An answer cut short in the middle of a row.
    assert!(snapshot(&whole[..whole.find(" 53 15").expect("there")], "app").is_err());
}

#[test]
fn old_workers_are_told_from_the_current_one() {
    let answer = "#<PID>          <type>          <reloads>       <uptime>        <version>      \n\
                  17492           master          1 [failed: 0]   0d00h00m50s     2.6.12-1+deb12u4\n\
                  # workers\n21941           worker          0               0d00h00m01s     2.6.12\n\
                  # old workers\n17513           worker          1               0d00h00m50s     2.6.12\n\
                  # programs\n\n";
    assert_eq!(workers(answer), Ok((vec![21941], vec![17513])));
    assert!(workers("Permission denied\n").is_err());
    assert!(workers("# workers\nx worker\n").is_err());
}

#[test]
fn an_old_worker_without_the_backend_holds_nothing_and_one_with_nonsense_is_an_error() {
    assert_eq!(loads("No such proxy.\n\n", "app"), Ok(BTreeMap::new()));
    assert!(loads("Permission denied\n\n", "app").is_err());
    let stat = "# pxname,svname,qcur,scur,type,srv_icur\napp,n1,0,2,2,1\nother,n1,0,7,2,7\n\n";
    assert_eq!(loads(stat, "app"), Ok(BTreeMap::from([("n1".into(), Load { sessions: 2, idle: 1 })])));
}

#[test]
fn a_receipt_of_another_kind_is_not_understood() {
    assert_eq!(forced_and_weight(&Exact(json!({ "forced": 9, "weight": 7 }))), Some((9, 7)));
    assert_eq!(forced_and_weight(&Exact(json!({ "forced": 2, "weight": 7 }))), None);
    assert_eq!(forced_and_weight(&Exact(json!({ "weight": 7 }))), None);
    assert_eq!(forced_and_weight(&Exact(json!("drain"))), None);
}

#[test]
fn a_server_whose_checks_begin_to_fail_still_gets_clients() {
    // `fall 2`, one failure so far: HAProxy sends clients there until the second.
    let doubted = "app,n1,0,0,9,0,0,UP 1/2,100,,2,L4TOUT,,0,,0,x,";
    let seen = one(doubted, "3 app 1 n1 127.0.0.1 2 0 100 100 53 15 2 2 6 0");
    assert!(!seen.takes_clients() && seen.gets_clients(), "{seen:?}");
    let down = "app,n1,0,0,9,0,0,DOWN,100,,2,L4TOUT,,0,,0,x,";
    let seen = one(down, "3 app 1 n1 127.0.0.1 0 0 100 100 53 15 2 0 6 0");
    assert!(!seen.gets_clients(), "{seen:?}");
}

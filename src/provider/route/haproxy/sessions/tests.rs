//! Answers of HAProxy 2.6, shortened only where nothing is read.

use super::*;

const LIST: &str = "\
0x55e172fb4b90: proto=tcpv4 src=127.0.0.1:39008 fe=front be=app srv=node-01 ts=00 epoch=0 age=1m5s calls=4 rate=0 cpu=0 lat=0 rq[f=8848000h,i=0,an=00h,rx=59m58s,wx=,ax=] rp[f=88048000h,i=0,an=00h,rx=59m58s,wx=,ax=] scf=[8,0h,fd=15] scb=[8,11h,fd=16] exp=59m58s rc=0 c_exp=
0x55e1730d87e0: proto=tcpv4 src=127.0.0.1:32884 fe=tcpfront be=tapp srv=node-01 ts=00 epoch=0 age=1s calls=3 exp=59m58s rc=0 c_exp=
0x55e1730d96d0: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1 exp=10s rc=0 c_exp=
0x7f27d40474e0: proto=tcpv6 src=::1:39024 fe=front be=app srv=node-01 ts=00 epoch=0 age=3h2m calls=4 exp=59m58s rc=0 c_exp=
0x7f27d4047500: proto=tcpv4 src=127.0.0.1:39025 fe=front be=app srv=node-011 ts=00 epoch=0 age=3h2m calls=4 exp=59m58s rc=0 c_exp=

";

const ONE: &str = "\
0x55e172fb4b90: [21/Nov/2026:10:02:53.292238] id=0 proto=tcpv4 source=127.0.0.1:39008
  flags=0x400c4b, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x55e172eec820, pend_pos=(nil) waiting=0 epoch=0
  frontend=front (id=2 mode=http), listener=? (id=1) addr=127.0.0.1:19080
  backend=app (id=3 mode=http) addr=127.0.0.1:47680
  server=node-01 (id=1) addr=127.0.0.1:19081
  task=0x55e1730d5300 (state=0x00 nice=0 calls=4 rate=0 exp=59m57s tmask=0x1 age=1s)
  req=0x55e172fb4bb0 (f=0x8848000 an=0x0 pipe=0 tofwd=-1 total=1149)
      an_exp=<NEVER> rex=59m57s wex=<NEVER>
  res=0x55e172fb4c10 (f=0x88048000 an=0x0 pipe=0 tofwd=-1 total=1132)
      an_exp=<NEVER> rex=59m57s wex=<NEVER>

";

fn name() -> Name {
    Name { pid: 17, pointer: "0x55e172fb4b90".into(), source: "127.0.0.1:39008".into() }
}

#[test]
fn only_the_sessions_of_the_server_are_listed() {
    let found = sessions(LIST, "app", "node-01").expect("a list");
    let seen: Vec<(&str, u64)> = found.iter().map(|s| (s.source.as_str(), s.age.as_secs())).collect();
    assert_eq!(seen, [("127.0.0.1:39008", 64), ("::1:39024", 10_919)]);
    let young = sessions(&LIST.replace("age=1m5s", "age=0s"), "app", "node-01").expect("a list");
    assert_eq!(young[0].age, Duration::ZERO);
    assert_eq!(sessions("\n", "app", "node-01"), Ok(Vec::new()));
    assert_eq!(sessions(LIST, "app", "node-02"), Ok(Vec::new()));
}

#[test]
fn a_session_that_cannot_be_read_is_an_error() {
    assert!(sessions("Permission denied\n\n", "app", "node-01").is_err(), "a refusal is no empty list");
    for broken in
        [LIST.replace("age=1m5s", "age=1x"), LIST.replace("0x55e172fb4b90", "0xzz"), LIST.replace("src=", "s=")]
    {
        assert!(sessions(&broken, "app", "node-01").is_err(), "{broken}");
    }
}

#[test]
fn an_age_is_read_in_every_form_that_haproxy_writes() {
    let seconds = |text: &str| time(text).map(|t| t.as_secs());
    assert_eq!(
        ["0s", "59m58s", "1h", "1h5s", "2d3h", "2d5m"].map(seconds).map(Option::unwrap_or_default),
        [0, 3_598, 3_600, 3_605, 183_600, 173_100]
    );
    assert!(["", "?", "5", "s", "1s2", "99999999999999999999d"].iter().all(|text| time(text).is_none()));
}

#[test]
fn a_name_is_written_and_read_back() {
    for source in ["127.0.0.1:39008", "::1:39024", "unix:1", "odd/one"] {
        let name = Name { source: source.into(), ..name() };
        assert_eq!(Name::parse(&name.to_string()), Some(name));
    }
    for odd in ["", "17", "17/0x1", "x/0x1/a", "17/0x/a", "17/0x1;shutdown/a", "17/1234/a"] {
        assert_eq!(Name::parse(odd), None, "{odd}");
    }
}

#[test]
fn bytes_are_read_from_a_description() {
    let two = format!("{ONE}Session not found.\n\n{}", ONE.replace("4b90", "4b91").replace("total=1149", "t=1"));
    let found = descriptions(&two);
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["0x55e172fb4b90", "0x55e172fb4b91"]);
    assert_eq!(moved(&found[0].1), Moved { received: Some(1149), sent: Some(1132) });
    assert_eq!(moved(&found[1].1), Moved { received: None, sent: Some(1132) });
    assert!(descriptions("Session not found.\n\n").is_empty());
}

#[test]
fn an_address_that_is_used_again_is_another_session() {
    let found = descriptions(ONE);
    let is = |name: &Name, backend, server| is_of(&found[0].1, name, backend, server);
    assert!(is(&name(), "app", "node-01"));
    assert!(!is(&name(), "app", "node-02") && !is(&name(), "other", "node-01"));
    assert!(!is(&Name { source: "127.0.0.1:3900".into(), ..name() }, "app", "node-01"));
    assert!(!is(&Name { pointer: "0x55e172fb4b9".into(), ..name() }, "app", "node-01"));
}

//! BIRD 2.0.12's own words.

use super::*;

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn read(text: &str) -> Reply {
    reply(&lines(text)).expect("a reply")
}

const STATUS: &str = "1000-BIRD 2.0.12\n1011-Router ID is 10.0.0.1\n Hostname is vm\n \
    Current server time is 2026-11-21 09:31:34.442\n Last reboot on 2026-11-21 09:31:28.216\n \
    Last reconfiguration on 2026-11-21 09:35:20.504\n0013 Daemon is up and running";

const PROTOCOLS: &str = "2002-Name       Proto      Table      State  Since         Info\n\
    1002-device1    Device     ---        up     09:31:28.216  \n \
    anycast    Static     master4    up     09:31:28.216  \n \
    anycast_gshut Static     master4    down   09:31:28.216  \n \
    upstream   BGP        ---        up     09:31:28.777  Established   \n \
    other      BGP        ---        start  09:31:01.980  Active        Socket: Connection refused\n0000 ";

#[test]
fn a_reply_ends_with_a_code_and_a_space() {
    assert_eq!(head("0001 BIRD 2.0.12 ready."), Some((1, true)));
    assert_eq!(head("1002-device1"), Some((1002, false)));
    assert_eq!(head("0000"), Some((0, true)));
    for text in [" anycast    Static", "", "100", "abcd-", "12345 x", "é002-x"] {
        assert_eq!(head(text), None, "{text}");
    }
    let whole = read(STATUS);
    assert_eq!((whole.code, whole.text.as_str(), whole.refusal()), (13, "Daemon is up and running", None));
    assert!(reply(&lines("1000-BIRD 2.0.12")).is_err());
    assert!(reply(&lines(" goes on with nothing\n0000 ")).is_err());
    assert!(reply(&lines("HTTP/1.1 400 Bad Request\n0000 ")).is_err());
}

#[test]
fn what_bird_says_unasked_is_no_part_of_a_reply() {
    assert_eq!(read("+bird: something happened\n0000 ").lines.len(), 0);
}

#[test]
fn refusals_are_told_by_their_codes() {
    for (text, said) in [
        ("8003 No protocols match", Some("8003 No protocols match")),
        ("8007 Access denied", Some("8007 Access denied")),
        ("9001 syntax error, unexpected CF_SYM_UNDEFINED", Some("9001 syntax error, unexpected CF_SYM_UNDEFINED")),
        ("0009-anycast: disabled\n0000 ", None),
        ("0008-anycast: already disabled\n0000 ", None),
        ("0016 Access restricted", None),
    ] {
        assert_eq!(read(text).refusal().as_deref(), said);
    }
}

#[test]
fn the_status_tells_a_restart_from_a_reconfiguration() {
    let status = status(&read(STATUS)).expect("a status");
    assert_eq!(status.reboot, "2026-11-21 09:31:28.216");
    assert_eq!(status.reconfiguration, "2026-11-21 09:35:20.504");
    assert!(super::status(&read("1000-BIRD 2.0.12\n0013 Daemon is up and running")).is_err());
}

#[test]
fn protocols_are_up_or_down_and_sessions_stand_or_not() {
    let all = protocols(&read(PROTOCOLS)).expect("protocols");
    let shown: Vec<_> = all.iter().map(|p| (p.name.as_str(), p.kind.as_str(), p.enabled, p.established)).collect();
    assert_eq!(
        shown,
        [
            ("device1", "Device", true, false),
            ("anycast", "Static", true, false),
            ("anycast_gshut", "Static", false, false),
            ("upstream", "BGP", true, true),
            ("other", "BGP", true, false),
        ]
    );
    assert!(protocols(&read("1002-device1 Device\n0000 ")).is_err());
}

#[test]
fn the_words_of_who_disabled_it_are_read() {
    let details = "2002-Name       Proto      Table      State  Since         Info\n\
        1002-anycast    Static     master4    down   09:42:26.885  \n\
        1006-  Message:        joe's reason: 100%\n   Channel ipv4\n     State:          DOWN\n \n0000 ";
    assert_eq!(message(&read(details)).as_deref(), Some("joe's reason: 100%"));
    assert_eq!(message(&read(&details.replace("Message:        joe's reason: 100%", "Channel ipv4"))), None);
}

const TWO_PATHS: &str = "1007-Table master4:\n \
    192.0.2.80/32        unreachable [node_01 09:35:20.505 from 127.0.0.11] * (100) [AS65001i]\n\
    1008-\tType: BGP univ\n1012-\tBGP.origin: IGP\n \tBGP.as_path: 65001\n \tBGP.next_hop: 127.0.0.11\n \
    \tBGP.local_pref: 100\n \tBGP.community: (65001,80) (65535,0)\n\
    1007-                     unicast [node_02 2026-11-21] (100) [AS65002i]\n \tvia 10.0.0.2 on eth0\n\
    1008-\tType: BGP univ\n1012-\tBGP.next_hop: 10.0.0.12 fe80::1\n \tBGP.originator_id: 10.9.9.9\n \
    \tBGP.community: (65535,10)\n0000 ";

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[test]
fn paths_are_told_apart_by_their_speakers() {
    let paths = paths(&read(TWO_PATHS)).expect("paths");
    assert_eq!(paths.len(), 2);
    assert_eq!((paths[0].protocol.as_str(), paths[0].marked), ("node_01", true));
    assert_eq!(paths[0].speakers, ips(&["127.0.0.11", "127.0.0.11"]));
    assert_eq!((paths[1].protocol.as_str(), paths[1].marked), ("node_02", false));
    assert_eq!(paths[1].speakers, ips(&["10.0.0.2", "10.0.0.12", "fe80::1", "10.9.9.9"]));
}

#[test]
fn a_static_route_names_its_protocol_and_nobody_else() {
    let text = "1007-Table master4:\n 192.0.2.80/32        blackhole [anycast 09:31:28.216] * (200)\n\
        1008-\tType: static univ\n1007-                     blackhole [gshut 09:35:20.256] (190)\n\
        1008-\tType: static univ\n1012-\tBGP.community: (65535,0)\n0000 ";
    let paths = paths(&read(text)).expect("paths");
    let shown: Vec<_> = paths.iter().map(|p| (p.protocol.as_str(), p.marked)).collect();
    assert_eq!(shown, [("anycast", false), ("gshut", true)]);
    assert!(paths.iter().all(|p| p.speakers.is_empty()));
}

#[test]
fn the_spelling_of_version_3_is_read_too() {
    let text = TWO_PATHS.replace("BGP.next_hop", "bgp_next_hop").replace("BGP.community", "bgp_community");
    assert_eq!(paths(&read(&text)), paths(&read(TWO_PATHS)));
}

#[test]
fn a_line_that_belongs_to_nothing_is_an_error() {
    assert!(paths(&read("1012-\tBGP.next_hop: 10.0.0.1\n0000 ")).is_err());
    assert_eq!(paths(&read("0000 ")), Ok(Vec::new()));
}

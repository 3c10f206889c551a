//! Lines of an include, read and edited.

use serde_json::json;

use super::*;

const FILE: &str = "# the members of app\n\tserver  10.0.0.1:8080\tweight=5  max_fails=2 ;  # rack 3; down\r\n\n\
                    server 10.0.0.2:8080;\nserver 10.0.0.3:8080 backup down;\nkeepalive 16;\n";

fn line(text: &str) -> Line {
    lines(text).expect("readable").into_values().next().expect("a server")
}

/// The line after an edit.
fn to(line: &Line, desired: &Desired) -> String {
    match line.edit(desired).expect("accepted") {
        Edit::To(text) => text,
        Edit::None => line.text.clone(),
    }
}

fn exactly(text: &str) -> Desired {
    Desired::Exactly { exact: Exact(json!({ "line": text })) }
}

#[test]
fn every_server_is_seen() {
    let servers = lines(FILE).expect("readable");
    let seen: Vec<_> =
        servers.values().map(|s| (s.number, s.address.as_str(), s.weight, s.down, &FILE[s.span.clone()])).collect();
    assert_eq!(
        seen,
        [
            (2, "10.0.0.1:8080", 5, false, "\tserver  10.0.0.1:8080\tweight=5  max_fails=2 ;  # rack 3; down"),
            (4, "10.0.0.2:8080", 1, false, "server 10.0.0.2:8080;"),
            (5, "10.0.0.3:8080", 1, true, "server 10.0.0.3:8080 backup down;"),
        ]
    );
    assert_eq!(lines("").expect("an empty file"), BTreeMap::new());
    assert_eq!(line("server [::1]:80;").address, "[::1]:80");
}

#[test]
fn a_file_in_which_a_server_could_be_overlooked_is_refused() {
    for (text, why) in [
        ("server 10.0.0.1:80", "whole directive"),
        ("server\n10.0.0.1:80;", "whole directive"),
        ("server 10.0.0.1:80 # down;\n;", "more than an address"),
        ("keepalive 16; server 10.0.0.1:80;", "more than one directive"),
        ("server 10.0.0.1:80; server 10.0.0.2:80;", "more than one directive"),
        ("server \"10.0.0.1:80\";", "more than an address"),
        ("server;", "without an address"),
        ("server 10.0.0.1:80 weight=0;", "odd weight"),
        ("server 10.0.0.1:80 weight=x;", "odd weight"),
        ("server 10.0.0.1:80 weight=1 weight=2;", "odd weight"),
        ("server 10.0.0.1:80;\nserver 10.0.0.1:80;", "second line"),
        ("upstream app {", "whole directive"),
        ("upstream app { server 10.0.0.1:80; }", "more than one directive"),
        ("a { b;", "block"),
    ] {
        let refused = lines(text);
        assert!(refused.as_ref().is_err_and(|e| e.contains(why)), "{text}: {refused:?}");
    }
}

#[test]
fn only_what_is_meant_to_change_does() {
    let before = line("\tserver  10.0.0.1:8080\tweight=5  max_fails=2 ;  # rack 3");
    let drained = to(&before, &Desired::Drained);
    let plain = "\tserver  10.0.0.1:8080\tweight=5  max_fails=2 down ;  # rack 3";
    assert_eq!(drained, format!("{plain} # set by tidegate {}", digest(plain)));
    let drained = line(&drained);
    assert_eq!((drained.down, drained.weight, drained.hand), (true, 5, Hand::Ours));
    for desired in [Desired::Drained, Desired::Closed, Desired::FreshCheck] {
        assert_eq!(drained.edit(&desired), Ok(Edit::None));
    }
    let ramp = line(&to(&drained, &Desired::Serving { weight: 2 }));
    let plain = "\tserver  10.0.0.1:8080\tweight=2  max_fails=2 ;  # rack 3";
    assert_eq!((marked(&ramp.text).0, ramp.down, ramp.weight, ramp.hand), (plain, false, 2, Hand::Ours));
    assert_eq!(to(&ramp, &exactly(&before.text)), before.text);
}

#[test]
fn a_weight_that_is_not_written_is_one() {
    let before = line("server 10.0.0.1:80;");
    assert_eq!(before.edit(&Desired::Serving { weight: 1 }), Ok(Edit::None));
    let heavier = line(&to(&before, &Desired::Serving { weight: 3 }));
    assert!(heavier.text.starts_with("server 10.0.0.1:80 weight=3; # set by tidegate"), "{}", heavier.text);
    assert!(before.edit(&Desired::Serving { weight: 0 }).is_err());
}

#[test]
fn what_was_down_before_stays_down_afterwards() {
    let before = line("server 10.0.0.1:80 down weight=2 down;");
    assert_eq!(before.edit(&Desired::Drained), Ok(Edit::None));
    assert_eq!(marked(&to(&before, &Desired::Serving { weight: 2 })).0, "server 10.0.0.1:80 weight=2;");
    assert_eq!(before.edit(&exactly(&before.text)), Ok(Edit::None));
}

#[test]
fn another_hand_is_not_overwritten() {
    let before = line("server 10.0.0.1:80 weight=5;");
    let ours = to(&before, &Desired::Drained);
    // The weight was changed, the mark was left.
    let edited = line(&ours.replace("weight=5", "weight=9"));
    assert_eq!(edited.hand, Hand::Edited);
    for desired in [exactly(&before.text), Desired::Serving { weight: 5 }] {
        assert!(edited.edit(&desired).is_err_and(|e| e.contains("another hand edited line 1")), "{desired:?}");
    }
    // Somebody appended to the mark.
    assert_eq!(line(&format!("{ours} (see the ticket)")).hand, Hand::Edited);
    // The line was written anew: it is theirs, and no receipt of ours is about it.
    let theirs = line("server 10.0.0.1:80 weight=9;");
    assert!(theirs.edit(&exactly(&before.text)).is_err_and(|e| e.contains("another hand changed line 1")));
    assert!(theirs.edit(&Desired::Drained).is_ok(), "a new drain begins with what is there");
}

#[test]
fn a_receipt_of_something_else_is_refused() {
    let line = line("server 10.0.0.1:80;");
    for exact in [
        json!(null),
        json!({ "ttl": 30 }),
        json!({ "line": 1 }),
        json!({ "line": "server 10.0.0.2:80;" }),
        json!({ "line": "server 10.0.0.1:80;", "more": 1 }),
        json!({ "line": "server 10.0.0.1:80;\n" }),
        json!({ "line": "return 200;" }),
    ] {
        let refused = line.edit(&Desired::Exactly { exact: Exact(exact.clone()) });
        assert!(refused.as_ref().is_err_and(|e| e.contains("no state of an NGINX server")), "{exact}: {refused:?}");
    }
}

proptest::proptest! {
    /// Whatever the line looks like: through a drain and a ramp, the receipt puts back every byte.
    #[test]
    fn a_receipt_puts_back_every_byte(
        indent in "[ \t]{0,3}",
        parameters in proptest::collection::vec("(weight=[1-9][0-9]?|max_fails=[0-9]|backup|down|slow_start=1s)", 0..4),
        space in "[ \t]{1,2}",
        comment in "( # [a-z;=# ]{0,12})?",
        weight in 1_u32..100,
    ) {
        let words: String = parameters.iter().map(|p| format!("{space}{p}")).collect();
        let text = format!("{indent}server{space}10.0.0.1:80{words};{comment}");
        let Ok(servers) = lines(&text) else { return Ok(()) };
        let before = servers["10.0.0.1:80"].clone();
        let drained = line(&to(&before, &Desired::Drained));
        proptest::prop_assert!(drained.down && drained.weight == before.weight);
        let ramp = line(&to(&drained, &Desired::Serving { weight }));
        proptest::prop_assert!(!ramp.down && ramp.weight == weight);
        // A line that never changed has no mark, and is equal already.
        proptest::prop_assert_eq!(to(&ramp, &exactly(&before.text)), before.text);
    }
}

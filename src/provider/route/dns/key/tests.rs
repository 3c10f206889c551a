//! Key files as BIND and people write them, and those that must not be used.

use std::os::unix::fs::PermissionsExt;

use super::*;

const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0ISEhIQ==";

fn key(text: &str) -> Result<(String, TsigAlgorithm, usize), String> {
    parse(text).map(|key| (key.signer_name().to_ascii(), key.algorithm().clone(), key.key().len()))
}

#[test]
fn what_tsig_keygen_writes() {
    let text = format!("key \"drain\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n");
    assert_eq!(key(&text), Ok(("drain.".into(), TsigAlgorithm::HmacSha256, 31)));
}

#[test]
fn what_people_write() {
    let text = format!(
        "# ours\n// since May\n/* key \"old\" {{ */ key drain.lab.example. {{ secret {SECRET} ; algorithm \"HMAC-SHA512.\"; }} ;"
    );
    assert_eq!(key(&text), Ok(("drain.lab.example.".into(), TsigAlgorithm::HmacSha512, 31)));
}

#[test]
fn what_is_refused_says_why_and_never_shows_the_secret() {
    let statement = |inside: &str| format!("key \"drain\" {{ {inside} }};");
    let good = format!("algorithm hmac-sha256; secret \"{SECRET}\";");
    let cases = [
        (String::new(), "does not begin"),
        ("options { };".into(), "does not begin"),
        (statement("algorithm hmac-sha256;"), "no secret"),
        (statement(&format!("secret \"{SECRET}\";")), "no algorithm"),
        (statement(&format!("algorithm hmac-md5; secret \"{SECRET}\";")), "too weak"),
        (statement(&format!("algorithm hmac-sha1; secret \"{SECRET}\";")), "too weak"),
        (statement(&format!("algorithm hmac-sha256-128; secret \"{SECRET}\";")), "is not hmac-sha256"),
        (statement("algorithm hmac-sha256; secret \"no!base64\";"), "no base64"),
        (statement("algorithm hmac-sha256; secret \"c2hvcnQ=\";"), "5 bytes"),
        (statement("algorithm hmac-sha256; secret \"\";"), "0 bytes"),
        (statement(&format!("{good} {good}")), "once each"),
        (statement(&format!("{good} port 53;")), "once each"),
        (format!("key \"drain\" {{ {good} }}"), "missing at the end"),
        (format!("{0} {0}", statement(&good)), "more than one"),
        (format!("key \"a..b\" {{ {good} }};"), "no valid name"),
        (format!("key \"drain {{ {good} }};"), "no second"),
        (format!("key \"drain\n{{ {good} }};"), "no second"),
        (format!("/* {}", statement(&good)), "no end"),
    ];
    for (text, expected) in cases {
        let why = key(&text).expect_err(&text);
        assert!(why.contains(expected), "{text}: {why}");
        assert!(!why.contains("c2") && !why.contains("base64\""), "the secret is in: {why}");
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drain.key");
    std::fs::write(&path, format!("key drain {{ algorithm hmac-sha256; secret {SECRET}; }};")).expect("a file");
    for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true), (0o644, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        let read = load(&path).map(drop);
        assert_eq!(read.is_err(), open, "{mode:o}: {read:?}");
        if let Err(why) = read {
            assert!(why.contains("chmod 600"), "{why}");
        }
    }
    let missing = load(&folder.path().join("none.key")).map(drop).expect_err("no file");
    assert!(missing.contains("cannot be read"), "{missing}");
    assert!(load(folder.path()).map(drop).expect_err("a folder").contains("no file"));
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drain.key");
    std::fs::write(&path, " ".repeat(80 << 10)).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    assert!(load(&path).map(drop).expect_err("too long").contains("larger than"));
}

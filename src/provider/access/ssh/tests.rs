//! What of SSH needs no other machine: quoting, host names, the private directory.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn every_word_arrives_as_it_is() {
    assert_eq!(quoted(&["ss", "-Htn", "a=b"]).as_deref(), Ok("ss -Htn a=b"));
    assert_eq!(quoted(&["ss", "( sport = :80 )"]).as_deref(), Ok("ss '( sport = :80 )'"));
    let odd = ["printf", "%s|", "", "a b", "it's", "$HOME `id` \"x\" \\ ; & * ? ~ #!", "line\nbreak", "ü"];
    let line = quoted(&odd).expect("a line");
    let said = std::process::Command::new("sh").args(["-c", &line]).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&said.stdout), odd[2..].join("|") + "|");
    assert!(quoted(&[]).is_err());
    assert!(quoted(&["a\0b"]).is_err());
}

#[test]
fn no_host_reads_as_an_option() {
    let directory = tempfile::tempdir().expect("a directory");
    let access = SshAccess::in_directory(None, None, directory.path().join("s")).expect("access");
    for name in ["-oProxyCommand=touch /tmp/x", "", "a b", "a\nb"] {
        assert!(matches!(access.host(name), Err(ProviderError::Refused(_))), "{name:?}");
    }
    assert!(access.host("node-01").is_ok());
}

#[test]
fn the_directory_must_be_ours_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = directory.path().join("open");
    std::fs::create_dir(&open).expect("a directory");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    assert!(matches!(SshAccess::in_directory(None, None, open.clone()), Err(ProviderError::Refused(_))));
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path(), &link).expect("a link");
    assert!(matches!(SshAccess::in_directory(None, None, link), Err(ProviderError::Refused(_))));
    let fresh = directory.path().join("fresh");
    assert!(SshAccess::in_directory(None, None, fresh.clone()).is_ok());
    assert!(SshAccess::in_directory(None, None, fresh).is_ok(), "a second program finds it and takes it");
}

#[tokio::test]
async fn a_command_without_a_master_is_known_not_to_have_been_sent() {
    if !Path::new("/usr/bin/ssh").exists() {
        eprintln!("NOT RUN: ssh is not installed");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let nowhere = Master::at(directory.path().join("no-master"));
    let output = process::run(nowhere.command("node-01", "true"), Duration::from_secs(5)).await.expect("output");
    assert_eq!(output.code, Some(SSH_FAILED));
    assert!(master::never_sent(&output), "{output:?}");
    assert!(!master::never_sent(&Output { stdout: "begun".into(), ..output }));
}

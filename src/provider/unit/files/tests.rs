//! What `files.sh` prints, and a real disk.

use super::*;

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn unit(load: &str, stop: &str) -> String {
    format!(
        "unit app.service\nLoadState={load}\nUnitFileState=disabled\nFragmentPath=/etc/a\nDropInPaths=\nTimeoutStopUSec={stop}\n\
         InactiveExitTimestampMonotonic=1000000\nActiveEnterTimestampMonotonic=3500000\n"
    )
}

#[test]
fn units_and_files() {
    let said = format!(
        "{}file {HASH} /etc/a\nfiles\nfile missing /opt/x\nfile unreadable /opt/y z\n",
        unit("loaded", "1min 30s")
    );
    let machine = parse(&said).expect("understood");
    let unit = machine.units[&UnitName::new("app.service")].clone().expect("there");
    assert_eq!(unit.content[&PathBuf::from("/etc/a")], Ok(Some(HASH.into())));
    assert_eq!(
        (unit.stop_timeout, unit.started_in),
        (Some(Duration::from_secs(90)), Some(Duration::from_millis(2500)))
    );
    assert_eq!(unit.file_state, "disabled");
    assert_eq!(machine.files[&PathBuf::from("/opt/x")], Ok(None));
    assert!(machine.files[&PathBuf::from("/opt/y z")].is_err());
}

#[test]
fn what_is_no_unit_and_what_never_ends() {
    let machine = parse(&unit("not-found", "1min 30s")).expect("understood");
    assert_eq!(machine.units[&UnitName::new("app.service")], None);
    let machine = parse(&unit("loaded", "infinity")).expect("understood");
    assert_eq!(machine.units[&UnitName::new("app.service")].as_ref().and_then(|u| u.stop_timeout), None);
    assert_eq!(parse("files\n"), Ok(Machine::default()));
}

#[test]
fn what_is_not_understood_is_an_error() {
    for said in [
        "what",
        "LoadState=loaded",
        "files\nfile e3b0 /x",
        "files\nfile missing",
        "unit a.service\n",
        &unit("masked", "1s"),
        &unit("loaded", "soon"),
    ] {
        assert!(parse(said).is_err(), "{said:?}");
    }
}

#[tokio::test]
async fn a_real_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let (there, gone) = (folder.path().join("a b"), folder.path().join("gone"));
    std::fs::write(&there, "").expect("written");
    let access = Arc::new(crate::provider::access::local::LocalAccess::default());
    let files = Files::new(access, BTreeMap::from([("here".into(), String::new())]));
    let machine = files.read(&"here".into(), &[], &[&there, &gone]).await.expect("read");
    assert_eq!(machine.files[&there], Ok(Some(HASH.into())));
    assert_eq!(machine.files[&gone], Ok(None));
    assert!(files.read(&"elsewhere".into(), &[], &[]).await.is_err());
}

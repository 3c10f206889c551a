//! The rehearsal of a standby by Pacemaker's own tools, on CIBs in files.

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tidegate::{
    model::{Leave, NodeName},
    provider::{ClusterControl, access::local::LocalAccess, cluster::pacemaker::saved::SavedCib},
};
use tokio::{io::AsyncWriteExt, process::Command};

use super::process;

const LIMIT: Duration = Duration::from_secs(20);

/// A clone behind load balancers, an address (`vip`), a promotable clone (`db`, primary on node-2) and a fencing device.
fn text() -> String {
    fixture("address-and-database.xml")
}

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pacemaker/saved");
    std::fs::read_to_string(folder.join(name)).expect("the fixture")
}

fn tools() -> Option<()> {
    for tool in ["/usr/sbin/crm_simulate", "/usr/sbin/crm_attribute"] {
        process::program(tool)?;
    }
    Some(())
}

fn saved(folder: &tempfile::TempDir, name: &str, text: &str) -> Result<SavedCib, String> {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file");
    SavedCib::read(&path, Arc::new(LocalAccess::new()), LIMIT).map_err(|e| e.to_string())
}

async fn said(cluster: &SavedCib, node: &str) -> Result<Vec<String>, String> {
    let rehearsal = cluster.rehearse(&NodeName::new(node), &Leave::Standby).await.map_err(|e| e.to_string())?;
    Ok(rehearsal.moves.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_standby_is_rehearsed_on_a_saved_cluster() {
    let Some(()) = tools() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = saved(&folder, "cib.xml", &text()).expect("a CIB");
    let on_two = said(&cluster, "node-2").await.expect("a rehearsal");
    let gone = "(node availability)";
    assert_eq!(
        on_two,
        [
            format!("stop app_service on node-2 {gone}"),
            "move vip from node-2 to node-3".into(),
            format!("demote db on node-2 {gone}"),
            format!("stop db on node-2 {gone}"),
            "promote db on node-3".into()
        ]
    );
    let on_three = said(&cluster, "node-3").await.expect("a rehearsal");
    assert_eq!(on_three, [format!("stop app_service on node-3 {gone}"), format!("stop db on node-3 {gone}")]);
    let unknown = said(&cluster, "node-9").await.expect_err("there is no such node");
    assert!(unknown.contains("could not be rehearsed"), "{unknown}");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("cib.xml")).expect("the file"),
        text(),
        "it is left as it was"
    );
}

#[tokio::test]
async fn fewer_instances_than_nodes_start_elsewhere() {
    let Some(()) = tools() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = saved(&folder, "cib.xml", &fixture("two-instances-on-three-nodes.xml")).expect("a CIB");
    assert_eq!(said(&cluster, "node-2").await.expect("a rehearsal"), ["move app_service from node-2 to node-1"]);
    assert_eq!(said(&cluster, "node-1").await.expect("a rehearsal"), ["move power from node-1 to node-2"]);
}

/// Whether Pacemaker itself can make something of it.
async fn accepts(text: &str) -> bool {
    let mut tool = Command::new("/usr/sbin/crm_simulate")
        .args(["--simulate", "--xml-pipe", "--output-as=xml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program");
    let mut stdin = tool.stdin.take().expect("its input");
    let _closed_early = stdin.write_all(text.as_bytes()).await;
    drop(stdin);
    tool.wait().await.expect("its end").success()
}

#[tokio::test]
async fn what_pacemaker_accepts_is_answered_and_what_it_does_not_is_an_error() {
    let Some(()) = tools() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let whole = text();
    let lines: Vec<&str> = whole.lines().collect();
    // Every element of one line in the configuration, and some of the status, taken out one at a time.
    let status = lines.iter().position(|l| l.contains("<status>")).expect("a status");
    let alone = |n: &usize| lines[*n].trim_start().starts_with('<') && lines[*n].trim_end().ends_with("/>");
    let chosen = (0..status).chain((status..lines.len()).step_by(4)).filter(alone);
    let without = |n: usize| lines.iter().enumerate().filter(|(i, _)| *i != n).map(|(_, l)| format!("{l}\n")).collect();
    let cases: Vec<(usize, String)> = chosen.map(|n| (n, without(n))).collect();
    assert!(cases.len() > 30, "{}", cases.len());
    let answers = stream::iter(cases).map(|(n, text)| {
        let folder = &folder;
        async move {
            let accepted = accepts(&text).await;
            let answer = match saved(folder, &format!("{n}.xml"), &text) {
                Ok(cluster) => match cluster.observe().await {
                    Ok(_) => said(&cluster, "node-2").await,
                    Err(error) => Err(error.to_string()),
                },
                Err(error) => Err(error),
            };
            (n, accepted, answer)
        }
    });
    let answers: Vec<_> = answers.buffer_unordered(4).collect().await;
    for (n, accepted, answer) in answers {
        let line = lines[n].trim();
        // Without its entry there is no such node any more.
        let gone = line.contains(r#"uname="node-2""#);
        assert!(answer.is_ok() || !accepted || gone, "Pacemaker accepts it without {line}: {answer:?}");
    }
}

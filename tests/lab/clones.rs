//! From bare units to active-active clones, drift mended one value at a time, and the way back.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::Tidegate,
    lab::{Lab, TidegateConfig},
};

use crate::stage::{JETTY, clean, run, text, tidegate, within};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The version of the configuration: it rises with every change of it.
fn epoch(lab: &Lab) -> Result<String> {
    let head = lab.shell("node-1", "cibadmin --query | head -n 1")?;
    let value = |name: &str| head.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    Ok(format!("{}.{}", value("admin_epoch").context("no epoch")?, value("epoch").context("no epoch")?))
}

fn active(lab: &Lab, node: &str, unit: &str) -> Result<bool> {
    Ok(lab.output(node, &["systemctl", "--quiet", "is-active", unit])?.status.success())
}

/// The texts of what a command says it changed, or would.
fn texts(value: &Value) -> Vec<&str> {
    value["texts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn planned(value: &Value) -> Vec<&str> {
    let services = value["services"].as_array().into_iter().flatten();
    let changes = services.flat_map(|s| s["changes"].as_array().into_iter().flatten());
    changes.map(|c| text(c, "text")).collect()
}

/// The codes of the gates that refused.
fn refusals(value: &Value) -> Vec<&str> {
    value["refusals"].as_array().into_iter().flatten().map(|g| text(g, "code")).collect()
}

/// A drift by another hand is what `plan` shows, and is mended alone; nothing else of the configuration changes.
fn mended(lab: &Lab, tidegate: &Tidegate<'_>, node: &str, drift: &str, said: &str) -> Result<()> {
    let before = lab.shell("node-1", "cibadmin --query --scope configuration")?;
    lab.shell(node, drift)?;
    lab.shell("node-1", "crm_resource --wait --timeout 60")?;
    let plan = run(tidegate, 0, &["clone", "plan", "--json"])?;
    ensure!(planned(&plan) == [said], "{drift}: {:?}, not {said}", planned(&plan));
    let done = run(tidegate, 0, &["clone", "apply", "--yes", "--json"])?;
    ensure!(texts(&done) == [said] && done["missing"] == Value::Array(Vec::new()), "{done}");
    let after = lab.shell("node-1", "cibadmin --query --scope configuration")?;
    ensure!(before == after, "{drift}: more than that was changed:\n{before}\n{after}");
    Ok(())
}

fn same(lab: &Lab, tidegate: &Tidegate<'_>) -> Result<()> {
    let before = epoch(lab)?;
    let again = run(tidegate, 0, &["clone", "apply", "--yes", "--json"])?;
    ensure!(again["changed"] == false && again["missing"] == Value::Array(Vec::new()), "{again}");
    ensure!(epoch(lab)? == before, "a second apply changed the configuration");
    Ok(())
}

#[test]
#[ignore = "needs the lab"]
fn clones_are_made_of_bare_units_and_drift_is_mended_alone() -> Result<()> {
    let lab = clean()?;
    let result = played(&lab);
    // What it leaves is another service and other values: the next test is to find neither, however it ended.
    lab.reset()?;
    result
}

fn played(lab: &Lab) -> Result<()> {
    lab.shell("node-1", "pcs resource delete app_service")?;
    within(60, "bare units", || {
        Ok(!NODES.iter().map(|n| active(lab, n, "app.service")).collect::<Result<Vec<_>>>()?.contains(&true))
    })?;
    lab.shell("node-1", "crm_resource --wait --timeout 60")?;
    let config = TidegateConfig { extra: JETTY.into(), ..TidegateConfig::default() };
    let tidegate = tidegate(lab, "clones.toml", &config)?;
    refused_first(lab, &tidegate)?;

    for (service, resource, port) in [("app", "app_service", 8080), ("jetty", "jetty_service", 8081)] {
        let plan = run(&tidegate, 0, &["clone", "plan", "--service", service, "--json"])?;
        ensure!(text(&plan, "verdict") == "yes" && planned(&plan).len() == 1, "{plan}");
        let done = run(&tidegate, 0, &["clone", "apply", "--service", service, "--yes", "--json"])?;
        ensure!(text(&done, "result") == "done" && done["changed"] == true, "{done}");
        // Nothing is waited for here: that is what apply has done.
        for node in NODES {
            let url = format!("http://{}:{port}/ready", lab.address(node)?);
            let answer = lab.output("control", &["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", &url])?;
            ensure!(answer.stdout == b"200", "{node} does not answer on {port}");
        }
        ensure!(lab.cluster()?.started(resource) == 3, "{resource} is not started on all nodes");
    }
    ensure!(lab.shell("node-1", "crm_verify --live-check; pcs resource config")?.contains("clone-max=3"));
    same(lab, &tidegate)?;
    drifts(lab, &tidegate)?;
    undone(lab, &tidegate)
}

/// What an operator would trip over is refused before anything is touched.
fn refused_first(lab: &Lab, tidegate: &Tidegate<'_>) -> Result<()> {
    let before = epoch(lab)?;
    let apply = ["clone", "apply", "--service", "app", "--yes", "--json"];
    lab.shell("node-2", "mkdir -p /run/systemd/system/app.service.d && printf '[Service]\\nNice=1\\n' > /run/systemd/system/app.service.d/nice.conf && systemctl daemon-reload && systemctl start app.service")?;
    let refused = run(tidegate, 3, &apply);
    lab.shell(
        "node-2",
        "systemctl stop app.service; rm -r /run/systemd/system/app.service.d; systemctl daemon-reload",
    )?;
    let refused = refused?;
    ensure!(refusals(&refused) == ["clone-unit-content", "clone-unit-outside"], "{refused}");
    ensure!(refused.to_string().contains("tidegate clone adopt"), "{refused}");
    let usual = std::fs::read_to_string(lab.write_config("short.toml", &TidegateConfig::default())?)?;
    let short = usual.replace("clone-node-max = 1 }", "clone-node-max = 1, stop-timeout = \"5s\" }");
    ensure!(short != usual, "the lab's configuration is written in another way");
    let path = lab.dir().join("short.toml");
    std::fs::write(&path, short)?;
    let refused = run(&Tidegate::new(lab, path), 3, &["clone", "apply", "--yes", "--json"])?;
    ensure!(refusals(&refused) == ["clone-stop-timeout"] && refused.to_string().contains("fences"), "{refused}");
    ensure!(epoch(lab)? == before, "something was touched");
    Ok(())
}

fn drifts(lab: &Lab, tidegate: &Tidegate<'_>) -> Result<()> {
    mended(
        lab,
        tidegate,
        "node-1",
        "cibadmin --modify --xml-text \"<op id='app_service-monitor-interval-30s' interval='10s'/>\"",
        "app_service: monitor interval 10s → 30s",
    )?;
    mended(lab, tidegate, "node-1", "pcs resource meta app_service-clone clone-max=2", "app_service: clone-max 2 → 3")?;
    mended(
        lab,
        tidegate,
        "node-1",
        "pcs resource meta jetty_service-clone interleave=false",
        "jetty_service: interleave false → true",
    )?;
    mended(
        lab,
        tidegate,
        "node-3",
        "systemctl enable --quiet jetty9.service",
        "jetty9.service on node-3: enabled → disabled at boot",
    )?;
    ensure!(active(lab, "node-3", "jetty9.service")?, "the unit was stopped, and only its boot was meant");
    same(lab, tidegate)
}

/// The last apply is taken back exactly; what somebody changed since is not; what would cut clients off is refused.
fn undone(lab: &Lab, tidegate: &Tidegate<'_>) -> Result<()> {
    let undo = ["clone", "undo", "--yes", "--json"];
    let done = run(tidegate, 0, &undo)?;
    ensure!(texts(&done) == ["jetty9.service on node-3: disabled → enabled at boot"], "{done}");
    let enabled = lab.output("node-3", &["systemctl", "is-enabled", "jetty9.service"])?;
    ensure!(enabled.stdout == b"enabled\n", "it is not enabled again");
    let done = run(tidegate, 0, &undo)?;
    ensure!(texts(&done) == ["jetty_service: interleave true → false"], "{done}");
    // Three instances become two again: one that runs would stop.
    let refused = run(tidegate, 3, &undo)?;
    ensure!(refusals(&refused) == ["clone-stops"], "{refused}");
    lab.shell("node-1", "pcs resource meta app_service-clone clone-max=4")?;
    let before = epoch(lab)?;
    let refused = run(tidegate, 3, &undo)?;
    ensure!(refused.to_string().contains("clone-max of app_service-clone is 4 and no longer 3"), "{refused}");
    ensure!(epoch(lab)? == before, "something was touched");
    let status = run(tidegate, 0, &["clone", "status", "--json"])?;
    ensure!(planned(&status).contains(&"app_service: clone-max 4 → 3"), "{status}");
    ensure!(status["instances"].as_array().is_some_and(|rows| rows.len() == 6), "{status}");
    Ok(())
}

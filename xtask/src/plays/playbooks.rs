//! The runbooks. What would need a network that the lab does not have (packages) is a command that the lab's machines can do.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::drills::Config;
use super::{Case, disturbed, done, jetty, nothing, pairs, people};
use crate::harness::Tidegate;
use crate::lab::Lab;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const PATCH: &str = "rolling-security-patch.toml";
/// A patch that fails on the second node.
const FAILS: &str = "patch=[\"test\", \"{node}\", \"!=\", \"node-2\"]";
const FAILS_REFRESH: &str = "refresh=[\"true\"]";
/// The file that is rolled out, in the lab's folder.
const ROLLED: &str = "rolled-out.conf";
/// Its place on the nodes.
const PLACE: &str = "/etc/app-rolled-out.conf";

pub(super) fn all() -> Vec<Case> {
    let case = |name, file, inputs: &[&str]| Case {
        name,
        file,
        inputs: inputs.iter().map(|text| (*text).to_owned()).collect(),
        config: Config::Balancers,
        consent: None,
        prepare: nothing,
        finish: nothing,
        must_fail: false,
        script: None,
    };
    let own = |name, script| Case { script: Some(script), ..case(name, "", &[]) };
    vec![
        case(
            "rolling-security-patch",
            "rolling-security-patch.toml",
            &[
                "refresh=[\"apt-cache\", \"stats\"]",
                "patch=[\"apt-get\", \"--yes\", \"--no-download\", \"upgrade\"]",
                "soak=1s",
            ],
        ),
        case("kernel-reboot", "kernel-reboot.toml", &["boot=4m", "soak=1s"]),
        Case {
            script: Some(disturbed::reboots),
            ..case("kernel-reboot, killed five times", "kernel-reboot.toml", &["boot=4m", "soak=1s"])
        },
        Case {
            script: Some(disturbed::held),
            ..case("failing patch, hold", PATCH, &[FAILS, FAILS_REFRESH, "soak=1s", "on-failure=hold"])
        },
        Case {
            script: Some(disturbed::restored),
            ..case("failing patch, restore", PATCH, &[FAILS, FAILS_REFRESH, "soak=1s", "on-failure=restore"])
        },
        case(
            "jetty-upgrade",
            "jetty-upgrade.toml",
            &["install=[\"dpkg-reconfigure\", \"--frontend=noninteractive\", \"jetty9\"]", "soak=1s"],
        ),
        case("rolling-restart", "rolling-restart.toml", &["soak=1s"]),
        Case {
            prepare: roll_out,
            ..case(
                "configuration-roll-out",
                "configuration-roll-out.toml",
                &["file=FILE", "path=/etc/app-rolled-out.conf", "verify=[\"true\"]", "soak=5s", "over=5s"],
            )
        },
        Case {
            prepare: sites,
            finish: return_from_site,
            ..case("evacuate-site", "evacuate-site.toml", &["site=b", "approve=false"])
        },
        Case { prepare: repaired, ..case("return-node", "return-node.toml", &["target=node-2", "soak=1s"]) },
        Case {
            prepare: bare,
            finish: disabled,
            ..case("adopt-service", "adopt-service.toml", &["service=app", "soak=1s"])
        },
        Case { script: Some(jetty::upgraded), ..case("jetty-upgrade, a clone", "jetty-upgrade.toml", jetty::INPUTS) },
        own("a person is asked", people::asked),
        own("a person is not there", people::unanswered),
        own("a slow step", people::slow),
        own("its program hangs", people::hung),
        own("two at once", pairs::at_once),
        own("two at once, rebooted", pairs::rebooted),
        own("two at once, too few left", pairs::too_few),
        own("a silent balancer", pairs::silent),
    ]
}

/// The file's place depends on the lab: it is put in when it is known.
pub(super) fn put_in(lab: &Lab, text: &str) -> String {
    text.replace("FILE", &lab.dir().join(ROLLED).display().to_string())
}

fn roll_out(lab: &Lab, _tidegate: &Tidegate<'_>) -> Result<()> {
    fs::write(lab.dir().join(ROLLED), "workers = 8\n")?;
    for node in NODES {
        lab.shell(node, &format!("echo 'workers = 4' > {PLACE}"))?;
    }
    Ok(())
}

fn sites(lab: &Lab, _tidegate: &Tidegate<'_>) -> Result<()> {
    for (node, site) in NODES.iter().zip(["a", "a", "b"]) {
        lab.shell("node-1", &format!("crm_attribute --node {node} --name site --update {site}"))?;
    }
    Ok(())
}

/// What was evacuated comes back by a person's word; it was out until then.
fn return_from_site(lab: &Lab, tidegate: &Tidegate<'_>) -> Result<()> {
    let restored = done(tidegate, &["restore", "node-3", "--yes", "--json"]);
    for node in NODES {
        lab.shell("node-1", &format!("crm_attribute --node {node} --name site --delete"))?;
    }
    restored.map(drop)
}

fn repaired(_lab: &Lab, tidegate: &Tidegate<'_>) -> Result<()> {
    done(tidegate, &["drain", "node-2", "--yes", "--json"]).map(drop)
}

/// No clone; the unit runs on every node as it would after a boot without a cluster.
fn bare(lab: &Lab, _tidegate: &Tidegate<'_>) -> Result<()> {
    lab.shell("node-1", "pcs resource delete app_service")?;
    lab.until("bare units", Duration::from_secs(60), |lab| {
        let state = |node: &&str| lab.shell(node, "systemctl is-active app.service || true");
        Ok(NODES.iter().map(state).collect::<Result<Vec<_>>>()?.iter().all(|s| s.trim() == "inactive"))
    })?;
    for node in NODES {
        lab.shell(node, "systemctl enable --now app.service")?;
    }
    lab.until("every node serves", Duration::from_secs(60), |lab| {
        let up =
            |lb: &str| anyhow::Ok(lab.servers(lb)?.iter().filter(|s| s.backend == "app").all(|s| s.status == "UP"));
        Ok(up("lb-1")? && up("lb-2")?)
    })
}

fn disabled(lab: &Lab, _tidegate: &Tidegate<'_>) -> Result<()> {
    for node in NODES {
        lab.shell(node, "systemctl disable app.service 2> /dev/null")?;
    }
    Ok(())
}

//! What makes one machine different from the next: the few files laid over the shared root file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use super::Options;
use super::duty::{self, give_to};
use super::layout::{Host, Layout, Role, hosts, machines};
use super::seed_files::{FILES, MASKED};
use super::shell::write;

/// Units that every machine starts.
const COMMON: [&str; 2] = ["ssh.service", "dbus.service"];
/// Units that a cluster node starts on top.
const NODE: [&str; 3] = ["corosync.service", "pacemaker.service", "app-sidecar.service"];

/// A cluster that has just begun waits 20 s for an older one before it elects its coordinator; the lab knows
/// that there is none. This is in the file that Pacemaker starts from; all else is set with `pcs` later.
const CIB: &str = r#"<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="cib-bootstrap-options-dc-deadtime" name="dc-deadtime" value="2s"/>
      <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/>
    </cluster_property_set></crm_config>
    <nodes/><resources/><constraints/>
  </configuration>
  <status/>
</cib>
"#;

/// Writes a machine's own files into its layer.
pub(crate) fn create(layout: &Layout, rootfs: &Path, host: &Host, options: &Options) -> Result<()> {
    let upper = layout.upper(host.name);
    write(&upper.join("etc/hostname"), 0o644, &format!("{}\n", host.name))?;
    write(&upper.join("etc/hosts"), 0o644, &hosts_file())?;
    let [.., last] = host.address.octets();
    write(&upper.join("etc/machine-id"), 0o444, &format!("{last:032x}\n"))?;
    for (path, mode, content) in FILES {
        write(&upper.join(path), mode, content)?;
    }
    mask(&upper)?;
    enable(&upper, &COMMON)?;
    match host.role {
        Role::Node => {
            enable(&upper, &NODE)?;
            write(&upper.join("etc/corosync/corosync.conf"), 0o644, &corosync())?;
            let cib = upper.join("var/lib/pacemaker/cib/cib.xml");
            write(&cib, 0o600, CIB)?;
            give_to(rootfs, "hacluster", &cib)?;
        }
        Role::Balancer => {
            enable(&upper, &["haproxy.service"])?;
            // systemd opens the log before the service could make the folder.
            write(&upper.join("var/log/haproxy/access.log"), 0o644, "")?;
            write(&upper.join("etc/haproxy/haproxy.cfg"), 0o644, &options.haproxy.render(host, options.jetty))?;
        }
        Role::NameServer | Role::Router | Role::Namespace => {}
    }
    for duty in duty::duties(layout, host, options)? {
        duty::seed(&duty, rootfs, &upper)?;
        if duty.runs {
            enable(&upper, &[duty.unit])?;
        }
    }
    match_folders(rootfs, &upper)
}

/// Makes the machine boot without units that do nothing for it.
fn mask(upper: &Path) -> Result<()> {
    let folder = upper.join("etc/systemd/system");
    let link =
        |target: &str, name: &str| symlink(target, folder.join(name)).with_context(|| format!("could not link {name}"));
    link("/lib/systemd/system/multi-user.target", "default.target")?;
    MASKED.split_whitespace().try_for_each(|unit| link("/dev/null", unit))
}

/// Links units into the target that the machine boots to.
fn enable(upper: &Path, units: &[&str]) -> Result<()> {
    let wants = upper.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).with_context(|| format!("could not make {}", wants.display()))?;
    for unit in units {
        let ours = upper.join("etc/systemd/system").join(unit).is_file();
        let source = if ours { "/etc/systemd/system" } else { "/lib/systemd/system" };
        symlink(format!("{source}/{unit}"), wants.join(unit)).with_context(|| format!("could not enable {unit}"))?;
    }
    Ok(())
}

fn hosts_file() -> String {
    let mut text = String::from("127.0.0.1 localhost\n");
    for host in machines(true) {
        text.push_str(&format!("{} {}\n", host.address, host.name));
    }
    text
}

/// Three voters on one ring. `udpu` asks nothing of the kernel and little of two processor cores.
fn corosync() -> String {
    let mut text = String::from(
        "totem {\n  version: 2\n  cluster_name: lab\n  transport: udpu\n  token: 1000\n}\n\
         quorum {\n  provider: corosync_votequorum\n}\n\
         logging {\n  to_syslog: yes\n  to_stderr: no\n}\nsystem {\n  allow_knet_handle_fallback: yes\n}\nnodelist {\n",
    );
    for (id, node) in hosts(Role::Node).enumerate() {
        text.push_str(&format!(
            "  node {{\n    name: {}\n    nodeid: {}\n    ring0_addr: {}\n  }}\n",
            node.name,
            id + 1,
            node.address
        ));
    }
    text.push_str("}\n");
    text
}

/// A folder in a machine's layer hides the permissions of the one below it: makes them the same again.
fn match_folders(lower: &Path, upper: &Path) -> Result<()> {
    for entry in fs::read_dir(upper).with_context(|| format!("could not read {}", upper.display()))? {
        let (above, below) = {
            let name = entry?.file_name();
            (upper.join(&name), lower.join(&name))
        };
        if above.is_symlink() || !above.is_dir() || !below.is_dir() {
            continue;
        }
        let model = fs::metadata(&below)?;
        chown(&above, Some(model.uid()), Some(model.gid()))?;
        fs::set_permissions(&above, model.permissions())?;
        match_folders(&below, &above)?;
    }
    Ok(())
}

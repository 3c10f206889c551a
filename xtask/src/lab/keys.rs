//! SSH as a user would have it: keys made at boot, known hosts, and a configuration file for `ssh -F`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::layout::{Layout, machines};
use super::shell::{run, tool, write};

/// Makes the user's key and every machine's host key, and the files for the client's side.
pub(crate) fn create(layout: &Layout, routes: bool) -> Result<()> {
    let user = layout.file("ssh_key");
    make(&user, "lab")?;
    let authorized = read(&user.with_extension("pub"))?;
    let mut known = String::new();
    let mut config =
        String::from("# Made by `cargo xtask lab up`. Use it in the control namespace: ssh -F FILE node-1\n");
    for host in machines(routes) {
        let etc = layout.upper(host.name).join("etc/ssh");
        fs::create_dir_all(&etc).with_context(|| format!("could not make {}", etc.display()))?;
        let key = etc.join("ssh_host_ed25519_key");
        make(&key, host.name)?;
        let public = read(&key.with_extension("pub"))?;
        known.push_str(&format!("{},{} {}\n", host.name, host.address, public.trim_end()));
        config.push_str(&format!("Host {}\n    HostName {}\n", host.name, host.address));
        let root = layout.upper(host.name).join("root");
        write(&root.join(".ssh/authorized_keys"), 0o600, &authorized)?;
        for folder in [root.join(".ssh"), root] {
            set_private(&folder)?;
        }
    }
    let known_hosts = layout.file("known_hosts");
    write(&known_hosts, 0o644, &known)?;
    // The default key exchange, safe against tomorrow's computers, costs 0.14 s of today's.
    config.push_str(&format!(
        "Host *\n    User root\n    IdentityFile {}\n    IdentitiesOnly yes\n    UserKnownHostsFile {}\n    \
         GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n    HostKeyAlgorithms ssh-ed25519\n    \
         KexAlgorithms curve25519-sha256\n    PasswordAuthentication no\n    GSSAPIAuthentication no\n    ConnectTimeout 5\n    LogLevel ERROR\n",
        user.display(),
        known_hosts.display(),
    ));
    write(&layout.file("ssh_config"), 0o600, &config)
}

fn make(path: &Path, comment: &str) -> Result<()> {
    run(tool("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(path))?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

/// sshd refuses keys in folders that others may write to.
fn set_private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("could not set the permissions of {}", folder.display()))
}

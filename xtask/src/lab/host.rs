//! What this machine must offer: root, and a handful of Debian packages, installed when they are missing.

use anyhow::{Result, bail};

use crate::packages::{self, Need, need};

/// What the lab itself calls on this machine.
const NEEDED: [Need; 8] = [
    need("mmdebstrap", "mmdebstrap", "it makes the machines' root file system"),
    need("systemd-nspawn", "systemd-container", "it boots the machines"),
    need("ip", "iproute2", "the lab's network is made of namespaces"),
    need("nft", "nftables", "cut lines are packet filters"),
    need("ssh", "openssh-client", "machines are reached over SSH"),
    need("nsenter", "util-linux", "commands are run in machines and namespaces"),
    need("curl", "curl", "the application is asked whether it is ready"),
    need(
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
        "the root file system's packages are checked against it",
    ),
];

/// Fails unless the caller is root: namespaces, mounts and control groups need it.
pub(crate) fn require_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the lab boots machines and needs root: run it again with sudo");
    }
    Ok(())
}

/// Installs what is missing, and says so on stderr.
pub(crate) fn install_missing() -> Result<()> {
    let missing = packages::ensure(&NEEDED)?;
    if !missing.is_empty() {
        bail!("the lab needs, from Debian: {}", packages::names(&missing));
    }
    Ok(())
}

//! Programs of the operating system that the tests run against: present, or installed, or named as missing.
//!
//! Packages of this kind start a service when they are installed, and again at the next boot; a machine that runs
//! tests should not wake up with a cluster manager on it. `policy-rc.d` is Debian's own answer to the first: while it
//! says 101, no service starts. Their units are disabled right after for the second.

use std::{
    env, fs, io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A program that is needed, and where Debian has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The program, as it is on the PATH, or a file by its whole path.
    pub program: &'static str,
    /// Debian's package.
    pub package: &'static str,
    /// What it is needed for.
    pub why: &'static str,
    /// Units that the package would start at the next boot.
    pub units: &'static [&'static str],
}

pub(crate) const fn need(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { program, package, why, units: &[] }
}

/// What the tests of the providers drive: real programs, in folders and on sockets of their own.
pub const FOR_TESTS: [Need; 14] = [
    Need {
        units: &["haproxy.service"],
        ..need("haproxy", "haproxy", "the HAProxy provider is held against a real one")
    },
    Need {
        units: &["pacemaker.service", "corosync.service"],
        ..need("crm_simulate", "pacemaker-cli-utils", "Pacemaker's own scheduler and views, without a cluster")
    },
    Need {
        units: &["ssh.service"],
        ..need("sshd", "openssh-server", "other machines are reached through a real sshd")
    },
    Need { units: &["bird.service"], ..need("bird", "bird2", "prefixes are withdrawn from a real BIRD") },
    Need { units: &["frr.service"], ..need("vtysh", "frr", "prefixes are withdrawn from a real bgpd") },
    Need { units: &["nginx.service"], ..need("nginx", "nginx-light", "the NGINX provider is held against a real one") },
    Need { units: &["named.service"], ..need("named", "bind9", "the DNS provider is held against a real BIND") },
    Need {
        units: &["prometheus.service"],
        ..need("promtool", "prometheus", "the rules for Prometheus are held against its own tool")
    },
    need("chromium", "chromium", "reports are opened in a real browser"),
    need("nsupdate", "bind9-dnsutils", "another hand changes a zone while the DNS provider does"),
    need("ssh", "openssh-client", "other machines are reached through the real ssh"),
    need("ss", "iproute2", "the sockets of a node are read from the real ss"),
    need("dbus-daemon", "dbus-daemon", "systemd's bus is reached through a real one"),
    need("systemd-stdio-bridge", "systemd", "systemd's bus is reached over SSH"),
];

/// What is still missing after everything possible was done about it.
pub fn ensure(needs: &[Need]) -> Result<Vec<Need>> {
    let missing = absent(needs);
    if missing.is_empty() {
        return Ok(missing);
    }
    if !rustix::process::geteuid().is_root() || !is_there("apt-get") {
        return Ok(missing);
    }
    for need in &missing {
        eprintln!("xtask: installing {}: {}", need.package, need.why);
    }
    install(&missing)?;
    let still = absent(needs);
    if still.is_empty() { Ok(still) } else { bail!("installed, and still not on the PATH: {}", names(&still)) }
}

/// The packages in one line.
pub fn names(needs: &[Need]) -> String {
    needs.iter().map(|n| n.package).collect::<Vec<_>>().join(" ")
}

/// Whether a program is on the PATH, or where only root has it.
pub fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into);
    env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}

fn absent(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|n| !is_there(n.program)).collect()
}

fn install(needs: &[Need]) -> Result<()> {
    let _quiet = NoServices::begin(Path::new("/usr/sbin/policy-rc.d"))?;
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(needs.iter().map(|n| n.package));
    apt(&arguments)?;
    for unit in needs.iter().flat_map(|n| n.units) {
        // A unit that this package did not bring is as good as disabled.
        let _ = Command::new("systemctl").args(["--quiet", "disable", unit]).stdin(Stdio::null()).output();
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["--quiet=2", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("could not run apt-get")?;
    if !output.status.success() {
        bail!("apt-get {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// While it lives, package scripts start no service. A policy that was there before is respected and left alone.
struct NoServices<'a> {
    ours: Option<&'a Path>,
}

impl<'a> NoServices<'a> {
    fn begin(path: &'a Path) -> Result<Self> {
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(path);
        match file {
            Ok(mut file) => {
                io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n").context("could not write policy-rc.d")?;
                Ok(Self { ours: Some(path) })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Self { ours: None }),
            Err(error) => Err(error).with_context(|| format!("could not write {}", path.display())),
        }
    }
}

impl Drop for NoServices<'_> {
    fn drop(&mut self) {
        let Some(path) = self.ours else { return };
        if let Err(error) = fs::remove_file(path) {
            eprintln!("xtask: remove {} by hand, or no service will start: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing() {
        let sh = need("sh", "dash", "a test");
        let none = need("no-such-program-anywhere", "none", "a test");
        assert_eq!(absent(&[sh, none]), [none]);
        assert_eq!(names(&[sh, none]), "dash none");
    }

    #[test]
    fn the_policy_lasts_as_long_as_the_installation() {
        let path = env::temp_dir().join(format!("xtask-policy-{}", std::process::id()));
        {
            let _quiet = NoServices::begin(&path).expect("a policy");
            let policy = Command::new(&path).status().expect("an executable policy");
            assert_eq!(policy.code(), Some(101));
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_policy_of_somebody_else_stays() {
        let path = env::temp_dir().join(format!("xtask-theirs-{}", std::process::id()));
        fs::write(&path, "theirs").expect("a file");
        drop(NoServices::begin(&path).expect("no policy of our own"));
        assert_eq!(fs::read_to_string(&path).expect("still there"), "theirs");
        fs::remove_file(&path).expect("removed");
    }
}

//! The root file system that all machines share, built once and kept.
//!
//! A build goes into a folder of its own and is renamed when complete, so that a cut build is never taken for
//! a whole one. The folder's name carries a hash of the package list and the recipe: a change of either makes a
//! new one. Nothing is ever written to it afterwards; machines put a layer of their own over it (`seed`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::layout;
use super::shell::{self, tool};

/// What every machine has on board; which of it runs is decided per machine.
const PACKAGES: &str = "systemd systemd-sysv dbus pacemaker pacemaker-cli-utils corosync pcs openssh-server \
    iproute2 iputils-ping procps nftables curl socat haproxy python3 bird2 frr bind9 bind9-utils bind9-dnsutils \
    nginx-light jetty9";

/// Debian's release in the machines, whatever this machine runs.
const SUITE: &str = "bookworm";

/// Run in the fresh file system (`$1`), after the packages are in.
const RECIPE: &str = include_str!("../../files/rootfs.sh");

/// The shared root file system; builds it where the cache has none for this recipe.
pub(crate) fn ensure() -> Result<PathBuf> {
    let cache = layout::cache_root();
    fs::create_dir_all(&cache).with_context(|| format!("could not make {}", cache.display()))?;
    let finished = cache.join(format!("rootfs-{}", key()));
    if finished.is_dir() {
        return Ok(finished);
    }
    // One build at a time: a second `up` waits here, and then finds the first one's work.
    let lock = File::create(cache.join("lock")).context("could not open the cache's lock")?;
    lock.lock().context("could not take the cache's lock")?;
    if finished.is_dir() {
        return Ok(finished);
    }
    let started = Instant::now();
    eprintln!("lab: building the root file system in {} (once, about a minute)", cache.display());
    for entry in fs::read_dir(&cache)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("building-") {
            fs::remove_dir_all(entry.path()).context("could not remove what a cut build left")?;
        }
    }
    let building = cache.join(format!("building-{}", key()));
    bootstrap(&building)?;
    shell::run(tool("sh", &["-euc", RECIPE, "rootfs.sh"]).arg(&building))?;
    fs::rename(&building, &finished).context("could not put the finished root file system in place")?;
    eprintln!("lab: root file system built in {:.0?}", started.elapsed());
    Ok(finished)
}

/// Fills a folder with Debian and the packages.
fn bootstrap(target: &Path) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--quiet", "--variant=minbase", "--mode=root"])
        .arg(format!("--include={}", PACKAGES.split_whitespace().collect::<Vec<_>>().join(",")))
        .args([
            // Folders of manual pages stay: Java's installer links into them.
            "--dpkgopt=path-exclude=/usr/share/man/*/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=force-unsafe-io",
            "--aptopt=Acquire::Retries \"3\"",
            "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
        ])
        .arg(SUITE)
        .arg(target)
        .args(sources());
    shell::run(&mut command).context("could not build the root file system (is Debian's mirror reachable?)")?;
    Ok(())
}

/// The Debian mirrors that this machine uses already, or the public ones.
fn sources() -> Vec<String> {
    let format = "--format=deb $(REPO_URI) $(CODENAME) main|$(ORIGIN)";
    let known =
        shell::text(&mut tool("apt-get", &["indextargets", format, "Created-By: Packages"])).unwrap_or_default();
    let mut lines: Vec<String> = known
        .lines()
        .filter(|line| line.contains(&format!(" {SUITE}")))
        .filter_map(|line| line.strip_suffix("|Debian"))
        .map(str::to_owned)
        .collect();
    lines.dedup();
    if !lines.iter().any(|line| line.ends_with(&format!(" {SUITE} main"))) {
        lines = vec![
            format!("deb http://deb.debian.org/debian {SUITE} main"),
            format!("deb http://deb.debian.org/debian-security {SUITE}-security main"),
        ];
    }
    lines
}

/// A short name for exactly these inputs (FNV-1a: stable between compilers, and no secret is at stake).
fn key() -> String {
    let hash = [PACKAGES, SUITE, RECIPE]
        .iter()
        .flat_map(|text| text.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

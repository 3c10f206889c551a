//! The binaries that the lab runs on this machine's file system, built when they are asked for.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::shell;

/// Builds Tidegate's binary (`profile` is `debug` or `release`) and hands back its path.
pub fn tidegate(profile: &str) -> Result<PathBuf> {
    build("tidegate", "tidegate", profile, &target_folder()?)
}

/// The `xtask` binary: this one, or, for a test, the one that cargo builds into the same target folder.
pub(crate) fn xtask() -> Result<PathBuf> {
    let this = std::env::current_exe().context("could not find this program's file")?;
    if this.file_name().is_some_and(|name| name == "xtask") {
        return Ok(this);
    }
    build("xtask", "xtask", "debug", &target_folder()?)
}

/// Cargo's target folder, from where this program itself is.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let this = std::env::current_exe().context("could not find this program's file")?;
    let profile =
        this.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "debug" || name == "release"));
    match profile.and_then(Path::parent) {
        Some(target) => Ok(target.to_owned()),
        None => bail!("this program is not in cargo's target folder; run it by `cargo xtask` or `cargo test`"),
    }
}

fn build(package: &str, binary: &str, profile: &str, target: &Path) -> Result<PathBuf> {
    let mut command = crate::cargo::cargo();
    command
        .args(["build", "--quiet", "--package", package, "--bin", binary, "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .stdin(Stdio::null());
    if profile == "release" {
        command.arg("--release");
    }
    shell::run(&mut command).with_context(|| format!("could not build {binary}"))?;
    Ok(target.join(profile).join(binary))
}

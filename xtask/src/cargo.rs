//! Cargo, started by a program that cargo itself started.

use std::{env, ffi::OsString, process::Command};

/// What cargo sets for the program that it runs. Build scripts (of `ring`, for one) ask to run again where these change:
/// handed on, they would have half of the dependencies built anew, each time that `cargo xtask` and plain `cargo` alternate.
const OURS: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// The cargo that runs this program, without what it set for this program.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    let names = env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| OURS.iter().any(|ours| name.to_string_lossy().starts_with(ours))) {
        command.env_remove(name);
    }
    command
}

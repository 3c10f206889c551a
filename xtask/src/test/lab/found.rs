//! Which tests there are: cargo builds their programs and says where they are, and each program lists its own.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::child::{self, How};

/// Builds them, with a line of JSON for each thing built.
const BUILD: [&str; 7] = ["test", "--locked", "--workspace", "--test", "lab", "--no-run", "--message-format=json"];
/// Asks a program for its tests.
const LIST: [&str; 3] = ["--ignored", "--list", "--format=terse"];

/// A test that needs a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Test {
    /// As its program lists it.
    pub(super) name: String,
    /// The program that it is in.
    pub(super) program: PathBuf,
    /// Where cargo would run that: the folder of its package.
    pub(super) folder: PathBuf,
    /// Whether it boots labs of its own, and needs none that is up.
    pub(super) own: bool,
}

impl Test {
    /// The command that runs it alone; what it says is all on stdout, and comes at once: the words of one that hangs are
    /// not lost.
    pub(super) fn command(&self, lab: Option<&str>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(&self.program).arg(&self.name);
        command.args(["--exact", "--ignored", "--test-threads=1", "--nocapture"]).current_dir(&self.folder);
        // The reasons of a failure are what somebody looks for at the end of a long output, not where it was noticed.
        command.env("RUST_BACKTRACE", "0");
        match lab {
            Some(prefix) => command.env("TIDEGATE_LAB", prefix),
            None => command.env_remove("TIDEGATE_LAB"),
        };
        command
    }
}

/// All of them; builds what is not built.
pub(super) fn all(root: &Path, limit: Duration) -> Result<Vec<Test>> {
    let messages = output(&mut child::cargo(root, &BUILD), limit).context("the lab's tests do not build")?;
    let mut tests = Vec::new();
    for (program, folder) in messages.lines().filter_map(built) {
        let listed = output(Command::new(&program).args(LIST).current_dir(&folder), limit)
            .with_context(|| format!("{} does not list its tests", program.display()))?;
        let own = folder != root;
        let test = |name| Test { name, program: program.clone(), folder: folder.clone(), own };
        tests.extend(listed.lines().filter_map(self::listed).map(test));
    }
    ensure!(!tests.is_empty(), "no test needs the lab: they are not where they were");
    Ok(tests)
}

/// What a command prints. Where it fails, that goes to stdout for a person to read.
fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let mut out = Vec::new();
    let ended = child::run_into(command, limit, &mut out)?;
    if ended.how != How::Well {
        let _ = std::io::stdout().write_all(&out);
    }
    ensure!(ended.how == How::Well, "{}", ended.how);
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The program of tests that a line of cargo's tells of, with the folder of its package.
fn built(line: &str) -> Option<(PathBuf, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message.pointer("/target/kind/0").is_some_and(|kind| kind == "test");
    let program = message.get("executable").and_then(Value::as_str).filter(|_| is_test)?;
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    Some((PathBuf::from(program), manifest.parent()?.to_owned()))
}

fn listed(line: &str) -> Option<String> {
    line.strip_suffix(": test").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_list() {
        assert_eq!(listed("drain::loses_nothing: test").as_deref(), Some("drain::loses_nothing"));
        assert_eq!(listed("3 tests, 0 benchmarks"), None);
    }

    #[test]
    fn programs_of_tests_are_read_from_cargos_messages() {
        let line = |kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/r/xtask/Cargo.toml","target":{{"kind":["{kind}"],"name":"lab"}},"executable":{executable}}}"#
            )
        };
        let program = (PathBuf::from("/r/target/debug/deps/lab-1"), PathBuf::from("/r/xtask"));
        assert_eq!(built(&line("test", "\"/r/target/debug/deps/lab-1\"")), Some(program));
        // What the tests are built with is built, too.
        assert_eq!(built(&line("bin", "\"/r/target/debug/xtask\"")), None);
        assert_eq!(built(&line("lib", "null")), None);
        assert_eq!(built(r#"{"reason":"build-finished","success":true}"#), None);
    }
}

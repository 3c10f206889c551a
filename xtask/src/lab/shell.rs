//! Running the system's own tools, with errors that show what was run and what it said.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a command to its end; an exit code other than 0 is an error that quotes its stderr.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let output = output(command)?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", shown(command), output.status, told(&output));
    }
    Ok(output)
}

/// Runs a command to its end and hands back whatever came out of it.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().with_context(|| format!("could not run {}", shown(command)))
}

/// Runs a command and hands back its stdout as text, without the last newline.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// `program` with `arguments`, ready to be run by the functions above.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Feeds `input` to a command's stdin, and fails as [`run`] does.
pub(crate) fn feed(command: &mut Command, input: &str) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {}", shown(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that ends early closes the pipe; its exit code tells more than the broken pipe does.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{} ended with {}: {}", shown(command), output.status, told(&output));
    }
    Ok(output)
}

/// Writes a file with these permissions, making the folders above it.
pub(crate) fn write(path: &Path, mode: u32, content: &str) -> Result<()> {
    let failed = || format!("could not write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).with_context(failed)?;
    file.write_all(content.as_bytes()).with_context(failed)?;
    // `mode` is cut by the umask and ignored for a file that was there before.
    file.set_permissions(fs::Permissions::from_mode(mode)).with_context(failed)
}

/// Asks again every `pause` until `look` says yes; its last answer goes into the error after `limit`.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    pause: Duration,
    mut look: impl FnMut() -> Result<Answer>,
) -> Result<()> {
    let started = Instant::now();
    loop {
        let missing = match look() {
            Ok(Answer::Yes) => return Ok(()),
            Ok(Answer::NotYet(why)) => why,
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() >= limit {
            bail!("waited {:.0?} for {what}; still missing: {missing}", started.elapsed());
        }
        std::thread::sleep(pause);
    }
}

/// What a look at the lab said: done, or what is still missing.
pub(crate) enum Answer {
    /// The condition holds.
    Yes,
    /// It does not hold yet, for this reason.
    NotYet(String),
}

/// The command line as a person would type it, near enough to copy.
fn shown(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// What a failed command said, on stderr or else on stdout.
fn told(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let said = if stderr.trim().is_empty() { stdout } else { stderr };
    let said = said.trim();
    // The end of a long text is where the reason is.
    match said.char_indices().rev().nth(1500) {
        Some((start, _)) => format!("…{}", &said[start..]),
        None => said.to_owned(),
    }
}

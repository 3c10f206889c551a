//! The local end of the power switch: asks the supervisor over its socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::layout::Layout;
use super::supervisor::Power;

/// Sends one command; an answer that begins with `error` is an error.
pub(crate) fn ask(layout: &Layout, line: &str) -> Result<String> {
    let socket = layout.switch_socket();
    let mut stream = UnixStream::connect(&socket).with_context(|| {
        format!(
            "the lab {:?} is not running (nothing answers on {}); start it with `cargo xtask lab up`",
            layout.prefix(),
            socket.display()
        )
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("the power switch gave no answer to {line:?}"))?;
    if answer.starts_with("error") {
        bail!("power switch: {answer}");
    }
    Ok(answer)
}

/// Power and leader of every machine.
pub(crate) fn machines(layout: &Layout) -> Result<Vec<Power>> {
    serde_json::from_str(&ask(layout, "machines")?).context("the power switch's answer is not readable")
}

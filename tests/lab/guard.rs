//! The guard on a real cluster: what happens to clients when something is lost that nobody drained.

use std::{
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::{
    harness::{Child, Load, LoadResult, LoadSpec, Tidegate},
    lab::{APP_PORT, Entrance, Haproxy, Lab, RouteText, TidegateConfig, ZONE},
};

use crate::stage::{NODE, Routes, run, tidegate};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// A coordinator that works; it ends when dropped.
struct Serving(Child);

impl Serving {
    fn start(tidegate: &Tidegate<'_>, mode: &str) -> Result<Self> {
        let arguments = ["serve", "--guard", mode, "--metrics", "127.0.0.1:9750"];
        let serving = Self(Child::start(&mut tidegate.command(&arguments)?, Stdio::null())?);
        // Everything has been probed and seen a few times.
        sleep(Duration::from_secs(4));
        Ok(serving)
    }
}

fn load(lab: &Lab, urls: Vec<String>) -> Result<Load> {
    Load::start(lab, LoadSpec { rate: 100, urls, keep_alive: 0, timeout: Duration::from_secs(3), ..LoadSpec::default() })
}

fn notes(tidegate: &Tidegate<'_>) -> Result<Vec<Value>> {
    let told = run(tidegate, 0, &["guard", "--json"])?;
    Ok(told["notes"].as_array().context("no notes")?.clone())
}

fn has(notes: &[Value], word: &str, server: &str) -> bool {
    notes.iter().any(|n| n["note"] == word && (n["target"]["server"] == server || n["node"] == server))
}

/// Waits for a note.
fn told(tidegate: &Tidegate<'_>, word: &str, node: &str, limit: Duration) -> Result<()> {
    let started = Instant::now();
    loop {
        let notes = notes(tidegate)?;
        if has(&notes, word, node) {
            return Ok(());
        }
        ensure!(started.elapsed() < limit, "no note {word} of {node} after {limit:?}: {notes:#?}");
        sleep(Duration::from_millis(100));
    }
}

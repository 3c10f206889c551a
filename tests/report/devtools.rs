//! A headless Chromium, spoken to over two pipes in its own protocol, so that what a page does is seen as it happens: what
//! it asks for, what it logs, and what is drawn. No port is opened.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};
use tempfile::TempDir;

/// More than any single answer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Debian's name of the program.
const PROGRAM: &str = "/usr/bin/chromium";
/// A page in one message, with room: a screenshot or a printed page as text.
const LARGEST: u64 = 64 << 20;

/// A browser with one open page.
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    events: Vec<Value>,
    _folder: TempDir,
}

impl Browser {
    /// Starts one. `None`, with a loud word, where there is none on this machine.
    pub fn start() -> Result<Option<Self>> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("NOT RUN: {PROGRAM} is not installed: no report is opened in a browser");
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let (into, out) = (folder.path().join("to"), folder.path().join("from"));
        for pipe in [&into, &out] {
            mkfifoat(CWD, pipe, Mode::RUSR | Mode::WUSR).with_context(|| pipe.display().to_string())?;
        }
        let child = Command::new("/bin/sh")
            // Its end of the pipes are the descriptors 3 and 4.
            .args(["-c", "exec \"$@\" 3<\"$TO\" 4>\"$FROM\"", "sh", PROGRAM])
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
            // Whatever a page asks for by name, nothing leaves this machine.
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .envs([("TO", &into), ("FROM", &out)])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()?;
        // Read and write, so that neither waits for a program that did not come up.
        let to = OpenOptions::new().read(true).write(true).open(&into)?;
        let from = OpenOptions::new().read(true).write(true).open(&out)?;
        let mut browser =
            Self { child, to, from: listen(from), session: None, last_id: 0, events: Vec::new(), _folder: folder };
        browser.attach()?;
        Ok(Some(browser))
    }

    fn attach(&mut self) -> Result<()> {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }))?["targetId"].clone();
        let attached = self.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }))?;
        self.session = Some(attached["sessionId"].as_str().context("no session")?.to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(())
    }

    /// Asks for something and waits for the answer; what is told meanwhile is kept.
    pub fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes())?;
        let deadline = Instant::now() + LIMIT;
        loop {
            let told = self.next(deadline).with_context(|| format!("no answer to {method}"))?;
            if told["id"] != json!(id) {
                self.events.push(told);
            } else if told["error"].is_null() {
                return Ok(told["result"].clone());
            } else {
                bail!("{method}: {}", told["error"]);
            }
        }
    }

    fn next(&self, deadline: Instant) -> Result<Value> {
        let left = deadline.saturating_duration_since(Instant::now());
        Ok(self.from.recv_timeout(left)?)
    }

    /// Opens a page and waits until it is loaded, and what it begins right after has begun. Tells what happened.
    pub fn open(&mut self, file: &Path) -> Result<Seen> {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", json!({ "url": url }))?;
        let deadline = Instant::now() + LIMIT;
        while !self.events.iter().any(|e| e["method"] == "Page.loadEventFired") {
            let told = self.next(deadline).context("the page does not load")?;
            self.events.push(told);
        }
        // Two frames later everything that loading set off was at least asked for.
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")?;
        Ok(Seen::of(&self.events, &url))
    }

    /// The value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked)?;
        if !answer["exceptionDetails"].is_null() {
            bail!("{expression}: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].clone())
    }
}

impl Drop for Browser {
    #[expect(clippy::disallowed_methods, reason = "a moment, at the end of a process")]
    fn drop(&mut self) {
        self.session = None;
        let _ = self.call("Browser.close", json!({}));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a page did while it was opened.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whatever it asked for besides itself.
    pub requests: Vec<String>,
    /// Whatever was logged: errors of scripts, of the network, of the page's policy, and words of its own.
    pub logged: Vec<String>,
}

impl Seen {
    fn of(events: &[Value], url: &str) -> Self {
        let mut seen = Self::default();
        for event in events {
            let what = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" if what["request"]["url"] != url => {
                    seen.requests.push(what["request"]["url"].to_string());
                }
                "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                    seen.logged.push(what.to_string());
                }
                _ => {}
            }
        }
        seen
    }
}

/// Reads messages on a thread of its own until the browser is gone.
fn listen(from: File) -> Receiver<Value> {
    let (sender, receiver) = sync_channel(10_000);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut message = Vec::new();
        loop {
            message.clear();
            let read = std::io::Read::take(&mut from, LARGEST).read_until(0, &mut message);
            let whole = message.pop() == Some(0);
            let Some(value) = read.ok().filter(|_| whole).and_then(|_| serde_json::from_slice(&message).ok()) else {
                return;
            };
            if sender.send(value).is_err() {
                return;
            }
        }
    });
    receiver
}

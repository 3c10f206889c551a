//! What the tests share: a clean lab, Tidegate on it, long requests at a chosen node, and questions to the servers.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
pub use xtask::lab::{JETTY, jetty_beside};
use xtask::{
    harness::{self, Load, LoadSpec, Tidegate},
    lab::{Lab, Options, Proxy, TidegateConfig},
};

pub const NODE: &str = "node-2";
/// Weights that nobody would set back by chance.
pub const WEIGHTS: [(&str, &str); 2] = [("lb-1", "37"), ("lb-2", "53")];

/// The lab of this test run, clean, with uneven weights for the node.
pub fn clean() -> Result<Lab> {
    harness::use_program(env!("CARGO_BIN_EXE_tidegate"));
    let lab = Lab::attach(&std::env::var("TIDEGATE_LAB").unwrap_or_else(|_| "tg".into()))?;
    lab.reset()?;
    let _ = std::fs::remove_file(lab.dir().join("journal.db"));
    let _ = std::fs::remove_file(lab.dir().join("journal.db-wal"));
    let _ = std::fs::remove_file(lab.dir().join("journal.db-shm"));
    uneven(&lab)?;
    Ok(lab)
}

/// A lab with every route, clean: this run's own where it has them, else one that is booted for the test.
pub struct Routes {
    pub lab: Lab,
    own: bool,
}

impl Routes {
    pub fn clean(proxies: &[Proxy]) -> Result<Self> {
        harness::use_program(env!("CARGO_BIN_EXE_tidegate"));
        let lab = Lab::attach(&std::env::var("TIDEGATE_LAB").unwrap_or_else(|_| "tg".into()))?;
        let routes = match lab.options().routes {
            true => Self { lab, own: false },
            false => {
                let prefix = format!("r{}", std::process::id());
                Self { lab: Lab::up(Options { prefix, routes: true, ..Options::default() })?, own: true }
            }
        };
        routes.lab.reset()?;
        routes.lab.run_proxies(proxies)?;
        Ok(routes)
    }

    /// Plays a test. What it left behind where it failed is put right at once: other tests share the lab.
    pub fn play(&self, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
        let result = test(&self.lab);
        if result.is_err()
            && !self.own
            && let Err(error) = self.lab.reset()
        {
            eprintln!("the lab could not be reset: {error:#}");
        }
        result
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        let prefix = self.lab.options().prefix.clone();
        if self.own
            && let Err(error) = Lab::down(&prefix)
        {
            eprintln!("the lab {prefix} could not be removed: {error:#}");
        }
    }
}

/// Gives the node its uneven weights; HAProxy forgets them with each reload.
pub fn uneven(lab: &Lab) -> Result<()> {
    for (lb, weight) in WEIGHTS {
        lab.haproxy(lb, &format!("set server app/{NODE} weight {weight}"))?;
    }
    Ok(())
}

pub fn tidegate<'a>(lab: &'a Lab, name: &str, config: &TidegateConfig) -> Result<Tidegate<'a>> {
    Ok(Tidegate::new(lab, lab.write_config(name, config)?))
}

pub fn load(lab: &Lab) -> Result<Load> {
    let load = Load::start(lab, LoadSpec { rate: 150, timeout: Duration::from_secs(30), ..LoadSpec::default() })?;
    sleep(Duration::from_millis(700));
    Ok(load)
}

/// Runs a command that must end with this exit code, and hands back its JSON.
pub fn run(tidegate: &Tidegate<'_>, code: i32, arguments: &[&str]) -> Result<Value> {
    let (got, value, stderr) = tidegate.json(arguments)?;
    ensure!(got == code, "tidegate {}: exit {got}, not {code}: {value}\n{stderr}", arguments.join(" "));
    Ok(value)
}

/// Drains the node. A check that a busy machine answers late takes a server out of a load balancer for a moment; a drain
/// that is refused for capacity then has changed nothing, and is asked for again.
pub fn drain(tidegate: &Tidegate<'_>) -> Result<Value> {
    let arguments = ["drain", NODE, "--yes", "--json", "--reason", "lab test"];
    let started = Instant::now();
    loop {
        let (got, value, stderr) = tidegate.json(&arguments)?;
        if got == 0 {
            return Ok(value);
        }
        let refusals = value["refusals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_capacity = got == 3 && !refusals.is_empty() && refusals.iter().all(|r| r["code"] == "capacity");
        ensure!(is_capacity && started.elapsed() < Duration::from_secs(20), "exit {got}: {value}\n{stderr}");
        eprintln!("refused, asked again: {}", text(&refusals[0], "detail"));
        sleep(Duration::from_millis(300));
    }
}

pub fn restore(tidegate: &Tidegate<'_>) -> Result<Value> {
    run(tidegate, 0, &["restore", NODE, "--yes", "--json"])
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A program of its own, killed when dropped.
pub struct Running(pub Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Self(child))
    }

    /// Waits for its end: exit code, stdout, stderr.
    pub fn finish(mut self, limit: Duration) -> Result<(i32, String, String)> {
        let started = Instant::now();
        while self.0.try_wait()?.is_none() {
            ensure!(started.elapsed() < limit, "it was not over after {limit:?}");
            sleep(Duration::from_millis(20));
        }
        let read = |stream: Option<&mut dyn std::io::Read>| -> Result<String> {
            let mut text = String::new();
            stream.context("no output")?.read_to_string(&mut text)?;
            Ok(text)
        };
        let out = read(self.0.stdout.as_mut().map(|s| s as _))?;
        let err = read(self.0.stderr.as_mut().map(|s| s as _))?;
        Ok((self.0.wait()?.code().unwrap_or(-1), out, err))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Long requests through lb-1 that all land on the node: for a moment it is the only one there with a weight.
pub fn long_requests(lab: &Lab, count: usize, seconds: u32) -> Result<Vec<Running>> {
    let only = |weight: &str| -> Result<()> {
        for other in ["node-1", "node-3"] {
            lab.haproxy("lb-1", &format!("set server app/{other} weight {weight}"))?;
        }
        Ok(())
    };
    only("0")?;
    let url = format!("http://{}/slow?ms={}", lab.address("lb-1")?, seconds * 1000);
    let requests: Result<Vec<Running>> = (0..count)
        .map(|_| {
            Running::start(lab.command_in("client", "curl")?.args(["-s", "-m", "120", "-w", "%{http_code}", &url]))
        })
        .collect();
    let requests = requests?;
    // Short requests of the load are sessions too, but none lasts through so many looks.
    within(5, "long requests at the node", || {
        for _ in 0..8 {
            if sessions(lab, "lb-1")? < count {
                return Ok(false);
            }
            sleep(Duration::from_millis(40));
        }
        Ok(true)
    })?;
    only("100")?;
    Ok(requests)
}

pub fn sessions(lab: &Lab, lb: &str) -> Result<usize> {
    let servers = lab.servers(lb)?;
    let server = servers.iter().find(|s| s.backend == "app" && s.name == NODE).context("no such server")?;
    Ok(server.sessions.parse()?)
}

/// Polls until it is so.
pub fn within(seconds: u64, what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        if look()? {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
    bail!("{what}: not within {seconds} s")
}

pub fn standby(lab: &Lab) -> Result<bool> {
    Ok(lab.cluster()?.nodes.iter().any(|m| m.name == NODE && m.standby))
}

/// The node is out: drained at both load balancers, in standby with our mark, its unit stopped.
pub fn check_out(lab: &Lab, run: &str) -> Result<()> {
    for (lb, weight) in WEIGHTS {
        let (status, now) = server(lab, lb)?;
        ensure!(status.contains("DRAIN") || admin(lab, lb)? & 0x08 != 0, "{lb} has {NODE} {status}");
        ensure!(now == weight, "{lb} changed the weight to {now}");
    }
    ensure!(standby(lab)?, "{NODE} is not in standby");
    let attributes = lab.shell("node-1", "crm_mon -1 -A")?;
    ensure!(attributes.contains(run), "crm_mon -A does not show {run}: {attributes}");
    let unit = lab.output(NODE, &["systemctl", "is-active", "app.service"])?;
    ensure!(unit.stdout == b"inactive\n", "app.service is {}", String::from_utf8_lossy(&unit.stdout));
    Ok(())
}

/// The node is back exactly as it was: admin state and weights, no standby, no mark, ready.
pub fn check_back(lab: &Lab) -> Result<()> {
    for (lb, weight) in WEIGHTS {
        let (status, now) = server(lab, lb)?;
        ensure!(status == "UP" && now == weight && admin(lab, lb)? == 0, "{lb} has {NODE} {status} with weight {now}");
    }
    ensure!(!standby(lab)?, "{NODE} is in standby");
    let cib = lab.shell("node-1", "cibadmin -Q -o nodes")?;
    ensure!(!cib.contains("tidegate") && !cib.contains("standby"), "something is left in the CIB: {cib}");
    let unit = lab.output(NODE, &["systemctl", "is-active", "app.service"])?;
    ensure!(unit.stdout == b"active\n", "app.service is {}", String::from_utf8_lossy(&unit.stdout));
    Ok(())
}

fn server(lab: &Lab, lb: &str) -> Result<(String, String)> {
    let servers = lab.servers(lb)?;
    let server = servers.into_iter().find(|s| s.backend == "app" && s.name == NODE).context("no such server")?;
    Ok((server.status, server.weight))
}

/// The raw admin bits.
pub fn admin(lab: &Lab, lb: &str) -> Result<u32> {
    let text = lab.haproxy(lb, "show servers state app")?;
    let mut lines = text.lines().skip(1);
    let header: Vec<&str> = lines.next().context("no header")?.trim_start_matches("# ").split_whitespace().collect();
    let column = |name: &str| header.iter().position(|h| *h == name).with_context(|| format!("no column {name}"));
    let (name, bits) = (column("srv_name")?, column("srv_admin_state")?);
    let row = lines.map(|l| l.split_whitespace().collect::<Vec<_>>()).find(|row| row.get(name) == Some(&NODE));
    row.and_then(|row| row.get(bits)?.parse().ok()).context("no such server")
}

/// The events of a run, as `show` has them.
pub fn events(tidegate: &Tidegate<'_>, run_id: &str) -> Result<Vec<Value>> {
    let shown = run(tidegate, 0, &["show", run_id, "--json"])?;
    let records = shown.get("records").and_then(Value::as_array).context("show has no records")?;
    Ok(records.iter().filter_map(|r| r.get("event").cloned()).collect())
}

/// The first event of that name.
pub fn event<'e>(events: &'e [Value], name: &str) -> Result<&'e Value> {
    events.iter().find(|e| text(e, "event") == name).with_context(|| format!("no {name} in {events:?}"))
}

/// When an event of that name was recorded, in seconds since 1970.
pub fn recorded(tidegate: &Tidegate<'_>, run_id: &str, name: &str) -> Result<f64> {
    let shown = run(tidegate, 0, &["show", run_id, "--json"])?;
    let records = shown.get("records").and_then(Value::as_array).context("show has no records")?;
    let record = records.iter().find(|r| r.pointer("/event/event").and_then(Value::as_str) == Some(name));
    let at = record.and_then(|r| r.get("at")?.as_str()).with_context(|| format!("no record of {name}"))?;
    let at: jiff::Timestamp = at.parse()?;
    Ok(at.as_millisecond() as f64 / 1000.0)
}

pub fn has(events: &[Value], name: &str) -> bool {
    events.iter().any(|e| text(e, "event") == name)
}

/// The newest run of the journal.
pub fn newest(tidegate: &Tidegate<'_>) -> Result<String> {
    let history = run(tidegate, 0, &["history", "--json"])?;
    let run = history.pointer("/runs/0/run").and_then(Value::as_str).context("no run in the history")?;
    Ok(run.to_owned())
}

//! The lab's power supply: a process that outlives `lab up`, starts the machines and answers as a power switch.
//!
//! A reboot from within a machine ends nspawn with exit code 133, and the machine is booted again; any other
//! end leaves it off, until someone turns it on. The switch speaks one line in, one answer out: on TCP in the
//! control namespace for the cluster's fence agent, and on a socket in the lab's folder for [`super::switch`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::layout::{Layout, SWITCH_PORT, find, machines};
use super::machine::{Machine, leader};

/// nspawn's exit code for "the machine asked for a reboot".
const REBOOT: i32 = 133;

/// How long a machine may take to begin, or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the switch tells about a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Power {
    /// The machine's name.
    pub name: String,
    /// Whether it has power.
    pub on: bool,
    /// The process that is PID 1 inside, as this machine numbers it.
    pub leader: Option<i32>,
    /// How often it was booted since the lab came up.
    pub boots: u32,
}

/// One outlet of the power switch.
struct Outlet {
    machine: Machine,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: bool,
    nspawn: Option<u32>,
    boots: u32,
}

/// Boots every machine and serves the switch until it is told `stop`.
pub fn supervise(layout: &Layout, rootfs: &Path, routes: bool) -> Result<()> {
    let outlet = |host| -> Result<Arc<Outlet>> {
        Ok(Arc::new(Outlet {
            machine: Machine::new(layout, rootfs, host, routes)?,
            state: Mutex::new(State { wanted: true, ..State::default() }),
            changed: Condvar::new(),
        }))
    };
    let outlets: Arc<Vec<Arc<Outlet>>> = Arc::new(machines(routes).map(outlet).collect::<Result<_>>()?);
    let address = find("control")?.address;
    let fence = TcpListener::bind((address, SWITCH_PORT)).context("could not listen for fence agents")?;
    let local = UnixListener::bind(layout.switch_socket()).context("could not listen on the switch's socket")?;
    for outlet in outlets.iter() {
        let outlet = Arc::clone(outlet);
        thread::spawn(move || outlet.run());
    }
    let shared = Arc::clone(&outlets);
    thread::spawn(move || {
        for stream in fence.incoming().flatten() {
            let outlets = Arc::clone(&shared);
            thread::spawn(move || serve(stream, &outlets, false));
        }
    });
    for stream in local.incoming().flatten() {
        let outlets = Arc::clone(&outlets);
        thread::spawn(move || serve(stream, &outlets, true));
    }
    Ok(())
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Boots the machine whenever it is wanted on, for as long as the supervisor lives.
    fn run(&self) {
        loop {
            let mut state = self.lock();
            while !state.wanted {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            // The lock is held over the boot, so that an `off` cannot slip in between the two.
            let name = self.machine.host.name;
            let mut child = match self.machine.boot() {
                Ok(child) => child,
                Err(error) => {
                    eprintln!("{name} does not boot: {error:#}");
                    state.wanted = false;
                    self.changed.notify_all();
                    continue;
                }
            };
            state.nspawn = Some(child.id());
            state.boots += 1;
            self.changed.notify_all();
            drop(state);
            let code = child.wait().ok().and_then(|status| status.code());
            eprintln!("{name} ended with {code:?}");
            let mut state = self.lock();
            state.nspawn = None;
            state.wanted &= code == Some(REBOOT);
            self.changed.notify_all();
        }
    }

    /// Gives power and returns when the machine has begun to boot.
    fn on(&self) -> String {
        let mut state = self.lock();
        state.wanted = true;
        self.changed.notify_all();
        let limit = Instant::now() + PATIENCE;
        while state.wanted && state.nspawn.is_none() && Instant::now() < limit {
            state = self.pause(state);
        }
        if state.nspawn.is_none() {
            return "error: the machine does not boot; see supervisor.log in the lab's folder".to_owned();
        }
        "ok".to_owned()
    }

    /// Cuts the power and returns when the machine is dead for sure.
    fn off(&self) -> String {
        let mut state = self.lock();
        state.wanted = false;
        let limit = Instant::now() + PATIENCE;
        while state.nspawn.is_some() && Instant::now() < limit {
            // Again and again: a machine that has only begun to start enters its control group in a moment.
            if let Err(error) = self.machine.cut() {
                return format!("error: {error:#}");
            }
            state = self.pause(state);
        }
        if state.nspawn.is_some() {
            return format!("error: the machine did not end within {PATIENCE:?}");
        }
        "ok".to_owned()
    }

    /// Gives the lock away until something changes, for a moment at most.
    fn pause<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, Duration::from_millis(100))
            .map_or_else(|error| error.into_inner().0, |(state, _)| state)
    }

    fn power(&self) -> Power {
        let state = self.lock();
        Power {
            name: self.machine.host.name.to_owned(),
            on: state.nspawn.is_some(),
            leader: state.nspawn.and_then(leader),
            boots: state.boots,
        }
    }
}

/// Answers one connection: a line in, an answer out.
fn serve(mut stream: impl Read + Write, outlets: &[Arc<Outlet>], trusted: bool) {
    let mut line = String::new();
    if BufReader::new((&mut stream).take(200)).read_line(&mut line).is_err() {
        return;
    }
    let line = line.trim();
    let answer = answer(line, outlets, trusted);
    // The asker may be a node that is dead by now; nobody misses the answer then.
    let _ = stream.write_all(answer.as_bytes());
    drop(stream);
    if trusted && line == "stop" {
        // The asker sees the end of the answer first.
        sleep(Duration::from_millis(20));
        std::process::exit(0);
    }
}

fn answer(line: &str, outlets: &[Arc<Outlet>], trusted: bool) -> String {
    let (verb, name) = line.split_once(' ').unwrap_or((line, ""));
    let outlet = || outlets.iter().find(|outlet| outlet.machine.host.name == name);
    match (verb, outlet()) {
        ("ping", _) => "ok".to_owned(),
        ("list", _) => outlets.iter().map(|outlet| format!("{},\n", outlet.machine.host.name)).collect(),
        ("machines", _) => {
            let all: Vec<Power> = outlets.iter().map(|outlet| outlet.power()).collect();
            serde_json::to_string(&all).unwrap_or_else(|error| format!("error: {error}"))
        }
        ("stop", _) if trusted => thread::scope(|scope| {
            let cuts: Vec<_> = outlets.iter().map(|outlet| scope.spawn(|| outlet.off())).collect();
            let told: Vec<String> = cuts.into_iter().filter_map(|cut| cut.join().ok()).collect();
            told.into_iter().find(|answer| answer != "ok").unwrap_or_else(|| "ok".to_owned())
        }),
        ("status", Some(outlet)) => if outlet.power().on { "on" } else { "off" }.to_owned(),
        ("on", Some(outlet)) => outlet.on(),
        ("off", Some(outlet)) => outlet.off(),
        ("reboot", Some(outlet)) => match outlet.off().as_str() {
            "ok" => outlet.on(),
            failed => failed.to_owned(),
        },
        _ => format!("error: {line:?} is not a command of the power switch, or there is no such machine"),
    }
}

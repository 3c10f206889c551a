//! What Tidegate exports makes Debian's Prometheus alert: shown on the lab, with the repository's own rules as they are.
//!
//! Each case plays what an alert is about under load, and waits for the alert itself, as somebody on call would get it: a
//! request on a drained node, a weight that somebody got wrong on one load balancer. Beside them: every query of the
//! dashboard is asked and must know something, and Prometheus's own tool must have nothing to say. Whatever fires besides
//! is wrong.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde::Serialize;

use crate::lab::Lab;

mod dashboard;
mod drained;
mod killed;
mod skew;
mod stage;
mod tools;

use stage::{Stage, now};

/// How much is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What needs no window of five minutes to fill: three quarters of a minute.
    Quick,
    /// All, with every alert's end: about eleven minutes.
    Whole,
}

/// What came of all cases.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Each case.
    pub cases: Vec<Outcome>,
    /// Requests that clients sent.
    pub requests: u64,
    /// Requests that failed: those at a unit that was killed, until the load balancers knew.
    pub failed: u64,
    /// Seconds for all of it.
    pub took_s: f64,
}

/// What came of one case.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// Seconds from the cause to the alert, where it is about one.
    pub fired_s: Option<f64>,
    /// Seconds from the cause's end to the alert's, where that was waited for.
    pub resolved_s: Option<f64>,
    /// Whether nothing was wrong.
    pub ok: bool,
    /// What was not as it should be, in words.
    pub wrong: Vec<String>,
}

impl Report {
    /// Whether nothing was wrong.
    pub fn good(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(|case| case.ok)
    }

    /// As people read it.
    pub fn table(&self) -> String {
        let seconds = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.1} s"));
        let mut text = format!("{:<28}{:>10}{:>12}  \n", "case", "fired", "resolved");
        for case in &self.cases {
            let (fired, resolved) = (seconds(case.fired_s), seconds(case.resolved_s));
            let verdict = if case.ok { "ok" } else { "WRONG" };
            text += &format!("{:<28}{fired:>10}{resolved:>12}  {verdict}\n", case.name);
            text.extend(case.wrong.iter().map(|line| format!("    {line}\n")));
        }
        text + &format!("{} of {} requests failed; {:.0} s in all\n", self.failed, self.requests, self.took_s)
    }
}

/// Plays the cases on a lab, which is reset first. A case that breaks is reported, and the next one is played.
pub fn run(lab: &Lab, extent: Extent) -> Result<Report> {
    let started = Instant::now();
    let stage = Stage::set(lab)?;
    let from = now();
    let mut cases = vec![played("scrape", |_| stage.scraped())];
    if cases[0].ok {
        cases.push(played("killed-unit", |_| killed::is_told(&stage)));
        let mut drained = played("traffic-on-drained-node", |outcome| drained::fires(&stage, outcome));
        // What was still expected of the node before it was out, and what is expected of it again, fills a window anew.
        let restored = Instant::now();
        cases.push(played("dashboard", |outcome| dashboard::answers(&stage, from, outcome)));
        cases.push(played("promtool", |outcome| tools::agree(&stage, outcome)));
        if extent == Extent::Whole {
            if drained.ok {
                let ended = again(drained, |outcome| drained::resolves(&stage, restored, outcome));
                drained = ended;
            }
            sleep(skew::WINDOW.saturating_sub(restored.elapsed()));
            cases.push(played("skew", |outcome| skew::fires_and_resolves(&stage, outcome)));
        }
        cases.insert(2, drained);
        cases.push(played("nothing-else", |outcome| stage.nothing_else(from, outcome)));
    }
    let (seen, said) = stage.clear()?;
    if !cases.iter().all(|case| case.ok) {
        eprintln!("alerts: {said}");
    }
    let took_s = tenths(started.elapsed());
    Ok(Report { cases, requests: seen.requests, failed: seen.failed, took_s })
}

fn played(name: &'static str, play: impl FnOnce(&mut Outcome) -> Result<()>) -> Outcome {
    again(Outcome { name, ..Outcome::default() }, play)
}

/// Plays a case, or goes on with it.
fn again(mut outcome: Outcome, play: impl FnOnce(&mut Outcome) -> Result<()>) -> Outcome {
    if let Err(error) = play(&mut outcome) {
        outcome.wrong.push(format!("{error:#}"));
    }
    outcome.ok = outcome.wrong.is_empty();
    let Outcome { name, fired_s, resolved_s, wrong, .. } = &outcome;
    let lines: String = wrong.iter().map(|line| format!("\n        {line}")).collect();
    eprintln!("alerts: {name}: fired {fired_s:?}, resolved {resolved_s:?}{lines}");
    outcome
}

fn tenths(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// Looks twice a second until it is so, for at most `limit`; hands back how long that took. A look that fails is a "not
/// yet", and is told where it stays so.
fn until(what: &str, limit: Duration, mut look: impl FnMut() -> Result<bool>) -> Result<f64> {
    let started = Instant::now();
    loop {
        let missing = match look() {
            Ok(true) => return Ok(tenths(started.elapsed())),
            Ok(false) => String::new(),
            Err(error) => format!(": {error:#}"),
        };
        if started.elapsed() >= limit {
            bail!("{what}: not within {limit:.0?}{missing}");
        }
        sleep(Duration::from_millis(500));
    }
}

/// A program of the lab's machines or of Tidegate ended well.
fn went_well(code: i32, what: &str, said: &str) -> Result<()> {
    ensure!(code == 0, "{what}: exit {code}: {said}");
    Ok(())
}

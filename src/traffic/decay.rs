//! How connections leave, and when the last of them may be gone.
//!
//! The numbers are a series of totals over time. Each connection is taken to leave at a constant rate, whatever its age
//! (exponential decay). The rate is then best told by counting: departures over connection-seconds watched. That holds
//! for three connections as well as for three thousand, where a line fitted through logarithms of small counts does not,
//! and it needs no connection to have left at a regular time. The last of N is gone after H(N) mean lifetimes on average,
//! H(N) being 1 + 1/2 + … + 1/N.
//!
//! Three things make such a rate wrong, and each has its answer:
//! * Short requests leave first, long streams stay. So only the later half of the time counts (a minute at least); and
//!   where nobody has left for so long that the rate would make it a chance of one in twenty, nothing is said until that
//!   silence is a minute long, and then the rate is taken from the silence.
//! * New clients hide those that leave. So nothing before the last arrival counts, and where they keep arriving there
//!   is no rate: that is a verdict of its own.
//! * Few samples say nothing, and then nothing is said.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{observed::age, straggler::Span};

/// Time that must be watched before anything is said.
const LEAST: Duration = Duration::from_secs(10);
/// Least time without a departure that counts as never, and least part of the past that a rate is taken from.
const WINDOW: Duration = Duration::from_secs(60);
/// Departures from which a rate is believed before a whole window was watched.
const ENOUGH: u64 = 3;
/// A silence this many mean departures long has a chance of one in twenty.
const SILENCE: f64 = 3.0;
/// A silence up to which a rate is believed early.
const EARLY_SILENCE: f64 = 1.0;
/// An end within this time is soon.
const SOON: Duration = Duration::from_secs(30);
/// Time between two samples that are kept, to begin with.
const SPACING: Duration = Duration::from_millis(500);
/// Samples kept. When they are that many, every second one goes and the spacing doubles.
const MOST: usize = 256;

/// What can be said of the end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ends", rename_all = "kebab-case")]
pub enum Verdict {
    /// At the present rate, the last one is gone within half a minute.
    Soon {
        /// In about that time.
        left: Duration,
    },
    /// They leave, and it takes time.
    Slow {
        /// About that much, at the present rate.
        left: Duration,
        /// How many left.
        gone: u64,
        /// In that time: what the rate is taken from.
        over: Duration,
    },
    /// The same connections stay and none leaves.
    Never {
        /// For that long.
        since: Duration,
    },
    /// They leave, and others come: clients that are bound to the node, or that do not ask for its address again.
    Returning {
        /// For that long.
        since: Duration,
    },
}

/// One look at how many are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    at: Timestamp,
    left: u64,
    /// Whether any came since the sample before.
    came: bool,
}

/// The numbers of one wait; bounded, however long it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    kept: Vec<Sample>,
    /// The newest, not kept yet.
    newest: Option<Sample>,
    spacing: Duration,
}

impl Default for Series {
    fn default() -> Self {
        Self { kept: Vec::new(), newest: None, spacing: SPACING }
    }
}

impl Series {
    /// Adds a look. `came` says whether new clients were counted since the look before; a rise tells that by itself.
    pub fn push(&mut self, at: Timestamp, left: u64, came: bool) {
        let came = came || self.newest.is_some_and(|before| left > before.left);
        let pending = self.newest.is_some_and(|n| self.kept.last() != Some(&n) && n.came);
        let sample = Sample { at, left, came: came || pending };
        self.newest = Some(sample);
        if self.kept.last().is_none_or(|last| age(at, last.at) >= self.spacing) {
            self.kept.push(sample);
        }
        if self.kept.len() >= MOST {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let merged = self.kept.chunks(2).filter_map(|pair| {
            let last = pair.last()?;
            Some(Sample { came: pair.iter().any(|s| s.came), ..*last })
        });
        // The first one stays the first: it says since when all this is watched.
        self.kept = self.kept.first().copied().into_iter().chain(merged).collect();
        self.kept.dedup_by_key(|s| s.at);
        self.spacing *= 2;
    }

    /// What can be said now; nothing where too little was seen, or where none is left.
    pub fn verdict(&self) -> Option<Verdict> {
        let newest = self.newest.filter(|s| s.left > 0)?;
        let samples: Vec<Sample> = self.kept.iter().copied().filter(|s| s.at < newest.at).chain(Some(newest)).collect();
        let first = samples.first()?;
        let window = WINDOW.max(age(newest.at, first.at) / 2);
        let begin = samples.iter().rposition(|s| age(newest.at, s.at) >= window).unwrap_or(0);
        let recent = samples.get(begin..)?;
        let arrived = recent.iter().skip(1).rposition(|s| s.came).map(|at| at + 1);
        let steady = recent.get(arrived.unwrap_or(0)..)?;
        if span(steady) < LEAST {
            let since = recent.iter().skip(1).find(|s| s.came).map(|s| age(newest.at, s.at))?;
            return (since >= LEAST).then_some(Verdict::Returning { since });
        }
        let seen = Seen::of(steady);
        match seen.gone {
            0 if span(steady) >= window => Some(Verdict::Never { since: unchanged(&samples) }),
            0 => None,
            _ if span(steady) >= WINDOW && (seen.is_believed() || unchanged(&samples) >= WINDOW) => {
                Some(estimate(newest.left, &seen))
            }
            gone if gone >= ENOUGH && seen.goes_on() => Some(estimate(newest.left, &seen)),
            _ => None,
        }
    }
}

/// Departures and the time in which they happened.
struct Seen {
    gone: u64,
    /// Connections times seconds.
    exposure: f64,
    /// The part of it after the last departure.
    silence: f64,
    over: Duration,
}

impl Seen {
    fn of(samples: &[Sample]) -> Self {
        let mut seen = Self { gone: 0, exposure: 0.0, silence: 0.0, over: span(samples) };
        for (before, after) in samples.iter().zip(samples.iter().skip(1)) {
            let watched = before.left as f64 * age(after.at, before.at).as_secs_f64();
            let left = before.left.saturating_sub(after.left);
            seen.gone += left;
            seen.exposure += watched;
            seen.silence = if left > 0 { 0.0 } else { seen.silence + watched };
        }
        seen
    }

    /// Whether they still leave about as they did: the short ones may all be gone, and the rest may stay.
    fn goes_on(&self) -> bool {
        self.gone as f64 * self.silence <= EARLY_SILENCE * self.exposure
    }

    /// Whether the silence since the last departure may be chance. One or two departures are a rate only where they
    /// are not long ago.
    fn is_believed(&self) -> bool {
        let silent = self.silence / self.exposure;
        self.gone as f64 * silent <= SILENCE && (self.gone >= ENOUGH || silent <= 0.5)
    }

    /// Departures a second of one connection.
    fn rate(&self) -> f64 {
        if self.is_believed() { self.gone as f64 / self.exposure } else { 1.0 / self.silence }
    }
}

fn estimate(left: u64, seen: &Seen) -> Verdict {
    let time = Duration::try_from_secs_f64(harmonic(left) / seen.rate()).unwrap_or(Duration::MAX);
    if time <= SOON {
        Verdict::Soon { left: time }
    } else {
        Verdict::Slow { left: time, gone: seen.gone, over: seen.over }
    }
}

/// 1 + 1/2 + … + 1/n, by its asymptotic form where that is exact enough.
fn harmonic(n: u64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match n {
        0..=100 => (1..=n).map(|k| 1.0 / k as f64).sum(),
        _ => (n as f64).ln() + EULER + 0.5 / n as f64,
    }
}

fn span(samples: &[Sample]) -> Duration {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => age(last.at, first.at),
        _ => Duration::ZERO,
    }
}

/// For how long nobody left and nobody came.
fn unchanged(samples: &[Sample]) -> Duration {
    let Some(last) = samples.last() else { return Duration::ZERO };
    let changes = samples.iter().zip(samples.iter().skip(1)).rposition(|(a, b)| b.came || a.left != b.left);
    let since = changes.map_or(0, |at| at + 1);
    samples.get(since).map_or(Duration::ZERO, |s| age(last.at, s.at))
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Soon { left } => write!(f, "the last one leaves in about {} at the present rate", Span(*left)),
            Self::Slow { left, gone, over } => {
                let how = if *gone < 10 { "roughly" } else { "about" };
                write!(f, "slow: {how} {} at the present rate ({gone} left in {})", Span(*left), Span(*over))
            }
            Self::Never { since } => write!(f, "never: the same ones have stayed for {}", Span(*since)),
            Self::Returning { since } => write!(f, "others keep coming, for {} already", Span(*since)),
        }
    }
}

impl Verdict {
    /// Its kind in one word: what is worth telling again when it changes.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Soon { .. } => "soon",
            Self::Slow { .. } => "slow",
            Self::Never { .. } => "never",
            Self::Returning { .. } => "returning",
        }
    }
}

#[cfg(test)]
mod tests;

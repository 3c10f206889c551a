//! Connections that are still there after their member was drained, one by one: who it is, for how long, and what it
//! moved. Numbers that nobody can tell are `None`, never zero.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::InstanceName;

/// Stragglers that one answer lists; all of them are counted.
pub const MAX_STRAGGLERS: usize = 200;

/// One connection that has not left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straggler {
    /// Where it comes from, as whoever lists it sees it: the client, or (on a node) the far end of the socket.
    pub peer: String,
    /// For how long it has been there, at least.
    pub age: Option<Duration>,
    /// Bytes that came from there.
    pub received: Option<u64>,
    /// Bytes that went there.
    pub sent: Option<u64>,
    /// Time since the last byte, either way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// The load balancer that holds it; `None` where the client is connected to the node directly.
    pub through: Option<InstanceName>,
    /// What names this one and no other to whoever listed it.
    pub id: String,
}

/// All stragglers of one member, as far as they are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stragglers {
    /// How many there are.
    pub count: u64,
    /// The oldest, at most [`MAX_STRAGGLERS`], oldest first.
    pub oldest: Vec<Straggler>,
}

impl Stragglers {
    /// Counts all, keeps the oldest. One of unknown age comes last.
    pub fn of(mut all: Vec<Straggler>) -> Self {
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        oldest_first(&mut all);
        all.truncate(MAX_STRAGGLERS);
        Self { count, oldest: all }
    }
}

impl Straggler {
    /// A socket on a node of which nothing more is known.
    pub fn direct(peer: &SocketAddr) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string();
        Self { id: peer.clone(), peer, age: None, received: None, sent: None, idle: None, through: None }
    }
}

/// The oldest first, those of unknown age last.
pub fn oldest_first(stragglers: &mut [Straggler]) {
    stragglers.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.id.cmp(&b.id)));
}

/// `10.0.0.7:4711 through lb-01, for 12 min, 3.4 MB in, 120 B out, quiet for 4 min`.
impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.peer)?;
        match &self.through {
            Some(instance) => write!(f, " through {instance}")?,
            None => f.write_str(" directly")?,
        }
        if let Some(age) = self.age {
            write!(f, ", for {}", Span(age))?;
        }
        if let (Some(received), Some(sent)) = (self.received, self.sent) {
            write!(f, ", {} in, {} out", Bytes(received), Bytes(sent))?;
        }
        match self.idle {
            Some(idle) if idle >= QUIET => write!(f, ", quiet for {}", Span(idle)),
            _ => Ok(()),
        }
    }
}

/// Silence that is worth a word.
const QUIET: Duration = Duration::from_secs(10);

/// A time in one or two whole units: `42 s`, `12 min`, `3 h 5 min`, `2 d 4 h`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match seconds {
            0..=119 => write!(f, "{seconds} s"),
            120..=7_199 => write!(f, "{minutes} min"),
            7_200..=172_799 if minutes % 60 == 0 => write!(f, "{hours} h"),
            7_200..=172_799 => write!(f, "{hours} h {} min", minutes % 60),
            _ if hours % 24 == 0 => write!(f, "{days} d"),
            _ => write!(f, "{days} d {} h", hours % 24),
        }
    }
}

/// A number of bytes: `940 B`, `3.4 kB`, `12 MB`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut tenths = self.0 / 100;
        for unit in UNITS {
            match tenths {
                0..=99 => return write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
                100..=9_999 => return write!(f, "{} {unit}", tenths / 10),
                _ => tenths /= 1000,
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(peer: &str, age: Option<u64>) -> Straggler {
        Straggler {
            peer: peer.into(),
            age: age.map(Duration::from_secs),
            received: None,
            sent: None,
            idle: None,
            through: None,
            id: peer.into(),
        }
    }

    #[test]
    fn all_are_counted_and_the_oldest_are_kept() {
        let many: Vec<Straggler> = (0..500).map(|n| one(&format!("10.0.0.1:{n}"), (n > 0).then_some(n))).collect();
        let kept = Stragglers::of(many);
        assert_eq!((kept.count, kept.oldest.len()), (500, MAX_STRAGGLERS));
        assert_eq!(kept.oldest.first().and_then(|s| s.age), Some(Duration::from_secs(499)));
        let few = Stragglers::of(vec![one("a", None), one("b", Some(1))]);
        assert_eq!(few.oldest.last().map(|s| s.peer.as_str()), Some("a"), "of unknown age");
    }

    #[test]
    fn only_what_is_known_is_said() {
        let mut s = one("10.0.0.7:4711", None);
        assert_eq!(s.to_string(), "10.0.0.7:4711 directly");
        s.age = Some(Duration::from_secs(754));
        s.through = Some("lb-01".into());
        (s.received, s.sent) = (Some(3_412_000), Some(120));
        assert_eq!(s.to_string(), "10.0.0.7:4711 through lb-01, for 12 min, 3.4 MB in, 120 B out");
        s.idle = Some(Duration::from_secs(61));
        assert!(s.to_string().ends_with(", quiet for 61 s"), "{s}");
        s.sent = None;
        assert!(!s.to_string().contains("MB"), "half of it would mislead: {s}");
    }

    #[test]
    fn spans_and_bytes_are_short() {
        let span = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!(
            [0, 119, 120, 7_199, 7_200, 11_100, 172_800, 187_200].map(span),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "3 h 5 min", "2 d", "2 d 4 h"]
        );
        let bytes = |n| Bytes(n).to_string();
        assert_eq!(
            [0, 999, 1_000, 9_999, 10_000, 999_999, 1_000_000, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "18 EB"]
        );
    }
}

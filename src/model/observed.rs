//! Missing data is a value: what could not be read is `Unknown`, with the reason, and passes no gate.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something read from a real system, or the reason why it could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum Observed<T> {
    /// It was read at `at`.
    Known {
        /// What was read.
        value: T,
        /// When the answer arrived.
        at: Timestamp,
    },
    /// It was not read; `reason` says why, in words for a person.
    Unknown {
        /// Why there is no answer.
        reason: String,
    },
}

impl<T> Observed<T> {
    /// A value read at `at`.
    pub fn known(value: T, at: Timestamp) -> Self {
        Self::Known { value, at }
    }

    /// No value, and why.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown { reason: reason.into() }
    }

    /// The value where it is known and no older than `max_age`; else the reason why it counts as unknown.
    ///
    /// Stale is unknown: a value that nobody confirmed lately passes no gate.
    pub fn fresh(&self, now: Timestamp, max_age: Duration) -> Result<&T, String> {
        match self {
            Self::Known { value, at } => {
                let age = age(now, *at);
                if age <= max_age { Ok(value) } else { Err(format!("last seen {:.1} s ago", age.as_secs_f64())) }
            }
            Self::Unknown { reason } => Err(reason.clone()),
        }
    }

    /// The value whatever its age, for display only.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// When it was read.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Known { at, .. } => Some(*at),
            Self::Unknown { .. } => None,
        }
    }
}

impl<T> Default for Observed<T> {
    fn default() -> Self {
        Self::unknown("not observed yet")
    }
}

/// Time from `then` to `now`, zero where the clock went backwards.
pub fn age(now: Timestamp, then: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_is_unknown() {
        let at = Timestamp::from_second(100).unwrap_or_default();
        let seen = Observed::known(7, at);
        let later = Timestamp::from_second(105).unwrap_or_default();
        assert_eq!(seen.fresh(later, Duration::from_secs(5)), Ok(&7));
        assert!(seen.fresh(later, Duration::from_secs(4)).is_err());
    }
}

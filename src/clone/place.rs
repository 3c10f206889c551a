//! Where a value is in a clone's configuration, what is there, and when two values mean the same.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// One value of a clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Place {
    /// A meta attribute of the clone (`clone-max`).
    Meta {
        /// Its name.
        name: String,
    },
    /// An attribute of one of the primitive's operations (`stop timeout`).
    Operation {
        /// The operation's name.
        operation: String,
        /// The attribute's.
        attribute: String,
    },
}

impl Place {
    /// A meta attribute.
    pub fn meta(name: &str) -> Self {
        Self::Meta { name: name.to_owned() }
    }

    /// An operation's attribute.
    pub fn operation(operation: &str, attribute: &str) -> Self {
        Self::Operation { operation: operation.to_owned(), attribute: attribute.to_owned() }
    }

    /// Whether two values mean the same to Pacemaker here: `30` and `30s`, `1` and `true`.
    pub fn same(&self, one: &str, other: &str) -> bool {
        one == other
            || match self {
                Self::Operation { .. } => both(one, other, duration),
                Self::Meta { name } if name == "interleave" => both(one, other, boolean),
                Self::Meta { .. } => both(one, other, |text| text.trim().parse::<u64>().ok()),
            }
    }

    /// What Pacemaker takes where nothing is said, and no default of the cluster either.
    pub fn built_in(&self) -> Option<&'static str> {
        match self {
            Self::Meta { name } => match name.as_str() {
                "clone-node-max" => Some("1"),
                "interleave" => Some("false"),
                _ => None,
            },
            Self::Operation { attribute, .. } => (attribute == "timeout").then_some("20s"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta { name } => f.pad(name),
            Self::Operation { operation, attribute } => f.pad(&format!("{operation} {attribute}")),
        }
    }
}

/// What is at a place. The difference between no operation and one without the attribute is what makes an undo exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", content = "value", rename_all = "kebab-case")]
pub enum Held {
    /// Nothing.
    Nothing,
    /// The operation is there, without this attribute.
    Bare,
    /// This value.
    Value(String),
}

impl Held {
    /// The value, where there is one.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Bare => None,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.value().unwrap_or("unset"))
    }
}

fn both<T: PartialEq>(one: &str, other: &str, read: impl Fn(&str) -> Option<T>) -> bool {
    matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

/// A boolean as Pacemaker reads it.
pub fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A time as Pacemaker reads it: a number of seconds, a number with its unit, or ISO 8601 (`PT1M30S`).
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("PT") {
        return iso(rest);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "us" | "usec" => Some(Duration::from_micros(number)),
        "ms" | "msec" => Some(Duration::from_millis(number)),
        "" | "s" | "sec" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" | "hr" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

fn iso(mut rest: &str) -> Option<Duration> {
    let mut seconds: u64 = 0;
    for (unit, factor) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((number, tail)) = rest.split_once(unit) {
            seconds = number.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(seconds)?;
            rest = tail;
        }
    }
    rest.is_empty().then(|| Duration::from_secs(seconds))
}

/// A time as it is written into the cluster's configuration.
pub fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_pacemaker_means_them() {
        let interval = Place::operation("monitor", "interval");
        for text in ["30", "30s", "30 sec", "30000ms", "PT30S"] {
            assert!(interval.same(text, "30s"), "{text}");
        }
        for text in ["31s", "30m", "", "soon", "PT30", "PT"] {
            assert!(!interval.same(text, "30s"), "{text}");
        }
        assert_eq!(duration("PT1H1M1S"), Some(Duration::from_secs(3661)));
        assert_eq!(duration("18446744073709551615h"), None);
        assert!(Place::meta("interleave").same("1", "true") && !Place::meta("interleave").same("0", "true"));
        assert!(Place::meta("clone-max").same("03", "3") && !Place::meta("clone-max").same("true", "1"));
        assert_eq!(written(Duration::from_millis(1500)), "1500ms");
        assert_eq!(written(Duration::from_secs(90)), "90s");
    }
}

//! What an answer must be to count as ready, as it is configured: a status out of a set, headers, a text in the body.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

/// What an answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The status.
    pub status: Statuses,
    /// Headers that must all be there.
    pub headers: Vec<Header>,
    /// A text that the body must hold, within what is read of it.
    pub body: Option<String>,
}

/// A set of status codes, as `200` or `200-299, 404`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Statuses(Vec<RangeInclusive<u16>>);

/// A header that must be there, as `name` or `name: value`. Names are compared without case, values exactly, without the
/// space around them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// `None` where any will do.
    pub value: Option<String>,
}

impl Statuses {
    /// Exactly this one.
    pub fn only(status: u16) -> Self {
        Self(vec![status..=status])
    }

    /// Whether it is one of them.
    pub fn holds(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self::only(200)
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = |text: &str| {
            let code = text.trim().parse().ok().filter(|code| (100..=599).contains(code));
            code.ok_or_else(|| format!("\"{}\" is no status from 100 to 599", text.trim().escape_debug()))
        };
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (code(from)?, code(to)?);
            if from <= to { Ok(from..=to) } else { Err(format!("{from} is more than {to}")) }
        };
        text.split(',').map(range).collect::<Result<_, String>>().map(Self)
    }
}

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Statuses> for String {
    fn from(statuses: Statuses) -> Self {
        statuses.to_string()
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            let (from, to) = (range.start(), range.end());
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}-{to}")? }
        }
        Ok(())
    }
}

impl Header {
    /// Reads `name` or `name: value`.
    pub fn parse(text: &str) -> Self {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (text, None),
        };
        Self { name: name.trim().to_ascii_lowercase(), value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_statuses_is_read_and_shown() {
        let set: Statuses = "200-299,404".parse().expect("a set");
        assert_eq!(set.to_string(), "200-299, 404");
        assert_eq!(set.to_string().parse(), Ok(set.clone()));
        assert!([200, 250, 299, 404].iter().all(|s| set.holds(*s)));
        assert!([199, 300, 403, 405].iter().all(|s| !set.holds(*s)));
        for wrong in ["", "20", "600", "299-200", "200,", "2xx", "200-", "-200"] {
            assert!(wrong.parse::<Statuses>().is_err(), "{wrong}");
        }
    }
}

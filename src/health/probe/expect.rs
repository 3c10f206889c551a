//! What an answer must be to count as ready: a status out of a set, headers, a text in its body. Pure.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use super::{Failure, Kind};

/// How much of a foreign text is told.
const SHOWN: usize = 60;

/// What an answer must be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Expect {
    /// The status.
    pub status: Statuses,
    /// Headers that must all be there.
    pub headers: Vec<Header>,
    /// A text that the body must hold, within what is read of it.
    pub body: Option<String>,
}

/// A set of status codes, as `200` or `200-299, 404`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

/// A header that must be there, as `name` or `name: value`. Names are compared without case, values exactly, without the
/// space around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: Option<String>,
}

impl Expect {
    /// Judges an answer by what has been seen of it; `body` is asked for only where it counts.
    pub(super) fn judge(
        &self,
        status: u16,
        headers: Result<(), Failure>,
        body: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Failure> {
        if !self.status.holds(status) {
            return Err(Failure::new(Kind::Status, format!("status {status}")));
        }
        headers?;
        match &self.body {
            Some(wanted) if !body().windows(wanted.len().max(1)).any(|part| part == wanted.as_bytes()) => {
                Err(Failure::new(Kind::Body, format!("the body does not hold {:?}", short(wanted))))
            }
            _ => Ok(()),
        }
    }

    /// Judges an answer's headers; `values` gives those of one name.
    pub(super) fn headers<'v, V: Iterator<Item = &'v [u8]>>(&self, values: impl Fn(&str) -> V) -> Result<(), Failure> {
        for header in &self.headers {
            let mut found = values(&header.name).peekable();
            let Some(first) = found.peek().copied() else {
                return Err(Failure::new(Kind::Header, format!("no header {}", header.name)));
            };
            let Some(wanted) = &header.value else { continue };
            if !found.any(|value| value.trim_ascii() == wanted.as_bytes()) {
                let value = String::from_utf8_lossy(first);
                let detail = format!("header {} is {:?}, not {:?}", header.name, short(&value), short(wanted));
                return Err(Failure::new(Kind::Header, detail));
            }
        }
        Ok(())
    }
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
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let code = |text: &str| text.trim().parse().ok().filter(|code| (100..=599).contains(code)).ok_or(());
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (code(from)?, code(to)?);
            if from <= to { Ok(from..=to) } else { Err(()) }
        };
        text.split(',').map(range).collect::<Result<_, ()>>().map(Self)
    }
}

impl FromStr for Header {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (text, None),
        };
        let is_token = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if is_token { Ok(Self { name: name.to_ascii_lowercase(), value }) } else { Err(()) }
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

fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(headers: &[&str], body: Option<&str>) -> Expect {
        let headers = headers.iter().map(|h| h.parse().expect("a header")).collect();
        Expect { status: "200-299, 404".parse().expect("a set"), headers, body: body.map(str::to_owned) }
    }

    fn told(result: Result<(), Failure>) -> String {
        result.map_or_else(|f| format!("{}: {f}", f.kind), |()| "ready".into())
    }

    #[test]
    fn a_set_of_statuses_is_read_and_shown() {
        let set: Statuses = "200-299,404".parse().expect("a set");
        assert_eq!(set.to_string(), "200-299, 404");
        assert!([200, 250, 299, 404].iter().all(|s| set.holds(*s)));
        assert!([199, 300, 403, 405].iter().all(|s| !set.holds(*s)));
        for wrong in ["", "20", "600", "299-200", "200,", "2xx", "200-", "-200"] {
            assert!(wrong.parse::<Statuses>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn status_headers_and_body_are_judged_in_this_order() {
        let expect = expect(&["X-Ready: yes"], Some("up"));
        let answer = |status, value: &'static str, body: &'static str| {
            let headers = expect.headers(|name| {
                assert_eq!(name, "x-ready");
                Some(value.as_bytes()).filter(|v| !v.is_empty()).into_iter()
            });
            told(expect.judge(status, headers, || body.as_bytes().to_vec()))
        };
        assert_eq!(answer(204, " yes ", "it is up"), "ready");
        assert_eq!(answer(503, "no", ""), "status: status 503");
        assert_eq!(answer(200, "no", ""), "header: header x-ready is \"no\", not \"yes\"");
        assert_eq!(answer(200, "", "up"), "header: no header x-ready");
        assert_eq!(answer(200, "yes", "down"), "body: the body does not hold \"up\"");
    }

    #[test]
    fn a_header_without_a_value_has_to_be_there() {
        let expect = expect(&["server"], None);
        assert_eq!(told(expect.headers(|_| [&b"any"[..]].into_iter())), "ready");
        assert_eq!(told(expect.headers(|_| [].into_iter())), "header: no header server");
        assert!("no name: x".parse::<Header>().is_err() && ": x".parse::<Header>().is_err());
    }
}

//! Judges an answer by what is expected of it. Pure.

use super::{Failure, Kind};
use crate::config::expect::Expect;

/// How much of a foreign text is told.
const SHOWN: usize = 60;

/// Judges an answer by what has been seen of it; `body` is asked for only where it counts.
pub(super) fn judge(
    expect: &Expect,
    status: u16,
    headers: Result<(), Failure>,
    body: impl FnOnce() -> Vec<u8>,
) -> Result<(), Failure> {
    if !expect.status.holds(status) {
        return Err(Failure::new(Kind::Status, format!("status {status}")));
    }
    headers?;
    match &expect.body {
        Some(wanted) if !body().windows(wanted.len().max(1)).any(|part| part == wanted.as_bytes()) => {
            Err(Failure::new(Kind::Body, format!("the body does not hold {:?}", short(wanted))))
        }
        _ => Ok(()),
    }
}

/// Judges an answer's headers; `values` gives those of one name.
pub(super) fn headers<'v, V: Iterator<Item = &'v [u8]>>(
    expect: &Expect,
    values: impl Fn(&str) -> V,
) -> Result<(), Failure> {
    for header in &expect.headers {
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

fn short(text: &str) -> String {
    text.trim().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::expect::{Header, Statuses};

    fn expecting(headers: &[&str], body: Option<&str>) -> Expect {
        let headers = headers.iter().map(|h| Header::parse(h)).collect();
        Expect { status: Statuses::only(204), headers, body: body.map(str::to_owned) }
    }

    fn told(result: Result<(), Failure>) -> String {
        result.map_or_else(|f| format!("{}: {f}", f.kind), |()| "ready".into())
    }

    #[test]
    fn status_headers_and_body_are_judged_in_this_order() {
        let expect = expecting(&["X-Ready: yes"], Some("up"));
        let answer = |status, value: &'static str, body: &'static str| {
            let seen = headers(&expect, |name| {
                assert_eq!(name, "x-ready");
                Some(value.as_bytes()).filter(|v| !v.is_empty()).into_iter()
            });
            told(judge(&expect, status, seen, || body.as_bytes().to_vec()))
        };
        assert_eq!(answer(204, " yes ", "it is up"), "ready");
        assert_eq!(answer(503, "no", ""), "status: status 503");
        assert_eq!(answer(204, "no", ""), "header: header x-ready is \"no\", not \"yes\"");
        assert_eq!(answer(204, "", "up"), "header: no header x-ready");
        assert_eq!(answer(204, "yes", "down"), "body: the body does not hold \"up\"");
    }

    #[test]
    fn a_header_without_a_value_has_to_be_there() {
        let expect = expecting(&["server"], None);
        assert_eq!(told(headers(&expect, |_| [&b"any"[..]].into_iter())), "ready");
        assert_eq!(told(headers(&expect, |_| [].into_iter())), "header: no header server");
    }
}

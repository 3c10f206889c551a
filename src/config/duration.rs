//! Durations as people write them: `200ms`, `5s`, `10m`, `1h30m`. A number always carries its unit, units go from
//! the longest to the shortest, and there is no value that means "for ever".

use std::time::Duration;

/// The form, for the schema.
pub(crate) const PATTERN: &str = "^(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?$";

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration. The error says what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let number: u64 = number.parse().map_err(|_| fault(number, unit))?;
        let Some((_, factor)) = units.find(|(name, _)| *name == unit) else { return Err(fault("", unit)) };
        total = number
            .checked_mul(*factor)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(|| "it is too large".to_owned())?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

fn fault(number: &str, unit: &str) -> String {
    if !number.is_empty() {
        "it is too large".into()
    } else if unit.is_empty() {
        "the unit is missing".into()
    } else if UNITS.iter().any(|(name, _)| *name == unit) {
        format!("`{unit}` needs a number before it, and units go from the longest to the shortest, each once")
    } else {
        format!("`{}` is no unit; known: h, m, s, ms", unit.escape_debug())
    }
}

/// The same form back, for messages and the reference.
pub(crate) fn show(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (name, factor) in UNITS {
        if ms >= factor {
            out.push_str(&format!("{}{name}", ms / factor));
            ms %= factor;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_carries_its_unit() {
        assert_eq!(parse("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("1m500ms"), Ok(Duration::from_millis(60_500)));
        for (text, fault) in [
            ("", "empty"),
            ("5", "unit is missing"),
            ("s", "needs a number"),
            ("5 s", "no unit"),
            ("1.5s", "no unit"),
            ("-5s", "no unit"),
            ("5s1m", "longest to the shortest"),
            ("5s5s", "each once"),
            ("2d", "no unit"),
            ("99999999999999999999s", "too large"),
            ("9999999999999999999h", "too large"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(fault), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ms in 0u64..u64::MAX / 2) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }

        #[test]
        fn the_pattern_says_the_same_as_the_parser(text in "[0-9hms. -]{0,8}") {
            let pattern = regex::Regex::new(PATTERN).expect("a pattern");
            prop_assert_eq!(parse(&text).is_ok(), !text.is_empty() && pattern.is_match(&text));
        }
    }
}

//! Numbers and times as the reports say them.

use jiff::Timestamp;

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "not known";

/// A number with at most three decimals, and none that says nothing: `0.25`, `12`, `1 500`.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.into();
    }
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, rest) = digits.find('.').map_or((digits, ""), |dot| digits.split_at(dot));
    // The minus of a number that was rounded to nothing goes with it.
    let sign = if digits == "0" { "" } else { sign };
    format!("{sign}{}{rest}", grouped(whole))
}

/// A count, with thin gaps between thousands.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Something counted: `1 node`, `3 nodes`.
pub(super) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A number and its unit.
pub(super) fn measure(value: f64, unit: &str) -> String {
    match unit {
        "" => number(value),
        "%" => format!("{} %", number(value)),
        "nodes" | "steps" | "connections" if value == 1.0 => format!("1 {}", unit.trim_end_matches('s')),
        unit => format!("{} {unit}", number(value)),
    }
}

/// A share as a percentage: small ones keep enough digits to be told from nothing.
pub(super) fn percent(ratio: f64) -> String {
    let value = ratio * 100.0;
    let digits = if value == 0.0 || value >= 1.0 { 2 } else { 4 };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "0" && ratio > 0.0 { "below 0.0001 %".into() } else { format!("{text} %") }
}

/// A time that something took: `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 10 min`.
pub(super) fn took(seconds: f64) -> String {
    if !seconds.is_finite() {
        return UNKNOWN.into();
    }
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 119.95 => format!("{s:.1} s"),
        s if s < 7_199.5 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// As [`took`], or that it is not known.
pub(super) fn took_if(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| UNKNOWN.into(), took)
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The time of day, to the millisecond.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S%.3f").to_string()
}

/// Text from elsewhere, without what would change how the rest reads: control characters, and those that turn the
/// direction of writing.
pub(super) fn plain(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars()
        .map(|c| {
            if c == '\n' || c == '\t' {
                ' '
            } else if harmful(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_what_they_know() {
        let cases = [
            (0.0, "0"),
            (-0.0001, "0"),
            (0.25, "0.25"),
            (12.0, "12"),
            (1234.5, "1\u{202f}234.5"),
            (-1e6, "-1\u{202f}000\u{202f}000"),
        ];
        assert!(
            cases.iter().all(|(value, text)| number(*value) == *text),
            "{:?}",
            cases.map(|(value, _)| number(value))
        );
        assert_eq!(number(f64::NAN), UNKNOWN);
        assert_eq!(
            [0.0, 0.5, 0.000_012, 1e-9, 1.0].map(percent),
            ["0 %", "50 %", "0.0012 %", "below 0.0001 %", "100 %"]
        );
        assert_eq!([0.004, 12.34, 245.0, 7_800.0].map(took), ["0.00 s", "12.3 s", "4 min 05 s", "2 h 10 min"]);
        assert_eq!(counted(1, "node", "nodes") + &counted(1000, "node", "nodes"), "1 node1\u{202f}000 nodes");
    }

    #[test]
    fn hostile_text_loses_what_makes_it_so() {
        assert_eq!(plain("a\u{1b}[31m\u{202e}b\nc"), "a\u{fffd}[31m\u{fffd}b c");
    }
}

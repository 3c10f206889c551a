//! Which alerts count: conditions on labels, as Prometheus writes them. All conditions of one entry must hold; a label that
//! is not there is an empty one; a regular expression must match the whole value.

use std::fmt;

use regex::RegexBuilder;
use serde::{Deserialize, Serialize};

use crate::model::alert::Alert;

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matchers(Vec<Matcher>);

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Matcher {
    label: String,
    how: How,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Is,
    IsNot,
    Matches,
    MatchesNot,
}

/// Bytes of a compiled expression; a larger one is refused.
const MAX_REGEX: usize = 1 << 20;

impl Matchers {
    /// Whether the alert has all of that.
    pub fn matches(&self, alert: &Alert) -> bool {
        self.0.iter().all(|matcher| matcher.holds(alert.label(&matcher.label)))
    }
}

impl Matcher {
    fn holds(&self, value: &str) -> bool {
        // What was compiled when the configuration was read compiles again; if not, the alert counts.
        let matched = || regex(&self.value).map(|regex| regex.is_match(value));
        match self.how {
            How::Is => value == self.value,
            How::IsNot => value != self.value,
            How::Matches => matched().unwrap_or(true),
            How::MatchesNot => !matched().unwrap_or(false),
        }
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Matcher { label, how, value }) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let sign = match how {
                How::Is => "=",
                How::IsNot => "!=",
                How::Matches => "=~",
                How::MatchesNot => "!~",
            };
            write!(f, "{comma}{label}{sign}{value}")?;
        }
        Ok(())
    }
}

fn regex(value: &str) -> Result<regex::Regex, String> {
    let whole = format!("^(?:{value})$");
    RegexBuilder::new(&whole).size_limit(MAX_REGEX).build().map_err(|e| e.to_string())
}

/// `label=value`, `label!=value`, `label=~expression`, `label!~expression`, several with commas between them. A value with a
/// comma in it is put in quotation marks.
pub(super) fn parse(text: &str) -> Result<Matchers, String> {
    let mut matchers = Vec::new();
    let mut rest = text.trim();
    loop {
        let end = rest.find(['=', '!']).ok_or("there is no `=` in it")?;
        let (label, after) = rest.split_at(end);
        let signs = [("=~", How::Matches), ("!~", How::MatchesNot), ("!=", How::IsNot), ("=", How::Is)];
        let found = signs.into_iter().find_map(|(sign, how)| Some((how, after.strip_prefix(sign)?)));
        let (how, after) = found.ok_or("`!` goes with `=` or `~`")?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').ok_or("a quotation mark is missing")?;
                (value, after.trim_start())
            }
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after[..end].trim(), &after[end..])
            }
        };
        let label = label.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if label.is_empty() || !label.chars().all(plain) {
            return Err(format!("\"{label}\" is no label"));
        }
        if matches!(how, How::Matches | How::MatchesNot) {
            regex(value)?;
        }
        matchers.push(Matcher { label: label.to_owned(), how, value: value.to_owned() });
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim(),
            None if after.is_empty() => return Ok(Matchers(matchers)),
            None => return Err("a comma is missing".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(matchers: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse(matchers).expect(matchers).matches(&Alert { labels, since: None })
    }

    #[test]
    fn all_conditions_of_an_entry_must_hold() {
        let alert = [("alertname", "DiskFull"), ("severity", "page"), ("team", "web")];
        assert!(holds("severity=page", &alert));
        assert!(holds("severity =~ \"page|critical\", team!=db", &alert));
        assert!(!holds("severity=page, team=db", &alert));
        assert!(!holds("severity=~pag", &alert), "the whole value");
        assert!(holds("alertname!~Tidegate.*", &alert));
        assert!(holds("site=", &alert), "a label that is not there is empty");
        assert!(!holds("site=~.+", &alert));
        assert!(holds("team=~\"a{1,2}|web\"", &alert), "a comma in quotation marks");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for text in ["", "severity", "severity=~(", "=page", "a b=c", "severity=\"page", "severity=\"page\" team=web"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("a=b,c=~d|e").expect("two").to_string(), "a=b, c=~d|e");
    }
}

//! A member's state in its provider's own terms, and in what two such states differ, for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A member's state in the provider's own terms: enough for the provider to put it back exactly, and equal
/// only where nothing differs. `null` where an instance can say no more than whether the member is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Exact(pub Value);

/// Differences that are listed.
const MOST: usize = 4;
/// Characters of a value that are shown.
const LONGEST: usize = 60;

impl Exact {
    /// What is other in `now`, in words: `ttl 2, now 7`. Empty where nothing is.
    pub fn differences(&self, now: &Self) -> String {
        let (before, now) = (leaves(&self.0), leaves(&now.0));
        let mut names: Vec<&String> =
            before.keys().chain(now.keys()).filter(|n| before.get(*n) != now.get(*n)).collect();
        names.sort_unstable();
        names.dedup();
        let shown = |value: Option<&String>| value.map_or_else(|| "none".into(), |v| v.chars().take(LONGEST).collect());
        let word = |name: &&String| {
            let (was, is): (String, String) = (shown(before.get(*name)), shown(now.get(*name)));
            format!("{name} {was}, now {is}").trim_start().to_owned()
        };
        let mut words: Vec<String> = names.iter().take(MOST).map(word).collect();
        if names.len() > MOST {
            words.push(format!("and {} more", names.len() - MOST));
        }
        words.join("; ")
    }
}

/// Every value by its path. What has a `text` is shown by that: the rest of it is for programs.
fn leaves(value: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    gather(value, "", &mut leaves);
    leaves
}

fn gather(value: &Value, path: &str, leaves: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(fields) => match fields.get("text") {
            Some(text) => gather(text, path, leaves),
            None => fields.iter().for_each(|(name, value)| gather(value, &below(name), leaves)),
        },
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| gather(item, &below(&n.to_string()), leaves))
        }
        Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let record = |ttl: Option<u32>, text: &[&str]| {
            let records: Vec<Value> = text.iter().map(|t| json!({ "text": t, "wire": "c0" })).collect();
            Exact(json!({ "type": "A", "ttl": ttl, "records": records }))
        };
        let before = record(Some(2), &["10.0.0.2"]);
        assert_eq!(before.differences(&before), "");
        assert_eq!(before.differences(&record(Some(7), &["10.0.0.2"])), "ttl 2, now 7");
        assert_eq!(before.differences(&record(None, &[])), "records.0 10.0.0.2, now none; ttl 2, now none");
        assert_eq!(Exact(json!("on")).differences(&Exact(Value::Null)), "on, now none");
    }

    #[test]
    fn much_is_cut_short() {
        let many = |n: u32| Exact(json!((0..9).map(|i| format!("{}{n}", "x".repeat(80 * i))).collect::<Vec<_>>()));
        let words = many(1).differences(&many(2));
        assert!(words.ends_with("; and 5 more") && words.len() < 600, "{words}");
    }
}

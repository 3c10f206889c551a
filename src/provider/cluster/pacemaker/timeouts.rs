//! For how long the cluster waits for a resource to stop.

use std::{collections::BTreeMap, time::Duration};

use roxmltree::{Document, Node};

use crate::provider::{ProviderError, Result};

/// Prints the configuration.
pub(super) const QUERY: [&str; 3] =
    ["sh", "-c", "PATH=\"$PATH:/usr/sbin:/sbin\"; exec cibadmin --query --scope configuration"];

/// What Pacemaker does where nothing is said.
const USUAL: Duration = Duration::from_secs(20);

/// The time-outs of these resources' stop operations; `Err` tells why one is not known.
pub(super) fn read(text: &str, resources: &[&str]) -> Result<BTreeMap<String, std::result::Result<Duration, String>>> {
    let document = Document::parse(text)
        .map_err(|error| ProviderError::Unexpected(format!("the cluster's configuration is no XML: {error}")))?;
    let of = |resource: &&str| ((*resource).to_owned(), stop(document.root_element(), resource));
    Ok(resources.iter().map(of).collect())
}

/// Why the cluster did not tell.
pub(super) fn failure(stderr: &str) -> ProviderError {
    let why = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    ProviderError::Unexpected(format!("cibadmin: {}", why.trim().chars().take(200).collect::<String>()))
}

fn stop(root: Node<'_, '_>, resource: &str) -> std::result::Result<Duration, String> {
    let named = |n: &Node<'_, '_>| n.has_tag_name("primitive") && n.attribute("id") == Some(resource);
    let primitive = root.descendants().find(named).ok_or_else(|| format!("the cluster has no resource {resource}"))?;
    if primitive.has_attribute("template") {
        return Err(format!("{resource} comes from a template"));
    }
    let is_stop = |n: &Node<'_, '_>| n.has_tag_name("op") && n.attribute("name") == Some("stop");
    let own = primitive.descendants().find(is_stop).and_then(|op| timeout(op).or(op.attribute("timeout")));
    match own {
        Some(text) => span(text).ok_or_else(|| format!("{resource} has a stop time-out of \"{text}\"")),
        None => usual(root),
    }
}

/// The default of all operations. With rules in it nobody can say which one holds.
fn usual(root: Node<'_, '_>) -> std::result::Result<Duration, String> {
    let Some(defaults) = root.descendants().find(|n| n.has_tag_name("op_defaults")) else { return Ok(USUAL) };
    if defaults.descendants().any(|n| n.has_tag_name("rule")) {
        return Err("the defaults of operations have rules".to_owned());
    }
    match timeout(defaults) {
        Some(text) => span(text).ok_or_else(|| format!("the default time-out of operations is \"{text}\"")),
        None => Ok(USUAL),
    }
}

fn timeout<'a>(within: Node<'a, '_>) -> Option<&'a str> {
    let named = |n: &Node<'_, '_>| n.has_tag_name("nvpair") && n.attribute("name") == Some("timeout");
    within.descendants().find(named)?.attribute("value")
}

/// A time as Pacemaker reads it: seconds unless a unit follows.
fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" | "msec" => 1,
        "" | "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(defaults: &str, operations: &str) -> std::result::Result<Duration, String> {
        let text = format!(
            "<configuration><resources><clone id=\"c\"><primitive id=\"app\" class=\"systemd\" type=\"app\"><operations>\
             {operations}</operations></primitive></clone></resources>{defaults}</configuration>"
        );
        read(&text, &["app"]).expect("XML").remove("app").expect("asked for")
    }

    #[test]
    fn the_operations_own_the_default_and_pacemakers() {
        let defaults = "<op_defaults><meta_attributes id=\"d\"><nvpair id=\"t\" name=\"timeout\" value=\"2min\"/></meta_attributes></op_defaults>";
        let stop = "<op id=\"s\" name=\"stop\" interval=\"0s\" timeout=\"100\"/><op id=\"m\" name=\"monitor\" timeout=\"5s\"/>";
        assert_eq!(of("", ""), Ok(USUAL));
        assert_eq!(of(defaults, "<op id=\"m\" name=\"monitor\" timeout=\"5s\"/>"), Ok(Duration::from_secs(120)));
        assert_eq!(of(defaults, stop), Ok(Duration::from_secs(100)));
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert!(of("", "<op id=\"s\" name=\"stop\" timeout=\"soon\"/>").is_err());
        assert!(
            of("<op_defaults><meta_attributes id=\"d\"><rule id=\"r\"/></meta_attributes></op_defaults>", "").is_err()
        );
        let none = read("<configuration/>", &["app"]).expect("XML");
        assert!(none["app"].as_ref().is_err_and(|why| why.contains("no resource app")));
        assert!(read("nothing", &["app"]).is_err());
    }
}

//! Judging: the order of moments, and the difference of two states.

use anyhow::{Context, Result};

use super::layer::balancers::Balancers;
use super::layer::{Layer, Moment, Window, node};
use crate::lab::{Lab, Proxy};

/// What was out of order in a drain: each layer before the one further in, the last request before standby.
pub(super) fn of_drain(lab: &Lab, layers: &Layers, node: &str, during: Window) -> Result<Vec<String>> {
    let mut moments = Vec::new();
    for layer in layers.all() {
        let name = layer.name();
        moments.push((name.clone(), layer.left(lab, node, during).context(name)?));
    }
    let mut wrong = disorder(&moments);
    if let Some(standby) = layers.inner.first() {
        let standby = standby.left(lab, node, during)?;
        let late = node::requests(lab, node, Window { from: standby.first, ..during })?;
        if let Some((start, end)) = late.last() {
            wrong.push(format!(
                "{node} had a request from {start:.3} to {end:.3}, standby was set at {:.3}",
                standby.first
            ));
        }
        // Without traffic before, the order of nothing was proven.
        if node::requests(lab, node, Window { from: during.from - 2.0, to: standby.first })?.is_empty() {
            wrong.push(format!("{node} had no request before it was drained"));
        }
    }
    Ok(wrong)
}

/// What was out of order in a restore: standby ends, the unit starts, then the routes from within.
pub(super) fn of_restore(lab: &Lab, layers: &Layers, node: &str, during: Window) -> Result<Vec<String>> {
    let mut moments = Vec::new();
    for layer in layers.inner.iter().chain(layers.outer.iter().rev()) {
        let name = layer.name();
        moments.push((name.clone(), layer.back(lab, node, during).context(name)?));
    }
    let mut wrong = disorder(&moments);
    if let (Some((name, innermost)), false) = (moments.get(layers.inner.len()), layers.inner.is_empty()) {
        let requests = node::requests(lab, node, during)?;
        match requests.first() {
            None => wrong.push(format!("{node} had no request after it was restored")),
            Some((start, _)) if *start < innermost.first - CLOCK => {
                wrong.push(format!(
                    "{node} had a request at {start:.3}, before {name} took it back at {:.3}",
                    innermost.first
                ));
            }
            Some(_) => {}
        }
    }
    Ok(wrong)
}

/// What stands between clients and a node, from the client inwards, and what runs the node.
pub(super) struct Layers {
    pub(super) outer: Vec<Box<dyn Layer>>,
    /// Standby, then the unit; nothing for a host outside the cluster.
    pub(super) inner: Vec<Box<dyn Layer>>,
}

impl Layers {
    /// A node behind one kind of load balancer that clients know themselves.
    pub(super) fn behind(proxy: Proxy) -> Self {
        Self { outer: vec![Box::new(Balancers(proxy))], inner: node::all().into() }
    }

    fn all(&self) -> impl Iterator<Item = &dyn Layer> {
        self.outer.iter().chain(&self.inner).map(AsRef::as_ref)
    }
}

/// Logs with milliseconds round; two programs' lines of the same moment may differ by that.
const CLOCK: f64 = 0.002;

/// What came before its time: each moment has to be over when the next one begins.
fn disorder(moments: &[(String, Moment)]) -> Vec<String> {
    let pairs = moments.windows(2).filter_map(|pair| match pair {
        [(one, first), (other, second)] if first.last > second.first + CLOCK => {
            Some(format!("{other} moved at {:.3}, before {one} was through at {:.3}", second.first, first.last))
        }
        _ => None,
    });
    pairs.collect()
}

/// Every line that is not in both states.
pub(super) fn differences(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for ((name, was), (_, is)) in before.iter().zip(after).filter(|(one, other)| one != other) {
        let gone = was.lines().filter(|line| !is.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
        let new = is.lines().filter(|line| !was.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
        let lines: Vec<String> = gone.chain(new).take(6).collect();
        let lines = if lines.is_empty() { "the order of lines".to_owned() } else { lines.join(" | ") };
        found.push(format!("{name} is not as before: {lines}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(name: &str, first: f64, last: f64) -> (String, Moment) {
        (name.to_owned(), Moment { first, last })
    }

    #[test]
    fn each_layer_is_through_before_the_next_begins() {
        let good = [moment("dns", 1.0, 1.2), moment("lb", 3.0, 3.1), moment("unit", 5.0, 5.0)];
        assert_eq!(disorder(&good), [] as [String; 0]);
        let bad = [moment("dns", 1.0, 3.05), moment("lb", 3.0, 3.1)];
        assert_eq!(disorder(&bad).len(), 1, "one server of the first was late");
    }

    #[test]
    fn a_difference_is_named_by_layer_and_line() {
        let state = |text: &str| vec![("DNS".to_owned(), text.to_owned())];
        assert_eq!(differences(&state("a\nb"), &state("a\nb")), [] as [String; 0]);
        assert_eq!(differences(&state("a\nb"), &state("a\nc")), ["DNS is not as before: - b | + c"]);
        assert_eq!(differences(&state("a\nb"), &state("b\na")), ["DNS is not as before: the order of lines"]);
    }
}

//! Which charts a report has, made of what was measured; a chart of nothing is not drawn.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Evidence, Phase, Tick, Traffic,
    chart::{Band, COLOURS, Chart, Ground, Layer, Mark, Scale, Shape},
    phases::between_s,
    thin,
    words::{counted, number, took_if},
};
use crate::model::NodeName;

/// Every chart, with what all of them have below them.
pub(super) struct Charts {
    pub(super) ground: Ground,
    pub(super) charts: Vec<Chart>,
    /// Names of phases with their colours, in order of their first appearance.
    pub(super) phases: Vec<(String, usize)>,
}

/// The charts of this evidence.
pub(super) fn of(evidence: &Evidence) -> Charts {
    let zero = zero(evidence);
    let phases = colours(&evidence.phases);
    let ground = ground(evidence, zero, &phases);
    let nodes = thin::nodes(evidence);
    let mut charts = Vec::new();
    if let Some(traffic) = &evidence.traffic {
        let ticks = thin::whole(traffic);
        let offset = between_s(zero, traffic.from);
        if !ticks.is_empty() {
            charts.push(requests(&ticks, &nodes, offset));
            charts.push(failures(&ticks, traffic, offset));
            charts.extend(latency(&ticks, offset));
            charts.extend(shares(&ticks, &nodes, offset));
        }
    }
    charts.extend(skew(evidence, zero));
    charts.extend(connections(evidence, &nodes, zero));
    charts.extend(ready(evidence, zero));
    Charts { ground, charts, phases }
}

/// Where the time axis begins: with whatever was first.
fn zero(evidence: &Evidence) -> Timestamp {
    let traffic = evidence.traffic.as_ref().map(|t| t.from);
    traffic.into_iter().chain(evidence.phases.iter().map(|p| p.from)).fold(evidence.started, Timestamp::min)
}

fn ground(evidence: &Evidence, zero: Timestamp, phases: &[(String, usize)]) -> Ground {
    let traffic = evidence.traffic.as_ref().map(|t| t.until);
    let series = evidence.series.connections.iter().map(|s| s.at).chain(evidence.series.ready.iter().map(|r| r.at));
    let ends = evidence.phases.iter().flat_map(|p| [Some(p.from), p.until]).flatten().chain(series);
    let last = evidence.ended.into_iter().chain(traffic).chain(ends).fold(zero, Timestamp::max);
    let length = between_s(zero, last).max(1.0);
    let band = |(number, phase): (usize, &Phase)| Band {
        from: between_s(zero, phase.from),
        until: phase.until.map_or(length, |until| between_s(zero, until)),
        number: number + 1,
        colour: phases.iter().find(|(name, _)| *name == phase.name).map_or(0, |(_, colour)| *colour),
        title: title(number + 1, phase),
    };
    let mut marks = Vec::new();
    if let Some(fault) = &evidence.fault {
        marks.push(Mark { at: between_s(zero, fault.at), label: fault.word.clone() });
        marks.extend(fault.ended_at.map(|at| Mark { at: between_s(zero, at), label: "over".into() }));
    }
    Ground { length, bands: evidence.phases.iter().enumerate().map(band).collect(), marks }
}

fn title(number: usize, phase: &Phase) -> String {
    let node = phase.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    format!("{number}. {}{node}, {}", phase.name, took_if(phase.took_s()))
}

fn colours(phases: &[Phase]) -> Vec<(String, usize)> {
    let mut names: Vec<(String, usize)> = Vec::new();
    for phase in phases {
        if !names.iter().any(|(name, _)| *name == phase.name) {
            names.push((phase.name.clone(), names.len() % COLOURS));
        }
    }
    names
}

fn requests(ticks: &[Tick], nodes: &[NodeName], offset: f64) -> Chart {
    let drawn = thin::extremes(ticks);
    let mut below = vec![0.0; drawn.len()];
    let mut layers: Vec<Layer> = Vec::new();
    let named: Vec<&NodeName> = nodes.iter().filter(|n| ticks.iter().any(|t| t.by_node.contains_key(*n))).collect();
    let mut stack = |name: &str, class: String, of: &dyn Fn(&Tick) -> f64| {
        let points = drawn.iter().zip(&mut below).map(|(tick, below)| {
            let low = *below;
            *below += of(tick);
            (offset + tick.second as f64 + 0.5, low, *below)
        });
        layers.push(Layer { name: name.into(), class, shape: Shape::Area(points.collect()) });
    };
    for node in named {
        let count = |tick: &Tick| tick.by_node.get(node).copied().unwrap_or(0) as f64;
        stack(node.as_str(), node_class(nodes, node), &count);
    }
    // Answers that do not say from whom.
    let unnamed = |tick: &Tick| tick.ok.saturating_sub(tick.by_node.values().sum()) as f64;
    if ticks.iter().any(|tick| unnamed(tick) > 0.0) {
        stack("unnamed", "sx".into(), &unnamed);
    }
    let least = ticks.iter().map(|t| t.ok).min().unwrap_or(0);
    let most = ticks.iter().map(|t| t.ok).max().unwrap_or(0);
    Chart {
        id: "requests",
        title: "Answered requests by node".into(),
        sentence: format!("Between {least} and {most} answers a second over {} seconds.", ticks.len()),
        unit: "answers a second",
        scale: Scale::linear(below),
        layers,
        height: 250.0,
    }
}

fn failures(ticks: &[Tick], traffic: &Traffic, offset: f64) -> Chart {
    let drawn = thin::largest(ticks, |tick| Some(tick.failed as f64));
    let width = (ticks.len() as f64 / drawn.len().max(1) as f64).max(1.0);
    let bars: Vec<(f64, f64)> =
        drawn.iter().filter_map(|(second, failed)| Some((offset + *second as f64, (*failed)?))).collect();
    let bad = ticks.iter().filter(|t| t.failed > 0).count();
    Chart {
        id: "failures",
        title: "Failed requests".into(),
        sentence: match bad {
            0 => "No second had a failure.".into(),
            bad => format!(
                "{} in {bad} of {}.",
                counted(traffic.failed, "failure", "failures"),
                counted(ticks.len() as u64, "second", "seconds")
            ),
        },
        unit: "failures a second",
        scale: Scale::linear(bars.iter().map(|b| b.1)),
        layers: vec![Layer { name: "failed".into(), class: "bad".into(), shape: Shape::Bars(width, bars) }],
        height: 120.0,
    }
}

/// One measure of a second's latency.
type Measure = fn(&Tick) -> Option<f64>;

fn latency(ticks: &[Tick], offset: f64) -> Option<Chart> {
    let measures: [(&str, &str, Measure); 3] =
        [("slowest", "s5", |t| t.max_ms), ("99th percentile", "s1", |t| t.p99_ms), ("median", "s0", |t| t.p50_ms)];
    let mut layers = Vec::new();
    let mut values = Vec::new();
    for (name, class, of) in measures {
        let points: Vec<(f64, Option<f64>)> = thin::largest(ticks, of)
            .into_iter()
            .map(|(second, value)| (offset + second as f64 + 0.5, value.filter(|v| v.is_finite())))
            .collect();
        values.extend(points.iter().filter_map(|p| p.1));
        layers.push(Layer { name: name.into(), class: class.into(), shape: Shape::Line(points) });
    }
    let slowest = values.iter().copied().reduce(f64::max)?;
    let scale = Scale::fitting(values);
    let log = if matches!(scale, Scale::Log { .. }) { ", by powers of ten" } else { "" };
    Some(Chart {
        id: "latency",
        title: format!("Latency, from when each request was due{log}"),
        sentence: format!("The slowest answer took {} ms.", number(slowest)),
        unit: "milliseconds",
        scale,
        layers,
        height: 200.0,
    })
}

fn shares(ticks: &[Tick], nodes: &[NodeName], offset: f64) -> Option<Chart> {
    let drawn = thin::extremes(ticks);
    let all = |tick: &Tick| tick.by_node.values().sum::<u64>();
    let named: Vec<&NodeName> = nodes.iter().filter(|n| ticks.iter().any(|t| t.by_node.contains_key(*n))).collect();
    if named.is_empty() {
        return None;
    }
    let layer = |node: &&NodeName| {
        let share = |tick: &Tick| {
            let answers = tick.by_node.get(*node).copied().unwrap_or(0) as f64;
            (all(tick) > 0).then(|| answers * 100.0 / all(tick) as f64)
        };
        let points = drawn.iter().map(|tick| (offset + tick.second as f64 + 0.5, share(tick))).collect();
        Layer { name: node.to_string(), class: node_class(nodes, node), shape: Shape::Line(points) }
    };
    Some(Chart {
        id: "shares",
        title: "Share of each node".into(),
        sentence: format!("{} nodes share the answers; an even share is {} %.", named.len(), 100 / named.len()),
        unit: "% of answers",
        scale: Scale::Linear { top: 100.0 },
        layers: named.iter().map(layer).collect(),
        height: 170.0,
    })
}

fn skew(evidence: &Evidence, zero: Timestamp) -> Option<Chart> {
    let points: Vec<(f64, Option<f64>)> =
        evidence.series.skew.iter().map(|s| (between_s(zero, s.at), s.skew.filter(|v| v.is_finite()))).collect();
    let most = points.iter().filter_map(|p| p.1).reduce(f64::max)?;
    Some(Chart {
        id: "skew",
        title: "Skew: the largest share against the expected one".into(),
        sentence: format!("At most {}; 1 is as expected.", number(most)),
        unit: "largest share / expected",
        scale: Scale::linear([most]),
        layers: vec![Layer { name: "skew".into(), class: "s4".into(), shape: Shape::Line(thin::series(&points)) }],
        height: 140.0,
    })
}

fn connections(evidence: &Evidence, nodes: &[NodeName], zero: Timestamp) -> Option<Chart> {
    let mut by_node: BTreeMap<&NodeName, Vec<(f64, Option<f64>)>> = BTreeMap::new();
    for sample in &evidence.series.connections {
        let point = (between_s(zero, sample.at), sample.value.filter(|v| v.is_finite()));
        by_node.entry(&sample.node).or_default().push(point);
    }
    let most = by_node.values().flatten().filter_map(|p| p.1).reduce(f64::max)?;
    let layer = |(node, points): (&&NodeName, &Vec<_>)| Layer {
        name: node.to_string(),
        class: node_class(nodes, node),
        shape: Shape::Steps(thin::series(points)),
    };
    Some(Chart {
        id: "connections",
        title: "Open connections by node".into(),
        sentence: format!("At most {} on one node.", number(most)),
        unit: "connections",
        scale: Scale::linear([most]),
        layers: by_node.iter().map(layer).collect(),
        height: 170.0,
    })
}

fn ready(evidence: &Evidence, zero: Timestamp) -> Option<Chart> {
    let points: Vec<(f64, Option<f64>)> =
        evidence.series.ready.iter().map(|r| (between_s(zero, r.at), r.ready.map(f64::from))).collect();
    let known = || points.iter().filter_map(|p| p.1);
    let (fewest, most) = (known().reduce(f64::min)?, known().reduce(f64::max)?);
    Some(Chart {
        id: "ready",
        title: "Ready nodes".into(),
        sentence: format!("Between {} and {} were ready.", number(fewest), number(most)),
        unit: "nodes",
        scale: Scale::linear([most]),
        layers: vec![Layer { name: "ready".into(), class: "s2".into(), shape: Shape::Steps(thin::series(&points)) }],
        height: 120.0,
    })
}

fn node_class(nodes: &[NodeName], node: &NodeName) -> String {
    format!("s{}", nodes.iter().position(|n| n == node).unwrap_or(0) % COLOURS)
}

//! The drawing itself: a chart as one `<svg>` element.

use std::fmt::Write;

use super::{COLOURS, Chart, Ground, Layer, Shape, ticks_of_time};
use crate::drill::report::{html::escaped, words::number};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 24.0;

/// Where things are.
struct Frame<'a> {
    chart: &'a Chart,
    ground: &'a Ground,
}

impl Frame<'_> {
    fn x(&self, seconds: f64) -> f64 {
        let share = if self.ground.length > 0.0 { seconds / self.ground.length } else { 0.0 };
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (1.0 - self.chart.scale.place(value)) * self.inner()
    }

    fn inner(&self) -> f64 {
        self.chart.height - TOP - BOTTOM
    }

    fn bottom(&self) -> f64 {
        self.chart.height - BOTTOM
    }
}

/// The chart as an element that needs nothing but the page's colours.
pub(in super::super) fn svg(chart: &Chart, ground: &Ground) -> String {
    let frame = Frame { chart, ground };
    let (id, height) = (chart.id, chart.height);
    let mut out = format!(
        "<svg id=\"{id}\" class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
        escaped(&chart.title),
        escaped(&chart.sentence),
    );
    bands(&mut out, &frame);
    axes(&mut out, &frame);
    for layer in &chart.layers {
        shape(&mut out, &frame, layer);
    }
    marks(&mut out, &frame);
    out.push_str("</svg>\n");
    out
}

fn bands(out: &mut String, frame: &Frame<'_>) {
    for band in &frame.ground.bands {
        let (from, until) = (frame.x(band.from), frame.x(band.until));
        // A phase that took no time is still seen.
        let width = (until - from).max(1.0);
        let (colour, inner) = (band.colour % COLOURS, frame.inner());
        let _ = write!(
            out,
            "<g class=\"p{colour}\"><title>{}</title><rect class=\"band\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" \
             height=\"{inner:.1}\"/><rect class=\"cap\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"5\"/>",
            escaped(&band.title),
            TOP - 6.0,
        );
        if width > 16.0 {
            let middle = from + width / 2.0;
            let _ = write!(out, "<text class=\"no\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", TOP - 9.0, band.number);
        }
        out.push_str("</g>");
    }
}

fn axes(out: &mut String, frame: &Frame<'_>) {
    let (left, right, bottom) = (LEFT, WIDTH - RIGHT, frame.bottom());
    for value in frame.chart.scale.ticks() {
        let y = frame.y(value);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left - 6.0,
            y + 3.5,
            number(value),
        );
    }
    for (at, words) in ticks_of_time(frame.ground.length) {
        let x = frame.x(at);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{:.1}\"/>\
             <text class=\"tick x\" x=\"{x:.1}\" y=\"{:.1}\">{words}</text>",
            bottom + 4.0,
            bottom + 16.0,
        );
    }
    let _ = write!(out, "<text class=\"unit\" x=\"4\" y=\"12\">{}</text>", escaped(frame.chart.unit));
}

fn shape(out: &mut String, frame: &Frame<'_>, layer: &Layer) {
    let (class, name) = (escaped(&layer.class), escaped(&layer.name));
    match &layer.shape {
        Shape::Area(points) => {
            let path = area(frame, points);
            let _ = write!(out, "<path class=\"area {class}\" d=\"{path}\"><title>{name}</title></path>");
        }
        Shape::Line(points) => line(out, frame, &class, &name, points, false),
        Shape::Steps(points) => line(out, frame, &class, &name, points, true),
        Shape::Bars(width, bars) => {
            let path = columns(frame, *width, bars);
            let _ = write!(out, "<path class=\"bars {class}\" d=\"{path}\"><title>{name}</title></path>");
        }
    }
}

fn area(frame: &Frame<'_>, points: &[(f64, f64, f64)]) -> String {
    let mut path = String::new();
    for (n, (x, _, high)) in points.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if n == 0 { 'M' } else { 'L' }, frame.x(*x), frame.y(*high));
    }
    for (x, low, _) in points.iter().rev() {
        let _ = write!(path, "L{:.1} {:.1}", frame.x(*x), frame.y(*low));
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

/// A line; a value between two gaps is a dot, so that it is seen.
fn line(out: &mut String, frame: &Frame<'_>, class: &str, name: &str, points: &[(f64, Option<f64>)], steps: bool) {
    let (mut path, mut dots) = (String::new(), String::new());
    for run in points.split(|p| p.1.is_none()) {
        let known: Vec<(f64, f64)> = run.iter().filter_map(|(x, y)| Some((frame.x(*x), frame.y((*y)?)))).collect();
        if let [(x, y)] = known.as_slice() {
            let _ = write!(dots, "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.6\"/>");
            continue;
        }
        for (n, (x, y)) in known.iter().enumerate() {
            let _ = match (n, steps) {
                (0, _) => write!(path, "M{x:.1} {y:.1}"),
                (_, true) => write!(path, "H{x:.1}V{y:.1}"),
                (_, false) => write!(path, "L{x:.1} {y:.1}"),
            };
        }
    }
    let _ = write!(out, "<path class=\"line {class}\" d=\"{path}\"><title>{name}</title></path>{dots}");
}

/// Bars, each at least as wide as a stroke of a pen and as high as two.
fn columns(frame: &Frame<'_>, width: f64, bars: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let bottom = frame.bottom();
    for (x, value) in bars.iter().filter(|(_, value)| *value > 0.0) {
        let (from, until) = (frame.x(*x), frame.x(x + width));
        let wide = (until - from).max(1.6);
        let y = frame.y(*value).min(bottom - 2.5);
        let _ = write!(path, "M{from:.1} {bottom:.1}V{y:.1}h{wide:.1}V{bottom:.1}Z");
    }
    path
}

fn marks(out: &mut String, frame: &Frame<'_>) {
    for mark in &frame.ground.marks {
        let x = frame.x(mark.at);
        // Words of a moment near the end stand before it.
        let (anchor, aside) = if x > WIDTH * 0.75 { ("end", -5.0) } else { ("start", 5.0) };
        let _ = write!(
            out,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            TOP - 4.0,
            frame.bottom(),
            x + aside,
            TOP + 11.0,
            escaped(&mark.label),
        );
    }
}

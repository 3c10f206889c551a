//! A chart with its legend, and its numbers as a table for who wants them or cannot see the chart.

use std::fmt::Write;

use super::{
    super::{
        chart::{Chart, Ground, Layer, Shape, svg},
        charts::Charts,
        section::{Cell, Table},
        words::number,
    },
    escaped, table,
};

/// The colours of the phases, once for all charts.
pub(super) fn phases(page: &mut String, drawn: &Charts) {
    if drawn.phases.is_empty() {
        return;
    }
    page.push_str("<ul class=\"legend phases\" aria-label=\"Phases\">\n");
    for (name, colour) in &drawn.phases {
        let numbers: Vec<String> = numbers(drawn, name);
        let _ = writeln!(
            page,
            "<li><i class=\"swatch p{colour}\"></i>{} <small>{}</small></li>",
            escaped(name),
            numbers.join(", ")
        );
    }
    page.push_str("</ul>\n");
}

/// The numbers of the phases of one name, the first few.
fn numbers(drawn: &Charts, name: &str) -> Vec<String> {
    const FEW: usize = 6;
    let titled = |n: usize| format!("{n}. {name}");
    let of = drawn.ground.bands.iter().filter(|band| {
        let rest = band.title.strip_prefix(&titled(band.number));
        rest.is_some_and(|rest| rest.starts_with(" on ") || rest.starts_with(", "))
    });
    let all: Vec<usize> = of.map(|band| band.number).collect();
    let mut numbers: Vec<String> = all.iter().take(FEW).map(usize::to_string).collect();
    if all.len() > FEW {
        numbers.push("…".into());
    }
    numbers
}

/// One chart.
pub(super) fn figure(page: &mut String, chart: &Chart, ground: &Ground) {
    let _ =
        writeln!(page, "<figure>\n<figcaption><h3>{}</h3><p>{}</p>", escaped(&chart.title), escaped(&chart.sentence));
    if chart.layers.len() > 1 {
        page.push_str("<ul class=\"legend\">");
        for layer in &chart.layers {
            let kind = if matches!(layer.shape, Shape::Area(_)) { "" } else { " stroke" };
            let _ = write!(
                page,
                "<li><i class=\"swatch{kind} {}\"></i>{}</li>",
                escaped(&layer.class),
                escaped(&layer.name)
            );
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</figcaption>\n");
    page.push_str(&svg(chart, ground));
    let numbers = numbers_of(chart);
    let _ = writeln!(page, "<details>\n<summary>The numbers of this chart ({} rows)</summary>", numbers.rows.len());
    table(page, &numbers);
    page.push_str("</details>\n</figure>\n");
}

/// What is drawn, as rows: time, what, value.
fn numbers_of(chart: &Chart) -> Table {
    let mut table = Table::new(["#seconds", "what", "#value"]);
    let mut rows: Vec<(f64, &str, Option<f64>)> = Vec::new();
    for Layer { name, shape, .. } in &chart.layers {
        match shape {
            Shape::Area(points) => {
                rows.extend(points.iter().map(|(x, low, high)| (*x, name.as_str(), Some(high - low))))
            }
            Shape::Line(points) | Shape::Steps(points) => {
                rows.extend(points.iter().map(|(x, value)| (*x, name.as_str(), *value)));
            }
            Shape::Bars(_, bars) => rows.extend(bars.iter().map(|(x, value)| (*x, name.as_str(), Some(*value)))),
        }
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (x, what, value) in rows {
        table.row([number((x * 10.0).floor() / 10.0).into(), what.into(), Cell::or_unknown(value.map(number))]);
    }
    table
}

//! The catalogue as it is read by people: the second half of `docs/metrics.md`.

use std::fmt::Write as _;

use metrics::Unit;

use super::{
    metric::{Kind, Metric},
    table, words,
};

/// Every metric and every closed set of words, in Markdown.
pub fn reference() -> String {
    let mut page = String::new();
    for (section, metrics) in table::SECTIONS {
        let _ = write!(page, "## {section}\n\n| metric | kind | labels | what it says |\n| --- | --- | --- | --- |\n");
        for metric in *metrics {
            let _ = writeln!(page, "{}", row(metric));
        }
        page.push('\n');
    }
    page.push_str("## Words in labels\n\n| set | words |\n| --- | --- |\n");
    for (set, words) in words::SETS.iter().chain(words::MORE_SETS) {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        let _ = writeln!(page, "| {set} | {} |", words.join(", "));
    }
    page
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let unit = match metric.unit {
        Some(Unit::Seconds) => ", s",
        Some(Unit::Bytes) => ", bytes",
        _ => "",
    };
    let buckets = match metric.kind {
        Kind::Histogram(bounds) => {
            let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
            format!(" Buckets: {}.", bounds.join(", "))
        }
        Kind::Counter | Kind::Gauge => String::new(),
    };
    let kind = metric.kind.word();
    format!("| `{}` | {kind}{unit} | {} | {}{buckets} |", metric.name, labels.join(", "), metric.help)
}

//! The report as Markdown: for tickets, wikis and mails.

use std::fmt::Write;

use super::{
    Evidence, Traffic,
    section::{Cell, Section, Table, Tone},
    sections, spark,
    words::{counted, plain},
};

/// Characters of a line of numbers.
const WIDTH: usize = 60;
/// Rows of one table: a ticket is read, not searched.
const ROWS: usize = 50;

/// The evidence as a Markdown document.
pub fn markdown(evidence: &Evidence) -> String {
    let mut text = format!("# {}\n\n", escaped(&evidence.name));
    let why = evidence.verdict.why.as_ref().map(|why| format!(": {}", escaped(why))).unwrap_or_default();
    let _ = writeln!(text, "**{}**{why}\n", evidence.verdict.outcome.words().to_uppercase());
    if let Some(hypothesis) = &evidence.hypothesis {
        let _ = writeln!(text, "> {}\n", escaped(hypothesis));
    }
    for (name, value) in sections::facts(evidence) {
        let _ = writeln!(text, "- {name}: {}", escaped(&value));
    }
    for part in sections::before_charts(evidence) {
        section(&mut text, &part);
    }
    if let Some(traffic) = &evidence.traffic {
        lines(&mut text, traffic);
    }
    for part in sections::after_charts(evidence) {
        section(&mut text, &part);
    }
    text
}

fn section(text: &mut String, section: &Section) {
    let _ = writeln!(text, "\n## {}", section.title);
    for sentence in &section.says {
        let _ = writeln!(text, "\n{}", escaped(sentence));
    }
    for part in &section.tables {
        table(text, part);
    }
}

fn table(text: &mut String, table: &Table) {
    let head: Vec<&str> = table.columns.iter().map(|c| c.title).collect();
    let rule: Vec<&str> = table.columns.iter().map(|c| if c.number { "---:" } else { "---" }).collect();
    let _ = writeln!(text, "\n| {} |\n| {} |", head.join(" | "), rule.join(" | "));
    for row in table.rows.iter().take(ROWS) {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    let more = table.rows.len().saturating_sub(ROWS);
    if more > 0 {
        let _ = writeln!(text, "\nAnd {}, in the HTML and in the JSON.", counted(more as u64, "more row", "more rows"));
    }
}

fn cell(cell: &Cell) -> String {
    let text = escaped(&cell.text);
    match cell.tone {
        Tone::Bad if !text.is_empty() => format!("**{text}**"),
        Tone::Open if !text.is_empty() => format!("*{text}*"),
        _ => text,
    }
}

/// Answers and failures by second, as two lines: of answers the fewest of each stretch, of failures the most.
fn lines(text: &mut String, traffic: &Traffic) {
    let last = traffic.seconds.iter().map(|tick| tick.second).max().unwrap_or(0);
    // A day is more than any load goes on; what comes after it is in the tables.
    let length = usize::try_from(last.min(86_400)).unwrap_or(0) + 1;
    let (mut ok, mut failed) = (vec![Some(0.0); length], vec![Some(0.0); length]);
    for tick in &traffic.seconds {
        if let Ok(second) = usize::try_from(tick.second)
            && second < length
        {
            (ok[second], failed[second]) = (Some(tick.ok as f64), Some(tick.failed as f64));
        }
    }
    let ok = spark::sparkline(&spark::squeezed(&ok, WIDTH, f64::min));
    let failed = spark::sparkline(&spark::squeezed(&failed, WIDTH, f64::max));
    let _ = writeln!(text, "\n## Over time\n\n```text\nanswers  {}\nfailures {}\n```", ok, failed);
}

/// Text that stays text, in a table as well.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escaped("a|b\n# <img src=x> *c* [d](http://e)"),
            "a\\|b \\# &lt;img src=x&gt; \\*c\\* \\[d\\](http://e)"
        );
    }
}

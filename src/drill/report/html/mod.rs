//! The report as one HTML file: no script, no request to anywhere, readable by day, by night and on paper.
//!
//! The page's own policy forbids everything but its inline style, so that even a name that got through unescaped could
//! load and run nothing.

mod figure;

use std::fmt::Write;

use super::{
    Evidence, Outcome, charts,
    section::{Cell, Section, Table, Tone},
    sections,
    words::plain,
};

const STYLE: &str = include_str!("style.css");

/// The evidence as an HTML document.
pub fn html(evidence: &Evidence) -> String {
    let name = escaped(&evidence.name);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}: {}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n",
        evidence.verdict.outcome.words(),
    );
    banner(&mut page, evidence);
    for part in sections::before_charts(evidence) {
        section(&mut page, &part);
    }
    drawn(&mut page, evidence);
    for part in sections::after_charts(evidence) {
        section(&mut page, &part);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn banner(page: &mut String, evidence: &Evidence) {
    let tone = match evidence.verdict.outcome {
        Outcome::Kept => "good",
        Outcome::Missed => "bad",
        Outcome::Aborted => "aborted",
        Outcome::NotKnown => "open",
    };
    let _ = write!(
        page,
        "<header>\n<p class=\"kind\">{}</p>\n<h1>{}</h1>\n<p class=\"verdict {tone}\" id=\"verdict\"><strong>{}</strong>",
        escaped(evidence.kind.words()),
        escaped(&evidence.name),
        escaped(evidence.verdict.outcome.words()),
    );
    if let Some(why) = &evidence.verdict.why {
        let _ = write!(page, "<span>{}</span>", escaped(why));
    }
    page.push_str("</p>\n");
    if let Some(hypothesis) = &evidence.hypothesis {
        let _ = writeln!(page, "<blockquote>{}</blockquote>", escaped(hypothesis));
    }
    page.push_str("<dl class=\"facts\">\n");
    for (name, value) in sections::facts(evidence) {
        let _ = writeln!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&value));
    }
    page.push_str("</dl>\n</header>\n");
}

fn section(page: &mut String, section: &Section) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>", escaped(section.title));
    for sentence in &section.says {
        let _ = writeln!(page, "<p>{}</p>", escaped(sentence));
    }
    page.push_str("<div class=\"tables\">\n");
    for part in &section.tables {
        table(page, part);
    }
    page.push_str("</div>\n</section>\n");
}

fn table(page: &mut String, table: &Table) {
    page.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for column in &table.columns {
        let class = if column.number { " class=\"n\"" } else { "" };
        let _ = write!(page, "<th scope=\"col\"{class}>{}</th>", escaped(column.title));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for (cell, column) in row.iter().zip(&table.columns) {
            let _ = write!(page, "<td{}>{}</td>", class(cell, column.number), escaped(&cell.text));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn class(cell: &Cell, number: bool) -> String {
    let tone = match cell.tone {
        Tone::Plain => "",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Open => "open",
        Tone::Code => "code",
    };
    match (number, tone) {
        (false, "") => String::new(),
        (false, tone) => format!(" class=\"{tone}\""),
        (true, "") => " class=\"n\"".into(),
        (true, tone) => format!(" class=\"n {tone}\""),
    }
}

fn drawn(page: &mut String, evidence: &Evidence) {
    let drawn = charts::of(evidence);
    page.push_str("<section id=\"charts\">\n<h2>Over time</h2>\n");
    if drawn.charts.is_empty() {
        page.push_str("<p>Nothing was measured over time.</p>\n");
    } else {
        figure::phases(page, &drawn);
        for chart in &drawn.charts {
            figure::figure(page, chart, &drawn.ground);
        }
    }
    page.push_str("</section>\n");
}

/// Text that stays text, between tags and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

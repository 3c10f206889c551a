//! Names and errors come from other systems: none of them may become part of the page.

use tidegate::drill::report::{Evidence, Verdict, html, markdown};

use super::samples;

const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror='a()'>|</title>\u{202e}\u{1b}[31m&amp;`x`";

/// Hostile wherever a text is.
fn poisoned() -> Evidence {
    let mut value = serde_json::to_value(samples::unplanned()).expect("JSON");
    poison(&mut value);
    let mut evidence: Evidence = serde_json::from_value(value).expect("still evidence");
    evidence.verdict = Verdict::aborted(HOSTILE);
    evidence.hypothesis = Some(HOSTILE.into());
    evidence
}

/// Every text that is no word of the format and no time; names of fields that are data, too.
fn poison(value: &mut serde_json::Value) {
    use serde_json::Value;
    const WORDS: [&str; 9] = ["kind", "outcome", "relation", "at", "from", "until", "started", "ended", "ended_at"];
    match value {
        Value::String(text) => *text = format!("{HOSTILE}{text}"),
        Value::Array(items) => items.iter_mut().for_each(poison),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if ["by_node", "by_cause"].contains(&name.as_str()) {
                    let renamed = field.as_object().expect("a map").iter();
                    *field = renamed
                        .map(|(k, v)| (format!("{HOSTILE}{k}"), v.clone()))
                        .collect::<serde_json::Map<_, _>>()
                        .into();
                } else if !(WORDS.contains(&name.as_str()) && field.is_string()) {
                    poison(field);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn nothing_hostile_gets_through() {
    let evidence = poisoned();
    let page = html(&evidence);
    assert!(page.contains("&lt;script&gt;"), "it is shown as text");
    for bad in ["<script", "<img", "\u{202e}", "\u{1b}"] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    let mut tags: Vec<&str> =
        page.split('<').skip(1).filter_map(|t| t.split([' ', '>', '/', '\n']).find(|t| !t.is_empty())).collect();
    tags.sort_unstable();
    tags.dedup();
    let known = [
        "!DOCTYPE",
        "blockquote",
        "body",
        "circle",
        "dd",
        "desc",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "g",
        "h1",
        "h2",
        "h3",
        "head",
        "header",
        "html",
        "i",
        "li",
        "line",
        "main",
        "meta",
        "p",
        "path",
        "rect",
        "section",
        "small",
        "span",
        "strong",
        "style",
        "summary",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    ];
    assert!(tags.iter().all(|tag| known.contains(tag)), "{tags:?}");

    let text = markdown(&evidence);
    assert!(!text.contains('<') && !text.contains('\u{1b}') && text.contains("&lt;script"), "{text}");
    let rows = text.lines().filter(|l| l.starts_with('|'));
    for row in rows {
        let cells = row.replace("\\|", "").matches('|').count();
        assert!((3..=8).contains(&cells), "a name has made a column: {row}");
    }
}

#[test]
fn ten_thousand_seconds_are_a_page_of_bearable_size() {
    let mut evidence = samples::planned();
    let traffic = evidence.traffic.as_mut().expect("traffic");
    let calm = traffic.seconds.first().cloned().expect("a second");
    traffic.seconds = (0..10_000).map(|second| tidegate::drill::report::Tick { second, ..calm.clone() }).collect();
    traffic.seconds[4_321].failed = 1;
    traffic.failed = 1;
    let page = html(&evidence);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("1 failure in 1 of 10\u{202f}000 seconds"), "it is told");
    assert!(page.contains("<path class=\"bars bad\" d=\"M"), "and drawn");
}

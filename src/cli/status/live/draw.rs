//! A picture as lines. Words say everything; colour only helps to find it. Made for 80 columns and more.

use std::io::stdout;

use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

use super::{
    super::{super::table::printable, NodeLine, ServiceLine, Withdrawn, routes},
    View,
};
use crate::{
    model::{Admission, Health, NodeName},
    traffic::{share::Judged, skew::Share},
};

/// Columns of a bar.
const BAR: usize = 20;

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub(super) bool);

impl Colour {
    /// As the terminal and `NO_COLOR` say.
    pub(super) fn wanted() -> Self {
        Self(anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never)
    }

    fn style(self, tone: Tone) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match (self.0, tone) {
            (_, Tone::Plain) => Style::new(),
            (_, Tone::Title) | (false, Tone::Bad) => bold,
            (true, Tone::Good) => Style::new().fg(Color::Green),
            (true, Tone::Bad) => bold.fg(Color::Red),
            (true, Tone::Note) => Style::new().fg(Color::Yellow),
            (false, Tone::Good | Tone::Note) => Style::new(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Title,
    Good,
    Note,
    Bad,
}

/// The whole picture.
pub(super) fn lines(view: &View, width: u16, colour: Colour) -> Vec<Line<'static>> {
    let mut page = Page { width: usize::from(width), colour, lines: Vec::new() };
    page.header(view);
    page.nodes(&view.status.nodes);
    for judged in &view.judged {
        page.shares(judged, view);
    }
    page.run(view);
    page.guard(view);
    for (title, lines) in [("Unknown", &view.status.unknown), ("Warnings", &view.status.warnings)] {
        if !lines.is_empty() {
            page.title(title);
            lines.iter().for_each(|line| page.say(Tone::Bad, &format!("  {line}")));
        }
    }
    page.lines
}

struct Page {
    width: usize,
    colour: Colour,
    lines: Vec<Line<'static>>,
}

impl Page {
    fn header(&mut self, view: &View) {
        let cluster = super::super::cluster_text(&view.status.cluster);
        let (cluster, clock) = (cluster.trim_end().to_owned(), format!("{}   q ends", view.clock));
        let gap = self.width.saturating_sub(cluster.chars().count() + clock.chars().count());
        let is_bad = view.status.cluster.quorate != Some(true);
        let tone = if is_bad { Tone::Bad } else { Tone::Title };
        if gap == 0 {
            self.say(tone, &cluster);
            self.say(Tone::Plain, &clock);
        } else {
            self.spans(vec![(tone, cluster), (Tone::Plain, " ".repeat(gap) + &clock)]);
        }
    }

    fn nodes(&mut self, nodes: &[NodeLine]) {
        self.title("NODE          STATE        SERVICE       UNIT          READY    CONNECTIONS");
        for node in nodes {
            for (n, service) in node.services.iter().enumerate() {
                let (name, state) = if n == 0 { (node.node.as_str(), node.state) } else { ("", "") };
                let state_tone = if node.state == "online" { Tone::Plain } else { Tone::Note };
                let (ready, tone, why) = ready(service);
                let sockets = service.sockets.map_or("unknown".to_owned(), |n| n.to_string());
                self.spans(vec![
                    (Tone::Title, fit(name, 14)),
                    (state_tone, fit(state, 13)),
                    (Tone::Plain, fit(service.service.as_str(), 14)),
                    (Tone::Plain, fit(service.unit.as_deref().unwrap_or("unknown"), 14)),
                    (tone, fit(ready, 9)),
                    (Tone::Plain, sockets),
                ]);
                if let Some(why) = why {
                    self.say(Tone::Note, &format!("              {}", printable(why)));
                }
            }
            if let Some(owner) = &node.owner {
                let (run, who, why) = (&owner.run, printable(&owner.operator), printable(&owner.reason));
                self.say(Tone::Note, &format!("              held by {run} ({who}): {why}"));
            }
        }
    }

    fn shares(&mut self, judged: &Judged, view: &View) {
        let (entrypoint, samples) = (&judged.entrypoint, judged.verdict.samples);
        let certain = judged.verdict.shares.iter().map(|share| share.certain).fold(1.0, f64::max);
        let even = if samples < 1.0 {
            "no traffic seen yet".to_owned()
        } else if certain > 1.0 {
            format!("{samples:.0} in a minute, certainly skewed by {certain:.2}")
        } else {
            format!("{samples:.0} in a minute, no skew that is certain")
        };
        self.title(&format!("{entrypoint}: {even}"));
        for (node, share) in &judged.shares {
            self.share(node, share, view, judged);
        }
    }

    fn share(&mut self, node: &NodeName, share: &Share, view: &View, judged: &Judged) {
        let percent = |part: Option<f64>| part.map_or("   -".to_owned(), |p| format!("{:>3.0}%", p * 100.0));
        let tone = if share.certain > 1.0 { Tone::Bad } else { Tone::Good };
        let mut spans = vec![
            (Tone::Title, fit(node.as_str(), 14)),
            (tone, bar(share.measured.unwrap_or(0.0), share.expected.unwrap_or(0.0))),
            (Tone::Plain, format!(" {} of {}", percent(share.measured), percent(share.expected))),
        ];
        let mut used = 14 + BAR + 2 + 13;
        let entry = format!("{}/", judged.entrypoint);
        let members = view.status.routes.iter().filter(|l| l.node.as_ref() == Some(node));
        for line in members.filter(|l| l.route.as_str().starts_with(&entry)) {
            let (word, tone) = member(line);
            let text = format!("  {} {word}", line.instance);
            if used + text.chars().count() > self.width {
                self.spans(std::mem::replace(&mut spans, vec![(Tone::Plain, " ".repeat(14))]));
                used = 14;
            }
            used += text.chars().count();
            spans.push((tone, text));
        }
        self.spans(spans);
    }

    fn run(&mut self, view: &View) {
        let Some(run) = &view.status.run else { return };
        let executor = run.executor.as_deref().unwrap_or("nobody executes it");
        self.title(&format!("Run {} is {} ({executor})", run.report.run, run.report.result));
        self.say(Tone::Plain, &format!("  {}", run.what));
        for wait in &view.waits {
            self.say(Tone::Note, &format!("  waits: {}", printable(wait)));
        }
        for line in run.report.straggler_lines() {
            self.say(Tone::Plain, &format!("  {line}"));
        }
        self.say(Tone::Plain, &format!("  {}", run.report.node_state));
        self.say(Tone::Plain, &format!("  {}", run.report.next));
    }

    fn guard(&mut self, view: &View) {
        if view.status.withdrawn.is_empty() {
            return;
        }
        self.title("Withdrawn by the guard");
        for Withdrawn { target, was } in &view.status.withdrawn {
            let why = printable(&was.why);
            self.say(Tone::Note, &format!("  {} from {} at {}: {why}", was.node, target.route, target.instance));
        }
    }

    fn title(&mut self, text: &str) {
        self.lines.push(Line::default());
        self.say(Tone::Title, text);
    }

    /// A text, broken where the terminal ends, with what follows indented.
    fn say(&mut self, tone: Tone, text: &str) {
        let mut left = text;
        let mut indent = "";
        loop {
            let room = self.width.saturating_sub(indent.len()).max(20);
            let (line, rest) = broken(left, room);
            self.spans(vec![(tone, format!("{indent}{line}"))]);
            if rest.is_empty() {
                return;
            }
            (left, indent) = (rest, "    ");
        }
    }

    fn spans(&mut self, spans: Vec<(Tone, String)>) {
        let spans = spans.into_iter().map(|(tone, text)| Span::styled(text, self.colour.style(tone)));
        self.lines.push(Line::from(spans.collect::<Vec<_>>()));
    }
}

fn ready(service: &ServiceLine) -> (&'static str, Tone, Option<&str>) {
    match service.ready {
        Some(true) => ("yes", Tone::Good, None),
        Some(false) => ("NO", Tone::Bad, service.reason.as_deref()),
        None => ("unknown", Tone::Bad, None),
    }
}

fn member(line: &routes::Line) -> (String, Tone) {
    match (line.admission, &line.health) {
        (Admission::Serving, Health::Failing { .. }) => ("DOWN".to_owned(), Tone::Bad),
        (Admission::Serving, _) if line.wanted == "drained" => ("IN, should be out".to_owned(), Tone::Bad),
        (Admission::Serving, _) => (format!("in {}", line.weight), Tone::Plain),
        (Admission::Draining, _) => ("draining".to_owned(), Tone::Note),
        (Admission::Out, _) => ("out".to_owned(), Tone::Note),
    }
}

/// What is measured as a bar, with a mark where it should end.
fn bar(measured: f64, expected: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among a few columns")]
    #[expect(clippy::cast_precision_loss, reason = "a place among a few columns")]
    let place = |share: f64| ((share.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    let (end, mark) = (place(measured), place(expected).min(BAR - 1));
    let cell = |n: usize| match (n < end, n == mark) {
        (_, true) => '│',
        (true, false) => '█',
        (false, false) => '·',
    };
    format!("[{}]", (0..BAR).map(cell).collect::<String>())
}

/// A text in so many columns, with at least one space at its end.
fn fit(text: &str, columns: usize) -> String {
    let text = printable(text);
    let kept: String = match text.chars().count() < columns {
        true => text,
        false => text.chars().take(columns.saturating_sub(2)).chain(['…']).collect(),
    };
    format!("{kept:<columns$}")
}

/// The text up to the last space that fits, and the rest.
fn broken(text: &str, room: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(room) else { return (text, "") };
    let at = text[..end].rfind(' ').filter(|at| !text[..*at].trim().is_empty()).unwrap_or(end);
    (&text[..at], text[at..].trim_start())
}

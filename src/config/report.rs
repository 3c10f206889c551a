//! Every problem of every fragment in one report: with file, line, column and key, with the source around it, and
//! where possible with what to write instead.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};
use serde::Serialize;

use super::{excerpt::showable, tree::Origin};

/// Problems shown with their source; each excerpt reads its file from the start, so the others get a line each.
const MAX_EXCERPTS: usize = 50;

/// Characters of a line that an excerpt may show: longer ones are unreadable, and very long ones make miette panic.
const MAX_LINE: usize = 400;

/// Columns of the text; fixed, so that a report reads the same everywhere.
const WIDTH: usize = 100;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file as it was named to the loader.
    pub file: String,
    /// The line, from 1; `None` where the file as a whole is the problem.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The key (`service[app].ready.timeout`); empty where there is none.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, or where to look.
    pub help: Option<String>,
    #[serde(skip)]
    place: Option<Origin>,
}

/// Why a configuration was not loaded: all its problems, in the order of the fragments. `Display` is the whole text.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    problems: Vec<Problem>,
    #[serde(skip)]
    sources: Vec<String>,
}

/// A fragment's name and text, and where its lines begin.
#[derive(Clone, Debug)]
struct File {
    name: String,
    text: String,
    lines: Vec<usize>,
}

/// Collects problems while fragments are read, checked and put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    files: Vec<File>,
    found: Vec<Found>,
}

/// A problem as it was found; line and column come later.
#[derive(Clone, Debug)]
struct Found {
    file: usize,
    place: Option<Origin>,
    key: String,
    message: String,
    help: Option<String>,
}

impl Problems {
    /// Makes a fragment known and gives its number.
    pub(crate) fn file(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        let text = text.into();
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(File { name: showable(&name.into()), text, lines });
        self.files.len() - 1
    }

    /// A problem at a place.
    pub(crate) fn at(&mut self, at: Origin, key: &str, message: impl Into<String>, help: Option<String>) {
        let (key, message) = (key.to_owned(), message.into());
        self.found.push(Found { file: at.file, place: Some(at), key, message, help });
    }

    /// A problem of a whole file.
    pub(crate) fn whole(&mut self, file: usize, message: impl Into<String>, help: Option<String>) {
        self.found.push(Found { file, place: None, key: String::new(), message: message.into(), help });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// `file:line` of a place, for messages that speak of two.
    pub(crate) fn line_of(&self, at: Origin) -> String {
        self.files.get(at.file).map(|f| format!("{}:{}", f.name, f.position(at.start).0)).unwrap_or_default()
    }

    /// The report: sorted by place, and each problem once, since fragments are checked alone and again merged.
    pub(crate) fn into_report(mut self) -> Report {
        self.found.sort_by_key(|f| (f.file, f.place));
        let mut problems: Vec<Problem> = Vec::with_capacity(self.found.len());
        for Found { file, place, key, message, help } in self.found {
            let Some(source) = self.files.get(file) else { continue };
            let (line, column) = place.map(|at| source.position(at.start)).unzip();
            let problem = Problem { file: source.name.clone(), line, column, key, message, help, place };
            let same_place = |p: &&Problem| p.file == problem.file && p.place == problem.place;
            if !problems.iter().rev().take_while(same_place).any(|p| p.message == problem.message) {
                problems.push(problem);
            }
        }
        Report { problems, sources: self.files.iter().map(|f| showable(&f.text)).collect() }
    }
}

impl File {
    /// Line and column (in characters) of a byte, both from 1.
    fn position(&self, byte: usize) -> (usize, usize) {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.text[start..byte].chars().count() + 1)
    }
}

impl Report {
    /// The problems, in the order of the fragments and of the places in them. Never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The whole text, with ANSI colours where `colour` says so.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).without_primary_span_start();
        let mut out = String::new();
        for (number, problem) in self.problems.iter().enumerate() {
            let shown = (number < MAX_EXCERPTS).then(|| Shown::new(problem, &self.sources));
            let rendered = shown.flatten().and_then(|shown| {
                let mut text = String::new();
                handler.render_report(&mut text, &shown).ok().map(|()| text)
            });
            out.push_str(&rendered.unwrap_or_else(|| problem.plain()));
            out.push('\n');
        }
        out.push_str(&self.summary());
        out
    }

    fn summary(&self) -> String {
        let mut files: Vec<&str> = self.problems.iter().map(|p| p.file.as_str()).collect();
        files.dedup();
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let (problems, files) = (self.problems.len(), files.len());
        format!("{problems} problem{} in {files} file{}\n", plural(problems), plural(files))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// One line: `file:line:column: key: message`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.position())?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Problem {
    /// The problem without an excerpt.
    fn plain(&self) -> String {
        let help = self.help.as_ref().map(|help| format!("  help: {help}\n")).unwrap_or_default();
        format!("  {self}\n{help}")
    }

    /// `file:line:column`, as editors understand it.
    fn position(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            _ => self.file.clone(),
        }
    }
}

/// A problem as miette draws it.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    excerpt: Excerpt<'a>,
    span: SourceSpan,
}

impl<'a> Shown<'a> {
    /// `None` where there is nothing to show, or nothing that can be shown well.
    fn new(problem: &'a Problem, sources: &'a [String]) -> Option<Self> {
        let (at, line) = (problem.place?, problem.line?);
        let text = sources.get(at.file).filter(|text| !text.is_empty())?;
        if text.lines().skip(line.saturating_sub(2)).take(3).any(|line| line.len() > MAX_LINE) {
            return None;
        }
        // A header or a list over many lines would drown its neighbours: its first line says enough.
        let start = at.start.min(text.len());
        let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
        let span = (start, at.end.clamp(start, line_end) - start).into();
        Some(Self { problem, excerpt: Excerpt { name: problem.position(), text }, span })
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = (!self.problem.key.is_empty()).then(|| self.problem.key.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(label, self.span))))
    }
}

/// A fragment under a name that already holds the position: miette counts columns in bytes, editors in characters.
#[derive(Debug)]
struct Excerpt<'a> {
    name: String,
    text: &'a str,
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

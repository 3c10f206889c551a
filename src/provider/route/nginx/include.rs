//! The include file: the text of an `upstream` block's servers, and edits of single lines in it.
//!
//! Only what is meant to change does. A line keeps its indentation, parameters, comment and line ending byte for byte;
//! every other line of the file is not looked at further. What Tidegate has set carries a mark at its end, with a
//! digest of the line as it was written:
//!
//! ```text
//! server 10.0.0.1:8080 weight=5 max_fails=2 down; # rack 3 # set by tidegate 0a1b2c3d4e5f6071
//! ```
//!
//! So a line that somebody edited since is known as such, and is not overwritten; and the line of a receipt, put back,
//! takes the mark away with it. Reading is strict: a file in which a server could be overlooked is refused.

use std::{collections::BTreeMap, ops::Range};

use sha2::{Digest, Sha256};

use crate::model::{Admission, Desired, Exact, MemberView};

const MARK: &str = " # set by tidegate ";

/// One `server` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// Where it is in the file, without its line ending.
    pub span: Range<usize>,
    /// The line.
    pub text: String,
    /// The server's address, as it is written.
    pub address: String,
    /// Its weight; 1 where none is written.
    pub weight: u32,
    /// Whether it is marked as down.
    pub down: bool,
    /// Whose line it is.
    pub hand: Hand,
}

/// Who wrote a line last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Not Tidegate.
    Theirs,
    /// Tidegate, and nobody since.
    Ours,
    /// Tidegate, and then somebody else.
    Edited,
}

/// What must become of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// It is so already.
    None,
    /// It becomes this.
    To(String),
}

/// The `server` lines of an include, by address. An error says which line cannot be understood.
pub(super) fn lines(text: &str) -> Result<BTreeMap<String, Line>, String> {
    let mut servers = BTreeMap::new();
    let mut start = 0;
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let odd = |why: &str| format!("line {}: {why}: {}", index + 1, line.trim());
        let span = start..start + line.len();
        start += whole.len();
        if let Some(server) = server(line, index + 1, span).map_err(odd)? {
            let address = server.address.clone();
            if servers.insert(address, server).is_some() {
                return Err(odd("a second line for the same server"));
            }
        }
    }
    Ok(servers)
}

/// One line; `None` where it is no server's.
fn server(text: &str, number: usize, span: Range<usize>) -> Result<Option<Line>, &'static str> {
    let (plain, hand) = marked(text);
    let code = plain.trim_start();
    if code.is_empty() || code.starts_with('#') {
        return Ok(None);
    }
    let (directive, rest) = code.split_once(';').ok_or("not a whole directive on one line")?;
    if !rest.trim_start().is_empty() && !rest.trim_start().starts_with('#') {
        return Err("more than one directive on a line");
    }
    let mut words = directive.split_whitespace();
    if words.next() != Some("server") {
        return if directive.contains(['{', '}']) { Err("a block") } else { Ok(None) };
    }
    if directive.contains(['"', '\'', '{', '}', '$', '\\', '#']) {
        return Err("more than an address and parameters");
    }
    let address = words.next().ok_or("a server without an address")?.to_owned();
    let parameters: Vec<&str> = words.collect();
    let mut weights = parameters.iter().filter_map(|p| p.strip_prefix("weight="));
    let weight = weights.next().map_or(Ok(1), |w| w.parse().map_err(|_| "an odd weight"))?;
    if weights.next().is_some() || weight == 0 {
        return Err("an odd weight");
    }
    let down = parameters.contains(&"down");
    Ok(Some(Line { number, span, text: text.to_owned(), address, weight, down, hand }))
}

impl Line {
    /// The member that this line is; its connections are told elsewhere.
    pub fn view(&self) -> MemberView {
        let admission = if self.down { Admission::Draining } else { Admission::Serving };
        let exact = Exact(serde_json::json!({ "line": self.text }));
        MemberView { admission, weight: self.weight, exact, ..MemberView::default() }
    }

    /// What must become of this line. An error is a refusal.
    pub fn edit(&self, desired: &Desired) -> Result<Edit, String> {
        let wanted = match desired {
            Desired::FreshCheck => return Ok(Edit::None),
            Desired::Exactly { exact } => return self.put_back(&exact.0),
            // A server that is down takes no bound clients either.
            Desired::Drained | Desired::Closed => self.with(true, self.weight),
            Desired::Serving { weight: 0 } => return Err("NGINX has no weight of 0".into()),
            Desired::Serving { weight } => self.with(false, *weight),
        };
        if wanted == marked(&self.text).0 {
            return Ok(Edit::None);
        }
        self.is_nobody_elses()?;
        Ok(Edit::To(mark(&wanted)))
    }

    fn put_back(&self, exact: &serde_json::Value) -> Result<Edit, String> {
        let foreign = || format!("{exact} is no state of an NGINX server");
        let fields = exact.as_object().filter(|fields| fields.len() == 1).ok_or_else(foreign)?;
        let line = fields.get("line").and_then(|line| line.as_str()).ok_or_else(foreign)?;
        let read = server(line, 1, 0..line.len()).ok().flatten().ok_or_else(foreign)?;
        if read.address != self.address || line.contains(['\n', '\r']) {
            return Err(foreign());
        }
        if line == self.text {
            return Ok(Edit::None);
        }
        self.is_nobody_elses()?;
        match self.hand {
            Hand::Ours => Ok(Edit::To(line.to_owned())),
            _ => Err(format!("another hand changed line {} since: {}", self.number, self.text.trim())),
        }
    }

    fn is_nobody_elses(&self) -> Result<(), String> {
        if self.hand != Hand::Edited {
            return Ok(());
        }
        let line = self.text.trim();
        Err(format!(
            "another hand edited line {} after Tidegate: {line}; make it what it should be, without the mark, and reload",
            self.number
        ))
    }

    /// The line with this state, without a mark.
    fn with(&self, down: bool, weight: u32) -> String {
        let (plain, _) = marked(&self.text);
        // The line was read: it has a semicolon, and an address before it.
        let end = plain.find(';').unwrap_or(plain.len());
        let (directive, rest) = plain.split_at(end);
        let mut directive = directive.to_owned();
        if weight != self.weight {
            directive = weighted(&directive, &self.address, weight);
        }
        match (self.down, down) {
            (true, false) => directive = without(&directive, "down"),
            (false, true) => directive.insert_str(directive.trim_end().len(), " down"),
            _ => {}
        }
        directive + rest
    }
}

/// The directive with another weight, in the place of the old one or behind the address.
fn weighted(directive: &str, address: &str, weight: u32) -> String {
    let mut directive = directive.to_owned();
    let old = word(&directive, |w| w.starts_with("weight="));
    match (old, word(&directive, |w| w == address)) {
        (Some(old), _) => directive.replace_range(old, &format!("weight={weight}")),
        (None, Some(address)) => directive.insert_str(address.end, &format!(" weight={weight}")),
        (None, None) => {}
    }
    directive
}

/// The directive without a word, and without the spaces before it.
fn without(directive: &str, gone: &str) -> String {
    let mut directive = directive.to_owned();
    while let Some(at) = word(&directive, |w| w == gone) {
        let before = directive[..at.start].trim_end().len();
        directive.replace_range(before..at.end, "");
    }
    directive
}

/// Where the first such word is.
fn word(text: &str, is: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let offset = |w: &str| w.as_ptr() as usize - text.as_ptr() as usize;
    text.split_whitespace().find(|w| is(w)).map(|w| offset(w)..offset(w) + w.len())
}

/// The line without its mark, and what the mark says.
fn marked(line: &str) -> (&str, Hand) {
    let Some((plain, digest)) = line.rsplit_once(MARK) else { return (line, Hand::Theirs) };
    if digest.len() != 16 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
        return (line, if line.contains(MARK.trim_end()) { Hand::Edited } else { Hand::Theirs });
    }
    (plain, if digest == self::digest(plain) { Hand::Ours } else { Hand::Edited })
}

fn mark(plain: &str) -> String {
    format!("{plain}{MARK}{}", digest(plain))
}

fn digest(plain: &str) -> String {
    Sha256::digest(plain.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;

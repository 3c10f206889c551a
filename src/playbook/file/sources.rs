//! The files of a playbook: itself, and what it includes. A path is relative to the file that names it. A file that is
//! named twice is read once; one that includes itself, however far round, is told.

use std::path::{Component, Path, PathBuf};

use super::Read;
use crate::config::{fragment, report::Problems, tree::Table};

/// How deep files may include files.
const MAX_DEPTH: usize = 8;

/// Files of one playbook.
const MAX_FILES: usize = 32;

/// The files of a playbook, parsed.
pub(super) struct Sources {
    /// The playbook's number.
    pub file: usize,
    /// Itself.
    pub table: Table,
    /// What it includes, with their numbers.
    pub others: Vec<(usize, Table)>,
    /// The texts of all, in the order in which they were read.
    pub texts: Vec<String>,
    /// Whether every file could be read; what is not there may hold what is missing.
    pub sound: bool,
}

struct Gathering<'a, 'r> {
    read: Read<'r>,
    problems: &'a mut Problems,
    seen: Vec<PathBuf>,
    others: Vec<(usize, Table)>,
    texts: Vec<String>,
    /// Whether every file could be read.
    sound: bool,
}

/// Reads and parses them; `None` where the playbook itself is not there or is no TOML.
pub(super) fn gather(name: &str, read: Read<'_>, problems: &mut Problems) -> Option<Sources> {
    let text = match read(name) {
        Ok(text) => text,
        Err(why) => {
            let file = problems.file(name, "");
            problems.whole(file, why, None);
            return None;
        }
    };
    let parsed = fragment::parse(name.to_owned(), &text, problems);
    let path = tidy(Path::new(name));
    let mut all =
        Gathering { read, problems, seen: vec![path.clone()], others: Vec::new(), texts: vec![text], sound: true };
    let (file, table) = parsed?;
    all.includes(&table, &mut vec![path]);
    let Gathering { others, texts, sound, .. } = all;
    Some(Sources { file, table, others, texts, sound })
}

impl Gathering<'_, '_> {
    /// Follows the includes of a file; `chain` leads from the playbook to it.
    fn includes(&mut self, table: &Table, chain: &mut Vec<PathBuf>) {
        let Some(entry) = table.get("include") else { return };
        let here = chain.last().cloned().unwrap_or_default();
        for (index, item) in entry.node.list().unwrap_or_default().iter().enumerate() {
            // What has no such form is told by the check of forms.
            let form = &super::super::keys::forms::PART_FILE;
            let Some(text) = item.text().filter(|text| form.matches(text)) else { continue };
            let path = tidy(&here.parent().unwrap_or(Path::new("")).join(text));
            let mut tell = |message: String| {
                self.problems.at(item.at, &format!("include[{index}]"), message, None);
                self.sound = false;
            };
            if let Some(first) = chain.iter().position(|p| *p == path) {
                let round: Vec<String> =
                    chain[first..].iter().chain([&path]).map(|p| p.display().to_string()).collect();
                tell(format!("this file includes itself: {}", round.join(" → ")));
            } else if self.seen.contains(&path) {
            } else if chain.len() > MAX_DEPTH {
                tell(format!("files may include files {MAX_DEPTH} deep, and this is deeper"));
            } else if self.seen.len() >= MAX_FILES {
                tell(format!("a playbook may have {MAX_FILES} files, and this is one more"));
            } else {
                match (self.read)(&path.display().to_string()) {
                    Ok(text) => self.one(path, text, chain),
                    Err(why) => tell(format!("{} {why}", path.display())),
                }
            }
        }
    }

    fn one(&mut self, path: PathBuf, text: String, chain: &mut Vec<PathBuf>) {
        self.seen.push(path.clone());
        let parsed = fragment::parse(path.display().to_string(), &text, self.problems);
        self.texts.push(text);
        let Some((file, table)) = parsed else {
            self.sound = false;
            return;
        };
        chain.push(path);
        self.includes(&table, chain);
        chain.pop();
        self.others.push((file, table));
    }
}

/// The path without `.` and `..`, as far as that can be said without asking the file system.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

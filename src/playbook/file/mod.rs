//! From files to one tree of values: what is included is found ([`sources`]), what is put in is typed ([`inputs`]) and
//! taken in ([`fill`]), and parts take the place of their names ([`parts`]). Every value keeps the place that it was
//! written at, so that whatever is found later is told there.

mod fill;
mod inputs;
mod parts;
mod sources;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::keys::{PART_FILE, ROOT};
use crate::config::{
    check::Check,
    merge,
    report::Problems,
    tree::{Origin, Table},
};

/// Reads a file by its path; the error is said after the path.
pub(super) type Read<'r> = &'r mut dyn FnMut(&str) -> Result<String, String>;

/// A playbook as one tree, and what it was made of.
pub(super) struct Whole {
    /// The tree, against the table of keys; no placeholder but `{node}`, no `use`, nothing that is not to be there.
    pub table: Table,
    /// What was put in, as text.
    pub inputs: BTreeMap<String, String>,
    /// SHA-256 (hex) of all texts and of what was put in.
    pub digest: String,
}

/// Puts a playbook together. `None` where it cannot be read as TOML: then all of it would be told as missing.
pub(super) fn whole(
    name: &str,
    read: Read<'_>,
    given: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Option<Whole> {
    let sources::Sources { file, mut table, mut others, texts, sound } = sources::gather(name, read, problems)?;
    merge::find_twins(&table, &ROOT, problems);
    let inputs = inputs::inputs(&table, file, given, problems);
    fill::fill(&mut table, &inputs, problems);
    for (_, other) in &mut others {
        fill::fill(other, &inputs, problems);
    }
    parts::expand(&mut table, &mut others, sound, problems);
    Check::new(problems, true).table(&table, Origin { file, start: 0, end: 0 }, &ROOT, "");
    for (file, other) in &others {
        merge::find_twins(other, &PART_FILE, problems);
        Check::new(problems, true).table(other, Origin { file: *file, start: 0, end: 0 }, &PART_FILE, "");
    }
    let inputs: BTreeMap<String, String> =
        inputs.into_iter().filter_map(|(name, input)| Some((name, input?.text))).collect();
    let digest = digest(&texts, &inputs);
    Some(Whole { table, inputs, digest })
}

/// Every part with its length before it, so that nothing can be moved from one to the next.
fn digest(texts: &[String], inputs: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    texts.iter().for_each(|text| add(text));
    for (name, value) in inputs {
        add(name);
        add(value);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

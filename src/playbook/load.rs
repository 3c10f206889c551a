//! The edge: where a playbook's files are read. All else is pure.

use std::{collections::BTreeMap, path::Path};

use super::{Playbook, read::Loaded};
use crate::config::{Report, fragment};

/// Reads a playbook and what it includes, with what is put in.
///
/// # Errors
/// Every problem of every file and of what is put in; a file that cannot be read among them.
pub fn load(path: &Path, inputs: &BTreeMap<String, String>) -> Result<Playbook, Report> {
    read(path, inputs).map(|loaded| loaded.playbook)
}

/// The same, with the places of its values: for [`super::against`].
///
/// # Errors
/// As [`load`].
pub fn read(path: &Path, inputs: &BTreeMap<String, String>) -> Result<Loaded, Report> {
    super::read::from_texts(&path.display().to_string(), &mut |path| fragment::text_of(Path::new(path)), inputs)
}

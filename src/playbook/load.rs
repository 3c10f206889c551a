//! The edge: where a playbook's files are read. All else is pure.

use std::{collections::BTreeMap, path::Path};

use super::{Playbook, read::Loaded};
use crate::config::{Report, Settings, fragment};

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
    from_files(path, inputs, None)
}

/// The same; what the playbook names must be in the configuration.
///
/// # Errors
/// As [`load`], and all that the configuration does not have, in the same report.
pub fn checked(path: &Path, inputs: &BTreeMap<String, String>, settings: &Settings) -> Result<Loaded, Report> {
    from_files(path, inputs, Some(settings))
}

fn from_files(path: &Path, inputs: &BTreeMap<String, String>, settings: Option<&Settings>) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    super::read::from_texts(&name, &mut |path| fragment::text_of(Path::new(path)), inputs, settings)
}

//! A playbook from its texts: put together, checked, read. Every problem of every file ends up in one report.

use std::{collections::BTreeMap, path::Path};

use super::{check, file, keys::ROOT, model::Playbook, reading};
use crate::config::{Report, Settings, reader::Reader, report::Problems, tree::Table};

/// A playbook, and where each of its values was written: for what is found later, such as a service that the
/// configuration does not have.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The playbook.
    pub playbook: Playbook,
    pub(super) table: Table,
    pub(super) sources: Problems,
}

/// Reads a playbook from texts: `read` gives the text of a path, or what is wrong with it, to be said after its name.
/// Paths of included files are made from `name`'s own folder. With the configuration, what the playbook names must be there.
///
/// # Errors
/// Every problem of every file, and of what is put in.
pub fn from_texts(
    name: &str,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
    inputs: &BTreeMap<String, String>,
    settings: Option<&Settings>,
) -> Result<Loaded, Report> {
    let mut problems = Problems::default();
    let Some(whole) = file::whole(name, read, inputs, &mut problems) else {
        return Err(problems.into_report());
    };
    let root = Reader::root(&whole.table, &ROOT);
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let frame = reading::Frame { inputs: whole.inputs, digest: whole.digest, folder };
    let playbook = reading::playbook(&root, frame, &mut problems);
    check::meaning(&root, &mut problems);
    if let Some(settings) = settings {
        check::settings(&root, settings, &mut problems);
    }
    match playbook {
        Some(playbook) if problems.is_empty() => Ok(Loaded { playbook, table: whole.table, sources: problems }),
        _ => {
            if problems.is_empty() {
                problems.whole(0, "cannot be understood, and Tidegate cannot say why; please report this", None);
            }
            Err(problems.into_report())
        }
    }
}

//! Playbooks as their users meet them: what is accepted, what is refused, and how that reads.

#[path = "playbooks/broken.rs"]
mod broken;
#[path = "playbooks/command.rs"]
mod command;
#[path = "playbooks/documents.rs"]
mod documents;
#[path = "playbooks/shipped.rs"]
mod shipped;
#[path = "playbooks/together.rs"]
mod together;

use std::collections::BTreeMap;

use tidegate::{config::Report, playbook};

/// A file of this repository.
fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is put in, as on a command line.
fn inputs(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Reads a playbook from texts: the first one is it, the others are there to be included.
fn texts(files: &[(&str, &str)], given: &[(&str, &str)]) -> Result<playbook::Loaded, Report> {
    let mut read = |path: &str| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "is not there".to_owned())
    };
    playbook::from_texts(files[0].0, &mut read, &inputs(given), None)
}

//! The configuration: fragments as they are written → merged → validated settings.
//!
//! A fragment is one TOML file. Each is parsed with the place of every value ([`tree`]) and checked against the one
//! table of keys ([`keys`]); then they are merged ([`merge`]), read by type ([`reader`]) and put together, where it
//! is checked that the values make sense together. Every problem of every fragment ends up in one [`Report`];
//! a [`Settings`] exists only where there is none.

use std::path::{Path, PathBuf};

pub mod settings;

pub mod calendar;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod duration;
pub(crate) mod endpoint;
mod entrypoint;
mod excerpt;
pub mod expect;
pub(crate) mod fragment;
pub mod guard;
pub(crate) mod keys;
pub mod matcher;
pub(crate) mod merge;
pub(crate) mod nearest;
pub mod prometheus;
pub(crate) mod reader;
pub mod ready;
mod ready_reader;
pub(crate) mod reference;
pub(crate) mod report;
pub mod review;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod schema;
mod service;
pub(crate) mod shape;
pub(crate) mod texts;
pub(crate) mod tree;
mod value;

pub(crate) use duration::show;
pub use reference::reference;
pub use report::{Problem, Report};
pub use schema::schema;
pub use settings::Settings;

use check::Check;
use keys::ROOT;
use reader::Reader;
use report::Problems;
use tree::{Origin, Table};

/// Where the configuration is when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/tidegate/tidegate.toml";

/// The environment variable that names another place; the command line reads it.
pub const PATH_VARIABLE: &str = "TIDEGATE_CONFIG";

/// The journal where neither the configuration nor systemd's `$STATE_DIRECTORY` says another place.
pub const DEFAULT_JOURNAL: &str = "/var/lib/tidegate/journal.db";

/// Loads a file with its drop-ins (`tidegate.toml`, then `tidegate.d/*.toml` in lexical order), or a directory: every
/// `*.toml` in it, in lexical order. The journal's default place honours systemd's `$STATE_DIRECTORY`.
///
/// # Errors
/// Every problem of every fragment, files that cannot be read among them.
pub fn load(path: &Path) -> Result<Settings, Report> {
    let mut problems = Problems::default();
    let fragments = fragment::read(path, &mut problems);
    let state = std::env::var_os("STATE_DIRECTORY");
    assemble(fragments, journal_in(state.as_deref().and_then(|s| s.to_str())), problems)
}

/// Loads fragments given as name and text; no file and no variable is read.
///
/// # Errors
/// Every problem of every fragment.
pub fn load_fragments(fragments: Vec<(String, String)>) -> Result<Settings, Report> {
    assemble(fragments, DEFAULT_JOURNAL.into(), Problems::default())
}

/// The journal's default place. systemd gives a list, separated by colons, where a unit has several directories.
fn journal_in(state_directory: Option<&str>) -> PathBuf {
    match state_directory.and_then(|list| list.split(':').next()).filter(|dir| dir.starts_with('/')) {
        Some(directory) => Path::new(directory).join("journal.db"),
        None => DEFAULT_JOURNAL.into(),
    }
}

fn assemble(fragments: Vec<(String, String)>, journal: PathBuf, mut problems: Problems) -> Result<Settings, Report> {
    if fragments.is_empty() && problems.is_empty() {
        let file = problems.file("configuration", "");
        problems.whole(file, "there is no fragment", None);
    }
    let mut whole = problems.is_empty();
    let mut merged = Table::new();
    for (name, text) in fragments {
        let Some((file, table)) = fragment::parse(name, &text, &mut problems) else {
            whole = false;
            continue;
        };
        merge::find_twins(&table, &ROOT, &mut problems);
        Check::new(&mut problems, false).table(&table, Origin { file, start: 0, end: 0 }, &ROOT, "");
        merge::merge(&mut merged, table, &ROOT);
    }
    // With a fragment missing, everything that it would have said would be reported as missing too.
    if !whole {
        return Err(problems.into_report());
    }
    Check::new(&mut problems, true).table(&merged, Origin::default(), &ROOT, "");
    let settings = cluster::settings(&Reader::root(&merged, &ROOT), journal, &mut problems);
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) => Err(problems.into_report()),
        None => {
            if problems.is_empty() {
                problems.whole(0, "cannot be understood, and Tidegate cannot say why; please report this", None);
            }
            Err(problems.into_report())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_says_where_the_journal_is() {
        assert_eq!(journal_in(None), Path::new(DEFAULT_JOURNAL));
        assert_eq!(journal_in(Some("")), Path::new(DEFAULT_JOURNAL));
        assert_eq!(journal_in(Some("relative")), Path::new(DEFAULT_JOURNAL));
        assert_eq!(journal_in(Some("/var/lib/a:/var/lib/b")), Path::new("/var/lib/a/journal.db"));
    }
}

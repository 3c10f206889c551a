//! Fragments: where they are, how they are read, and what they may not exceed.
//!
//! A file is followed by its drop-ins: `tidegate.toml`, then `tidegate.d/*.toml` beside it, in lexical order. A
//! directory stands for every `*.toml` in it, in lexical order, each followed by its own drop-ins.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use super::{
    report::Problems,
    tree::{self, Origin, Table},
};

/// Fragments of one configuration.
const MAX_FRAGMENTS: usize = 256;

/// Bytes of one fragment.
const MAX_BYTES: u64 = 256 << 10;

/// Reads every fragment of a configuration; what could not be read is a problem each.
pub(crate) fn read(path: &Path, problems: &mut Problems) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    let listed = if path.is_dir() { list_directory(path, &mut paths) } else { list_file(path.into(), &mut paths) };
    if let Err((path, error)) = listed {
        whole(problems, &path, &format!("cannot be listed: {error}"));
    }
    if paths.is_empty() {
        whole(problems, path, "holds no `*.toml` file");
    }
    if paths.len() > MAX_FRAGMENTS {
        whole(problems, path, &format!("has {} fragments; at most {MAX_FRAGMENTS} are read", paths.len()));
    }
    paths.truncate(MAX_FRAGMENTS);
    paths.iter().filter_map(|path| read_one(path, problems).map(|text| (path.display().to_string(), text))).collect()
}

type Listed = Result<(), (PathBuf, io::Error)>;

fn list_directory(directory: &Path, paths: &mut Vec<PathBuf>) -> Listed {
    toml_files(directory)?.into_iter().try_for_each(|path| list_file(path, paths))
}

fn list_file(path: PathBuf, paths: &mut Vec<PathBuf>) -> Listed {
    let drop_ins = path.with_extension("d");
    paths.push(path);
    match toml_files(&drop_ins) {
        Ok(files) => paths.extend(files),
        // No drop-ins is the usual case; a directory that cannot be read might hold some.
        Err((_, error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The visible `*.toml` files of a directory, in lexical order.
fn toml_files(directory: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let failed = |error| (directory.to_owned(), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_one(path: &Path, problems: &mut Problems) -> Option<String> {
    text_of(path).map_err(|fault| whole(problems, path, &fault)).ok()
}

/// The text of a regular file of bounded size.
///
/// # Errors
/// What is wrong with it, to be said after its name.
pub(crate) fn text_of(path: &Path) -> Result<String, String> {
    // The size is looked at first: a device or a pipe would be read for ever.
    let fault = match fs::metadata(path) {
        Ok(meta) if !meta.is_file() => "is no regular file".to_owned(),
        Ok(meta) if meta.len() > MAX_BYTES => format!("has {} bytes; at most {MAX_BYTES} are read", meta.len()),
        Ok(_) => match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => return Ok(text),
            Ok(Err(error)) => format!("is not UTF-8: byte {} is wrong", error.utf8_error().valid_up_to()),
            Err(error) => format!("cannot be read: {error}"),
        },
        Err(error) => format!("cannot be read: {error}"),
    };
    Err(fault)
}

fn whole(problems: &mut Problems, path: &Path, message: &str) {
    let file = problems.file(path.display().to_string(), "");
    problems.whole(file, message, None);
}

/// Parses one fragment; every syntax error is a problem.
pub(crate) fn parse(name: String, text: &str, problems: &mut Problems) -> Option<(usize, Table)> {
    let file = problems.file(name, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or_default();
        let at = Origin { file, start: span.start, end: span.end };
        problems.at(at, "", format!("syntax error: {}", error.message()), None);
    }
    errors.is_empty().then(|| (file, tree::adopt(table.get_ref(), file)))
}

//! The repository's text files. Read by walking, not from git: a tarball has the same rules as a clone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A text file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// Its lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.split('\n').enumerate().map(|(at, line)| (at + 1, line))
    }
}

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];

/// Every file below `root` that is text, in the order of their paths.
pub(super) fn read(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = || format!("could not read {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(failed)? {
            let entry = entry.with_context(failed)?;
            let path = entry.path();
            let kind = entry.file_type().with_context(failed)?;
            if kind.is_dir() && !SKIPPED.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            } else if kind.is_file() && entry.file_name() != ".git" {
                files.extend(file(root, path)?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// `None` where it is not text. A picture of the documentation counts as an empty one: pages lead there.
fn file(root: &Path, path: PathBuf) -> Result<Option<File>> {
    if path.extension().is_some_and(|kind| kind == "png") {
        let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        return Ok(Some(File { path, text: String::new() }));
    }
    let bytes = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
    let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).map(|text| File { path, text }))
}

#[cfg(test)]
pub(super) fn fixture(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_the_rest_left() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        for folder in ["src", "target", ".ci"] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
            fs::write(root.join(folder).join("a"), "text\n").expect("a file");
        }
        fs::write(root.join("picture"), [0xff_u8, 0xd8, 0]).expect("a file");
        fs::write(root.join("src/a.png"), [0x89_u8, 0x50, 0]).expect("a file");
        let paths: Vec<String> = read(&root).expect("readable").into_iter().map(|f| f.path).collect();
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(paths, [".ci/a", "src/a", "src/a.png"]);
    }
}

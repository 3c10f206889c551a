//! Text as such: white space, words that belong to one machine, and dependencies from anywhere but crates.io.

use super::{File, Finding};

/// Files that people write by hand, where white space is ours to keep clean.
const WRITTEN: [&str; 8] = [".rs", ".toml", ".md", ".sh", ".py", ".yml", ".service", ".ci/run"];

/// What betrays one person's machine or network; nobody else can use it. (Cut in two, or this file would be found.)
const FOREIGN: [(&str, &str); 6] = [
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("/Us", "ers/"), "a path of one machine"),
    (concat!("snapshot", ".debian"), "a mirror of one day"),
    (concat!("artif", "actory"), "a private registry"),
    (concat!("-mir", "ror."), "a private registry"),
];

/// Where Cargo.lock may get packages from.
const CRATES_IO: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let written = WRITTEN.iter().any(|end| file.path.ends_with(end));
    for (line, text) in file.lines() {
        if written && text.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::error(file, line, "white space at the end of the line"));
        }
        if written && text.contains('\t') {
            findings.push(Finding::error(file, line, "a tab; spaces look the same everywhere"));
        }
        for (word, what) in FOREIGN {
            if text.contains(word) {
                findings.push(Finding::error(file, line, format!("`{word}`: {what}")));
            }
        }
        if file.path == "Cargo.lock" && text.starts_with("source = ") && text != CRATES_IO {
            findings.push(Finding::error(file, line, "a package that does not come from crates.io"));
        }
    }
    if written && !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        findings.push(Finding::error(file, file.lines().count(), "a file ends with one line break"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::fixture, *};

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&fixture(path, text)).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn white_space_is_found_where_people_write() {
        assert_eq!(found("a.md", "one \n"), ["white space at the end of the line"]);
        assert_eq!(found("a.rs", "\tone\n"), ["a tab; spaces look the same everywhere"]);
        assert_eq!(found("a.toml", "one"), ["a file ends with one line break"]);
        assert_eq!(found("a.toml", "one\n\n"), ["a file ends with one line break"]);
        assert_eq!(found("golden.txt", "\tone "), Vec::<String>::new());
        assert_eq!(found("a.rs", "one\n\ntwo\n"), Vec::<String>::new());
    }

    #[test]
    fn every_foreign_word_is_found() {
        for (word, what) in FOREIGN {
            assert_eq!(found("a.txt", &format!("see x{word}y")), [format!("`{word}`: {what}")]);
        }
    }

    #[test]
    fn packages_come_from_crates_io() {
        assert_eq!(found("Cargo.lock", &format!("{CRATES_IO}\n")), Vec::<String>::new());
        let other = "source = \"git+https://example.com/a?rev=1\"\n";
        assert_eq!(found("Cargo.lock", other), ["a package that does not come from crates.io"]);
    }
}

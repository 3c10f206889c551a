//! Dependencies: each is used, and the decision record says what for.

use super::{File, Finding, paths};

const MANIFEST: &str = "Cargo.toml";
const RECORD: &str = "docs/decisions/0004-dependencies.md";
/// Our own packages need no reason.
const OURS: [&str; 2] = ["tidegate", "xtask"];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(manifest) = files.iter().find(|f| f.path == MANIFEST) else { return Vec::new() };
    let record = files.iter().find(|f| f.path == RECORD).map_or("", |f| f.text.as_str());
    let mut findings = Vec::new();
    let dependencies = dependencies(manifest);
    findings.extend(forgotten(files, &dependencies));
    for (line, name, in_tests) in dependencies {
        let folders: &[&str] = if in_tests { &["src/", "tests/"] } else { &["src/"] };
        let ident = name.replace('-', "_");
        let sources = files.iter().filter(|f| f.path.ends_with(".rs") && folders.iter().any(|d| f.path.starts_with(d)));
        if !sources.into_iter().any(|f| uses(f, &ident)) {
            findings.push(Finding::error(manifest, line, format!("nothing uses {name}")));
        }
        if !record.contains(&format!("`{name}`")) {
            findings.push(Finding::error(manifest, line, format!("{RECORD} does not say what {name} is for")));
        }
    }
    findings
}

/// Rows of the record's table for what is not depended on any more.
fn forgotten(files: &[File], dependencies: &[(usize, &str, bool)]) -> Vec<Finding> {
    let Some(record) = files.iter().find(|f| f.path == RECORD) else { return Vec::new() };
    let mut findings = Vec::new();
    for (line, row) in record.lines().filter(|(_, row)| row.starts_with("| `")) {
        let names = row.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2);
        for name in names.filter(|name| !dependencies.iter().any(|(_, known, _)| known == name)) {
            findings.push(Finding::error(record, line, format!("{name} is not depended on any more")));
        }
    }
    findings
}

/// The dependencies of the manifest: line, name, and whether only tests have them.
fn dependencies(manifest: &File) -> Vec<(usize, &str, bool)> {
    let mut section = "";
    let mut found = Vec::new();
    for (line, text) in manifest.lines() {
        if text.starts_with('[') {
            section = text;
        } else if let ("[dependencies]" | "[dev-dependencies]", Some((name, _))) = (section, text.split_once(" = "))
            && !OURS.contains(&name)
            && !name.starts_with('#')
        {
            found.push((line, name, section == "[dev-dependencies]"));
        }
    }
    found
}

fn uses(file: &File, ident: &str) -> bool {
    file.text.contains(ident)
        && paths::of(&file.text).is_ok_and(|names| names.iter().any(|n| n.parts.iter().any(|part| part == ident)))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::fixture, *};

    fn found(source: &str, test: &str, record: &str) -> Vec<String> {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\n# Why.\na-b = \"1\"\n[dev-dependencies]\nc = \"1\"\n";
        let files = [
            fixture(MANIFEST, manifest),
            fixture("src/lib.rs", source),
            fixture("tests/t.rs", test),
            fixture(RECORD, record),
        ];
        check(&files).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn what_is_used_and_explained_is_fine() {
        assert_eq!(found("use a_b::X;", "c::f!();", "`a-b`, `c`"), Vec::<String>::new());
    }

    #[test]
    fn what_nothing_uses_is_found() {
        let expected = ["Cargo.toml:5: nothing uses a-b", "Cargo.toml:7: nothing uses c"];
        assert_eq!(found("// a_b::X", "use a_b::X;", "`a-b`, `c`"), expected);
    }

    #[test]
    fn what_is_gone_is_found() {
        let record = "| `a-b`, `d` (old) | why `x` |\n`c`\n";
        assert_eq!(found("use a_b::X;", "use c::X;", record), [format!("{RECORD}:1: d is not depended on any more")]);
    }

    #[test]
    fn what_has_no_reason_is_found() {
        let expected = [format!("Cargo.toml:7: {RECORD} does not say what c is for")];
        assert_eq!(found("use a_b::X;", "use c::X;", "`a-b`"), expected);
    }
}

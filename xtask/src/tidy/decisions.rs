//! Decision records: numbered without gaps, and each with the four parts that make it worth reading later.

use super::{File, Finding};

/// Where they are.
const FOLDER: &str = "docs/decisions/";
/// What each of them says.
const PARTS: [&str; 4] = ["## Context", "## Choice", "## Rejected", "## When to look again"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let Some(number) = number(file) else { return Vec::new() };
    let mut findings = Vec::new();
    let title = file.text.lines().next().unwrap_or_default();
    let wanted = format!("# {}. ", number.trim_start_matches('0'));
    if !title.starts_with(&wanted) {
        findings.push(Finding::error(file, 1, format!("a record is titled `{wanted}…`")));
    }
    for part in PARTS {
        if !file.text.lines().any(|line| line == part) {
            findings.push(Finding::error(file, 1, format!("no `{part}`")));
        }
    }
    findings
}

/// Two records with one number, or a number that nobody can find, break every reference.
pub(super) fn numbers(files: &[File]) -> Vec<Finding> {
    let records = files.iter().filter_map(|f| Some((f, number(f)?)));
    let wrong = records.enumerate().filter(|(at, (_, number))| number.parse() != Ok(at + 1));
    wrong
        .take(1)
        .map(|(at, (file, number))| Finding::error(file, 1, format!("number {number} where {:04} comes next", at + 1)))
        .collect()
}

/// The number of a record: the four digits before the first `-`.
fn number(file: &File) -> Option<&str> {
    file.path.strip_prefix(FOLDER)?.strip_suffix(".md")?.split('-').next()
}

#[cfg(test)]
mod tests {
    use super::{super::tree::fixture, *};

    const WHOLE: &str = "# 1. A choice\n\n## Context\n\n## Choice\n\n## Rejected\n\n## When to look again\n";

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&fixture(path, text)).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn a_whole_record_is_fine() {
        assert_eq!(found("docs/decisions/0001-a.md", WHOLE), Vec::<String>::new());
        assert_eq!(found("docs/guide.md", "# Anything\n"), Vec::<String>::new());
    }

    #[test]
    fn every_missing_part_is_found() {
        for part in PARTS {
            let text = WHOLE.replace(part, "## Other");
            assert_eq!(found("docs/decisions/0001-a.md", &text), [format!("no `{part}`")]);
        }
        assert_eq!(found("docs/decisions/0002-a.md", WHOLE), ["a record is titled `# 2. …`"]);
    }

    #[test]
    fn numbers_have_no_gaps_and_no_twins() {
        let record = |name: &str| fixture(&format!("docs/decisions/{name}.md"), WHOLE);
        let found = |names: &[&str]| {
            let files: Vec<File> = names.iter().map(|n| record(n)).collect();
            numbers(&files).into_iter().map(|f| f.what).collect::<Vec<_>>()
        };
        assert_eq!(found(&["0001-a", "0002-b"]), Vec::<String>::new());
        assert_eq!(found(&["0001-a", "0003-b"]), ["number 0003 where 0002 comes next"]);
        assert_eq!(found(&["0001-a", "0001-b"]), ["number 0001 where 0002 comes next"]);
    }
}

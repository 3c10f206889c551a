//! Each Rust file by itself: it opens with its story, fits into a head, and is finished.

use super::{File, Finding, paths};

/// Lines above which a file is looked at again.
const LONG: usize = 400;
/// Lines above which a file must say why it is one file.
const TOO_LONG: usize = 600;
/// How it says so.
const EXCUSE: &str = "//! Long because ";
/// Macros that stand for something that is not there.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.text.starts_with("//! ") {
        findings.push(Finding::error(file, 1, "a module opens with its story (`//! …`)"));
    }
    let lines = file.text.lines().count();
    if lines > TOO_LONG && !file.text.lines().any(|line| line.starts_with(EXCUSE)) {
        findings.push(Finding::error(file, 1, format!("{lines} lines: split it, or say `{EXCUSE}…`")));
    } else if lines > LONG {
        findings.push(Finding::warning(file, 1, format!("{lines} lines; most files here are around 130")));
    }
    match paths::of(&file.text) {
        Ok(names) => {
            for name in names.iter().filter(|n| n.is_macro) {
                if let Some(last) = name.parts.last().filter(|last| UNFINISHED.contains(&last.as_str())) {
                    findings.push(Finding::error(file, name.line, format!("`{last}!` in finished code")));
                }
            }
        }
        Err(why) => findings.push(Finding::error(file, 1, format!("not readable as Rust: {why}"))),
    }
    findings.extend(lab_marks(file));
    findings
}

/// A test that needs the lab says so, or a plain `cargo test` would fail on every machine without one.
fn lab_marks(file: &File) -> Vec<Finding> {
    if !file.path.starts_with("tests/lab/") {
        return Vec::new();
    }
    let attribute = |line: &str| line.trim_start().starts_with("#[");
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !matches!(line.trim(), "#[test]" | "#[tokio::test]") {
            continue;
        }
        let around = lines.iter().take(at).rev().take_while(|l| attribute(l));
        let ignored = around.chain(lines.iter().skip(at).take_while(|l| attribute(l)));
        if !ignored.into_iter().any(|l| l.contains("#[ignore")) {
            findings.push(Finding::error(file, at + 1, "a test of the lab is marked `#[ignore = \"needs the lab\"]`"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::fixture, *};

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&fixture(path, text)).into_iter().map(|f| f.to_string()).collect()
    }

    #[test]
    fn a_module_opens_with_its_story() {
        assert_eq!(found("a.rs", "//! A story.\n"), Vec::<String>::new());
        assert_eq!(found("a.rs", "fn a() {}\n"), ["a.rs:1: a module opens with its story (`//! …`)"]);
    }

    #[test]
    fn long_files_are_shown_and_too_long_ones_explained() {
        let file = |lines: usize| format!("//! A story.\n{}", "// a line\n".repeat(lines - 1));
        assert_eq!(found("a.rs", &file(400)), Vec::<String>::new());
        assert_eq!(found("a.rs", &file(401)), ["a.rs:1: warning: 401 lines; most files here are around 130"]);
        assert_eq!(found("a.rs", &file(601)), ["a.rs:1: 601 lines: split it, or say `//! Long because …`"]);
        let excused = format!("//! A story.\n//! Long because it is a table.\n{}", "// a line\n".repeat(600));
        assert!(found("a.rs", &excused).iter().all(|f| f.contains("warning")));
    }

    #[test]
    fn unfinished_code_is_found_wherever_it_hides() {
        let text = "//! A story.\nfn a() {\n    std::todo!(\"x\")\n}\nmacro_rules! m { () => { dbg!(1) } }\n";
        let expected = ["a.rs:3: `todo!` in finished code", "a.rs:5: `dbg!` in finished code"];
        assert_eq!(found("a.rs", text), expected);
        assert_eq!(found("a.rs", "//! todo!() and \"dbg!\"\nfn todo() {}\n"), Vec::<String>::new());
    }

    #[test]
    fn tests_of_the_lab_are_marked() {
        let marked = "//! A story.\n#[test]\n#[ignore = \"needs the lab\"]\nfn a() {}\n";
        let bare = "//! A story.\n#[ignore = \"needs the lab\"]\nfn a() {}\n#[test]\nfn b() {}\n";
        assert_eq!(found("tests/lab/a.rs", marked), Vec::<String>::new());
        assert_eq!(found("tests/lab/a.rs", bare).len(), 1);
        assert_eq!(found("tests/other.rs", bare), Vec::<String>::new());
    }
}

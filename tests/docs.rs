//! What the documents say is so: their configuration loads, their gates exist. Commands and flags in them are tried
//! on the program itself.

use std::{collections::BTreeSet, fs, path::Path};

use tidegate::config;

fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            blocks.push(lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect());
        }
    }
    blocks
}

#[test]
fn the_readme_shows_a_configuration_that_loads() {
    let blocks = blocks(&page("README.md"), "toml");
    let [block] = blocks.as_slice() else { panic!("one block of TOML, not {}", blocks.len()) };
    let settings = config::load_fragments(vec![("README.md".into(), block.clone())]).expect("it loads");
    assert_eq!(settings.services.len(), 1);
    assert_eq!(settings.entrypoints.len(), 1);
    assert!(block.lines().filter(|l| !l.is_empty()).count() <= 20, "short enough to be read at a glance");
}

/// The guide's table of gates is what somebody reads who was refused: none is missing, none is made up.
#[test]
fn the_guide_explains_every_gate() {
    let source = page("src/plan/gates.rs");
    let codes: BTreeSet<String> = source
        .split("Gate::new(")
        .skip(1)
        .filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned))
        .collect();
    assert!(codes.len() > 5, "the gates are found in their source: {codes:?}");
    let guide = page("docs/guide.md");
    let table = guide.split("| gate |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table of gates");
    let rows: BTreeSet<String> =
        table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect();
    let mut explained = codes.clone();
    // Raised through a helper, which the search above does not see.
    explained.insert("ours".into());
    assert_eq!(rows, explained);
}

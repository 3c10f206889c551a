//! What the documents say is so: their configuration loads, their gates exist. Commands and flags in them are tried
//! on the program itself.

use std::{collections::BTreeSet, fs, path::Path};

use tidegate::{config, plan::gates::KNOWN};

#[path = "docs/gates.rs"]
mod gates;
#[path = "support/program.rs"]
mod support;

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
    let codes: BTreeSet<String> = KNOWN.iter().map(|known| known.code.to_owned()).collect();
    let guide = page("docs/guide.md");
    let table = guide.split("| gate |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table of gates");
    let rows: BTreeSet<String> =
        table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect();
    assert_eq!(rows, codes);
}

/// The same for the gates of clones.
#[test]
fn the_guide_explains_every_gate_of_clones() {
    let sources = ["src/clone/gates.rs", "src/clone/gates/declared.rs", "src/clone/gates/units.rs"].map(page).concat();
    let code = |call: &str| call.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
    let codes: BTreeSet<String> = sources.split("Gate::new(").skip(1).filter_map(code).collect();
    assert!(codes.len() > 10, "the gates are found in their source: {codes:?}");
    let guide = page("docs/guide.md");
    let table = guide.split("| clone gate |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the table");
    let first = |row: &str| row.strip_prefix("| `")?.split(" |").next().map(|cell| cell.replace(['`', ' '], ""));
    let rows: BTreeSet<String> = table
        .lines()
        .filter_map(first)
        .flat_map(|cell| cell.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(rows, codes);
}

/// Every `tidegate …` in the documents: its command and its flags, as far as they are there.
fn mentions(page: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for line in page.lines() {
        let inline = line.split('`').skip(1).step_by(2);
        let shell = Some(line.strip_prefix("$ ").unwrap_or(line)).filter(|l| l.starts_with("tidegate "));
        for text in inline.chain(shell) {
            let Some((_, rest)) = text.split_once("tidegate ").filter(|(before, _)| before.is_empty()) else {
                continue;
            };
            let rest = rest.split(" #").next().unwrap_or_default();
            let words = rest.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            found.insert(words);
        }
    }
    found
}

fn help(of: &[&str]) -> Option<String> {
    let said = support::run(&[of, &["--help"]].concat());
    (said.code == 0).then_some(said.stdout)
}

#[test]
fn every_command_in_the_documents_exists_with_its_flags() {
    let mut tried = 0;
    let pages = [
        "README.md",
        "ARCHITECTURE.md",
        "docs/guide.md",
        "docs/configuration.md",
        "docs/lab.md",
        "docs/playbooks.md",
        "docs/drills.md",
        "docs/gates.md",
        "docs/metrics.md",
        "docs/exec-provider.md",
        "docs/skew.md",
        "docs/review.md",
    ];
    let runbooks = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks")).expect("the runbooks");
    let runbooks = runbooks.map(|entry| format!("docs/runbooks/{}", entry.expect("a page").file_name().display()));
    for path in pages.map(str::to_owned).into_iter().chain(runbooks) {
        for words in mentions(&page(&path)) {
            // A placeholder or a flag may follow at once: then it is the program itself that is meant.
            let is_word = |w: &&str| w.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !w.starts_with('-');
            let words: Vec<&str> = words.iter().map(|w| w.trim_end_matches([',', '.', ';'])).collect();
            let flags: Vec<&str> = words.iter().copied().filter(|w| w.starts_with("--")).collect();
            let command: Vec<&str> =
                words.iter().copied().filter(|w| !w.starts_with('-')).take(1).filter(is_word).collect();
            let help = help(&command).unwrap_or_else(|| panic!("{path}: there is no `tidegate {}`", command.join(" ")));
            // `drill report --format`: the flags of a command within a command.
            let within: Vec<&str> = words.iter().copied().take_while(is_word).take(2).collect();
            let help = if within.len() == 2 { self::help(&within).unwrap_or_default() + &help } else { help };
            for flag in flags {
                assert!(help.contains(flag), "{path}: `tidegate {}` has no {flag}", command.join(" "));
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "commands were found: {tried}");
}

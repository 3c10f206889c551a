//! Broken playbooks: every mistake of each is told at once, at the line that it is on. In the files, a comment `# <--`
//! stands on each line with a mistake, twice where there are two; a header stands for what its table lacks. How it reads
//! is in the snapshots.

use std::fs;

use tidegate::{config, playbook};

use super::{inputs, repository};

const CASES: [&str; 11] = [
    "conditions",
    "configuration",
    "drill",
    "inputs",
    "left-out",
    "once",
    "order",
    "parts",
    "rounds",
    "types",
    "unknown-keys",
];

const FOLDER: &str = "tests/playbooks/broken";

/// The report, with file names as somebody in that folder sees them.
fn report(case: &str) -> config::Report {
    let settings = config::load(&repository("config/app-three-nodes.toml")).unwrap_or_else(|r| panic!("{r}"));
    let text = fs::read_to_string(repository(FOLDER).join(format!("{case}.toml"))).expect("the case");
    let given: Vec<(&str, &str)> = text
        .lines()
        .find_map(|line| line.strip_prefix("# given: "))
        .map_or_else(Vec::new, |line| line.split(' ').filter_map(|one| one.split_once('=')).collect());
    let mut read =
        |path: &str| fs::read_to_string(repository(FOLDER).join(path)).map_err(|_| "is not there".to_owned());
    playbook::from_texts(&format!("{case}.toml"), &mut read, &inputs(&given), Some(&settings)).expect_err(case)
}

#[test]
fn every_mistake_is_told_at_its_line() {
    for case in CASES {
        let report = report(case);
        let mut files: Vec<&str> = report.problems().iter().map(|p| p.file.as_str()).collect();
        files.dedup();
        for file in files {
            let text = fs::read_to_string(repository(FOLDER).join(file)).expect("the file");
            let marked: Vec<usize> = (1..)
                .zip(text.lines())
                .flat_map(|(number, line)| std::iter::repeat_n(number, line.matches("<--").count()))
                .collect();
            let mut told: Vec<usize> =
                report.problems().iter().filter(|p| p.file == file).filter_map(|p| p.line).collect();
            told.sort_unstable();
            assert_eq!(told, marked, "{file}\n{report}");
        }
    }
}

#[test]
fn how_it_reads() {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        for case in CASES {
            insta::assert_snapshot!(case, report(case).to_string());
        }
    });
}

#[test]
fn no_case_is_forgotten() {
    let listed = fs::read_dir(repository(FOLDER)).expect("the cases");
    let mut found: Vec<String> = listed
        .filter_map(|entry| {
            Some(entry.expect("an entry").file_name().to_string_lossy().strip_suffix(".toml")?.to_owned())
        })
        .collect();
    found.sort();
    assert_eq!(found, CASES);
}

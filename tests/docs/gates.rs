//! `docs/gates.md`: each gate with the golden case in which it says no and the one in which it passes. The page is made from the
//! table of gates and the list below; the cases must exist and have that answer.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use tidegate::plan::gates::{KNOWN, OVERRIDABLE};

use super::page;

/// A gate, the case that it refuses or holds, and one that it lets pass.
const CASES: [(&str, &str, &str); KNOWN.len()] = [
    ("node-known", "unknown-node", "clean-drain"),
    ("other-run", "other-run", "clean-drain"),
    ("calendar", "blocked-week", "blocked-later"),
    ("cluster-answers", "cluster-silent", "clean-drain"),
    ("quorum", "no-quorum", "clean-drain"),
    ("maintenance-mode", "maintenance-mode", "clean-drain"),
    ("transition", "transition", "clean-drain"),
    ("node-state", "node-unclean", "clean-drain"),
    ("ours", "restore-other-drain", "clean-restore"),
    ("instances", "blocked-instance", "clean-drain"),
    ("rehearsal", "rehearsal-unknown", "clean-drain"),
    ("collateral", "collateral", "clean-drain"),
    ("arrivals", "instance-arrives-anywhere", "instance-arrives-first"),
    ("votes", "votes-at-the-limit", "quorum-device"),
    ("fencing", "fencing-disabled", "clean-drain"),
    ("resources", "other-resource-failed", "clean-drain"),
    ("route-answers", "lb-silent", "clean-drain"),
    ("last-route", "last-server", "clean-drain"),
    ("fails-open", "fails-open", "clean-drain"),
    ("drift", "drift-half-out", "clean-drain"),
    ("capacity", "min-ready-standby", "clean-drain"),
    ("headroom", "headroom-too-little", "headroom-enough"),
    ("node-answers", "node-facts-unknown", "clean-drain"),
    ("alerts", "alert-fires", "alerts-none"),
    ("observations", "stale", "clean-drain"),
];

/// The story, which is written by hand, ends here.
const MARKER: &str = "<!-- made from src/plan/gates/titles.rs and tests/docs/gates.rs -->\n";

/// The answers that a golden case has of a gate.
fn answers(case: &str, code: &str) -> BTreeSet<String> {
    let gates = page(&format!("tests/plans/{case}/gates.txt"));
    let rows = gates.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&code)).filter_map(|row| row.first().map(|word| (*word).to_owned())).collect()
}

#[test]
fn every_gate_has_a_case_in_which_it_refuses_and_one_in_which_it_passes() {
    for (code, refuses, passes) in CASES {
        let no = answers(refuses, code);
        assert!(no.contains("refuse") || no.contains("hold"), "{code} in {refuses}: {no:?}");
        assert_eq!(answers(passes, code), BTreeSet::from(["pass".to_owned()]), "{code} in {passes}");
    }
}

#[test]
fn the_page_of_gates_is_the_table() {
    let held: Vec<&str> = CASES.iter().map(|(code, ..)| *code).collect();
    assert_eq!(KNOWN.map(|known| known.code).to_vec(), held, "each gate has its cases, in the same order");
    for code in OVERRIDABLE {
        assert!(held.contains(&code), "{code} can be overridden and is no gate");
    }
    let mut table = "| gate | title | asks | can be overridden | says no in | passes in |\n\
                     | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (known, (_, refuses, passes)) in KNOWN.iter().zip(CASES) {
        let link = |case: &str| format!("[{case}](../tests/plans/{case}/case.toml)");
        let overridden = if OVERRIDABLE.contains(&known.code) { "yes" } else { "no" };
        let (code, title, asks) = (known.code, known.title, known.asks);
        let (refuses, passes) = (link(refuses), link(passes));
        let _ = writeln!(table, "| `{code}` | {title} | {asks} | {overridden} | {refuses} | {passes} |");
    }
    let found = page("docs/gates.md");
    let (story, _) = found.split_once(MARKER).expect("the marker");
    let expected = format!("{story}{MARKER}\n{table}");
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gates.md");
        fs::write(path, &expected).expect("written");
        return;
    }
    assert_eq!(found, expected, "docs/gates.md is out of date: run this test with TIDEGATE_WRITE=1");
}

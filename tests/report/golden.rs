//! What each report says, word by word.

use tidegate::drill::report::{html, json, markdown};

use super::samples;

/// The page without its style, which is the same everywhere.
fn unstyled(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").expect("a style");
    let (_, rest) = rest.split_once("</style>").expect("its end");
    format!("{head}<style/>{rest}")
}

#[test]
fn every_kind_reads_as_it_should_in_every_format() {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, evidence) in samples::all() {
            let evidence = evidence.seal().expect("it can be sealed");
            insta::assert_snapshot!(format!("{name}.md"), markdown(&evidence));
            insta::assert_snapshot!(format!("{name}.html"), unstyled(&html(&evidence)));
            insta::assert_snapshot!(format!("{name}.json"), json(&evidence).expect("JSON"));
        }
    });
}

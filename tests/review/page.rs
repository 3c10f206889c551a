//! `docs/review.md` lists the rules that exist, with why they bite and how to mend what they find.

use std::{collections::BTreeSet, fs, path::Path};

use tidegate::review::{page, rules};

const BEGIN: &str = "<!-- rules: made by TIDEGATE_WRITE=1 cargo test --test review -->\n";
const END: &str = "<!-- end of rules -->\n";

#[test]
fn the_page_lists_every_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/review.md");
    let text = fs::read_to_string(&path).expect("docs/review.md");
    let (before, rest) = text.split_once(BEGIN).expect("where the rules begin");
    let (written, after) = rest.split_once(END).expect("where the rules end");
    let made = format!("\n{}\n", page());
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).expect("written");
        return;
    }
    assert_eq!(written, made, "write it anew with TIDEGATE_WRITE=1");
    for rule in rules() {
        assert!(written.contains(&format!("### `{}`", rule.code)));
    }
}

#[test]
fn codes_are_stable_names_each_of_its_own() {
    let mut seen = BTreeSet::new();
    for rule in rules() {
        assert!(rule.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.code);
        assert!(seen.insert(rule.code), "{} twice", rule.code);
        for text in [rule.title, rule.why, rule.mend] {
            assert!(text.len() > 15 && !text.contains("  "), "{}: {text}", rule.code);
        }
    }
}

//! Whatever is in a file, the loader answers with settings or with a report that can be shown.

use proptest::prelude::*;

use super::{SMALL, load, repository};

/// Settings, or a report of which every form can be made.
fn answers(fragments: &[&str]) {
    if let Err(report) = load(fragments) {
        assert!(!report.problems().is_empty());
        assert!(report.render(true).len() >= report.to_string().len());
        assert!(serde_json::to_string(&report).is_ok());
        for problem in report.problems() {
            assert!(!problem.message.contains("cannot say why"), "{problem}");
        }
    }
}

/// Lines of real configurations, whole and in pieces, in any order.
fn shuffled() -> impl Strategy<Value = String> {
    let example = std::fs::read_to_string(repository("config/app-three-nodes.toml")).expect("the example");
    let mut lines: Vec<String> = example.lines().chain(SMALL.lines()).map(str::to_owned).collect();
    lines.retain(|line| !line.is_empty() && !line.starts_with('#'));
    prop::collection::vec((prop::sample::select(lines), 0usize..200, any::<bool>()), 0..30).prop_map(|lines| {
        let cut = |(line, at, whole): (String, usize, bool)| {
            if whole { line } else { line.chars().take(at).collect() }
        };
        lines.into_iter().map(cut).collect::<Vec<_>>().join("\n")
    })
}

/// A value of any type in the place of a right one.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("5".into()),
        Just("-1".into()),
        Just("99999999999999999999".into()),
        Just("1.5".into()),
        Just("nan".into()),
        Just("true".into()),
        Just("1979-05-27".into()),
        Just("[]".into()),
        Just("{}".into()),
        Just("\"\"".into()),
        Just("[\"\"]".into()),
        Just("[{}]".into()),
        Just("[[1]]".into()),
        Just("\"unix:/x\"".into()),
        Just("{ name = 1 }".into()),
        Just("{ via = \"dns\" }".into()),
        "\\PC{0,12}".prop_map(|text| format!("{text:?}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answers(&[&String::from_utf8_lossy(&bytes)]);
    }

    #[test]
    fn any_toml_like_text(text in "([a-z.]{1,8}|[\\[\\]{}=\"'#,\n\r\t 0-9]|\\PC){0,60}") {
        answers(&[&text]);
    }

    #[test]
    fn lines_in_any_order(first in shuffled(), second in shuffled()) {
        answers(&[&first, &second]);
    }

    #[test]
    fn any_value_for_any_key(at in 0usize..200, value in value()) {
        let example = std::fs::read_to_string(repository("config/app-three-nodes.toml")).expect("the example");
        let keys: Vec<usize> = example.match_indices(" = ").map(|(at, _)| at).collect();
        let start = keys[at % keys.len()] + 3;
        let end = start + example[start..].find([',', '\n']).unwrap_or(0);
        answers(&[&format!("{}{value}{}", &example[..start], &example[end..])]);
        answers(&[SMALL, &format!("{}{value}{}", &example[..start], &example[end..])]);
    }
}

#[test]
fn deep_nesting_is_a_problem_like_any_other() {
    for text in ["[".repeat(100_000), format!("a{} = 1", ".a".repeat(50_000)), "a = { b = ".repeat(20_000)] {
        let report = load(&[&text]).expect_err("too deep");
        assert!(report.to_string().len() < 1 << 20, "the report stays readable");
    }
}

#[test]
fn a_file_full_of_mistakes_is_answered_in_time() {
    let keys: String = (0..10_000).map(|n| format!("k{n} = {n}\n")).collect();
    let nodes: String = (0..4_000).map(|n| format!("[[node]]\nname = \"n{n}\"\nadress = 1\n")).collect();
    let began = std::time::Instant::now();
    for text in [keys.as_str(), nodes.as_str()] {
        let report = load(&[text, text]).expect_err("full of mistakes");
        assert!(report.problems().len() >= 4_000);
        assert!(!report.to_string().is_empty());
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

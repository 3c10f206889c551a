//! What was sealed is what is read.

use serde_json::{Value, json};
use tidegate::drill::report::{self, Evidence, Mismatch};

use super::samples;

fn read(value: &Value) -> Result<(), Mismatch> {
    serde_json::from_value::<Evidence>(value.clone()).expect("evidence").verify()
}

#[test]
fn sealed_evidence_survives_its_json_and_shows_every_change() {
    for (name, evidence) in samples::all() {
        let text = report::json(&evidence.seal().expect("sealed")).expect("JSON");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value.get("format"), Some(&json!(1)));
        assert_eq!(read(&value), Ok(()), "{name}");
        for (field, other) in [
            ("/verdict/outcome", json!("kept")),
            ("/operator", json!("somebody else")),
            ("/signature/chains", json!([{ "id": "x", "records": 1, "head": "00" }])),
            ("/started", json!("2026-03-14T09:00:01Z")),
        ] {
            let mut changed = value.clone();
            let slot = changed.pointer_mut(field).expect("the field");
            if *slot == other {
                continue;
            }
            *slot = other;
            assert!(matches!(read(&changed), Err(Mismatch::Changed { .. })), "{name}: {field}");
        }
    }
}

#[test]
fn what_was_never_sealed_does_not_verify() {
    assert!(matches!(samples::planned().verify(), Err(Mismatch::Changed { .. })));
}

#[test]
fn another_format_is_refused() {
    let mut evidence = samples::unknown();
    evidence.format = 2;
    assert_eq!(evidence.seal().expect("sealed").verify(), Err(Mismatch::Format(2)));
}

//! The simulation table of docs/skew.md is what the simulation says, and keeps what the page promises.

use tidegate::traffic::skew::simulation::{self, Clients, Line};

const MARKER: &str = "<!-- made by cargo xtask bench skew -->\n";

/// Every line, on as many threads as there are parts.
fn lines() -> Vec<Line> {
    let cases = simulation::cases();
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(4))
            .map(|part| scope.spawn(|| part.iter().copied().map(simulation::line).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("a part of the table")).collect()
    })
}

#[test]
fn the_table_is_what_the_simulation_says() {
    let lines = lines();
    for line in &lines {
        assert!(line.false_alarms <= 0.01 && line.tolerated <= 0.01, "{line:?}");
        if line.requests <= 30 {
            assert!(line.false_alarms == 0.0 && line.missed == 1.0, "30 requests in all never alarm: {line:?}");
        }
        // A thousand requests a minute are five thousand in the window.
        if line.requests == 5000 && line.clients == Clients::Independent {
            assert!(line.missed == 0.0, "{line:?}");
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/skew.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (story, table) = page.split_once(MARKER).expect("the marker");
    let expected = format!("\n{}", simulation::markdown(&lines));
    if std::env::var_os("TIDEGATE_WRITE").is_some() {
        std::fs::write(&path, format!("{story}{MARKER}{expected}")).expect("written");
        return;
    }
    assert!(table == expected, "docs/skew.md is out of date: run this test with TIDEGATE_WRITE=1");
}

//! Prints the simulation table of docs/skew.md, or its lines as JSON with `--json`. `cargo xtask bench skew` runs it.
#![allow(clippy::print_stdout, reason = "the table is its data")]

use tidegate::traffic::skew::simulation;

fn main() {
    let lines = simulation::cases().into_iter().map(simulation::line).collect::<Vec<_>>();
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", simulation::json(&lines));
    } else {
        print!("{}", simulation::markdown(&lines));
    }
}

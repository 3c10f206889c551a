//! `cargo xtask …`: every check, the lab, the benchmarks.
fn main() {}

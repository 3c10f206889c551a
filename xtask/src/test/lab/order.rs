//! Which test comes when: the longest first, so that no worker begins a long one when the other has nothing left to do.
//!
//! How long each takes is what it took in the last run on this machine, kept in cargo's target folder. A test that is not in
//! there is new, and comes first: it may be long. Before there is a first run, a table has the long ones.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use super::Test;

/// Tests whose names begin so take about so many seconds each on a quiet machine; others take less than all of these.
const LONG: [(&str, f64); 20] = [
    ("adoption", 115.0),
    ("plays::a_patch", 88.0),
    ("clones", 87.0),
    ("faults::a_lab_breaks", 80.0),
    ("faults::killed", 77.0),
    ("faults_are_undone::by", 75.0),
    ("layouts", 70.0),
    ("standin", 61.0),
    ("scope::one_service", 60.0),
    ("routes", 60.0),
    ("drain::jetty", 60.0),
    ("verdict::the_cluster", 52.0),
    ("lingering", 50.0),
    ("alerts", 46.0),
    ("plays::a_drill", 43.0),
    ("killed", 40.0),
    ("verdict::a_colocated", 39.0),
    ("guard::what_fails", 37.0),
    ("drain::a_node_whose", 37.0),
    ("review", 36.0),
];
/// The file of the last run's times, in the target folder.
const FILE: &str = "lab-times.json";

/// How long each test took, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Times(BTreeMap<String, f64>);

impl Times {
    /// Those of the last run; none where there was none, or its file says nothing.
    pub(super) fn of_the_last_run(target: &Path) -> Self {
        let text = fs::read_to_string(target.join(FILE)).unwrap_or_default();
        Self(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Takes down what a test took.
    pub(super) fn took(&mut self, test: &str, time: Duration) {
        self.0.insert(test.to_owned(), (time.as_secs_f64() * 10.0).round() / 10.0);
    }

    /// Keeps them for the next run. Without them that is only in another order.
    pub(super) fn keep(&self, target: &Path) {
        if let Ok(text) = serde_json::to_string_pretty(&self.0) {
            let _ = fs::write(target.join(FILE), text);
        }
    }

    /// The tests, the longest first; those of which the same is known stay as they were.
    pub(super) fn longest_first(&self, mut tests: Vec<Test>) -> Vec<Test> {
        tests.sort_by(|a, b| self.seconds(&b.name).total_cmp(&self.seconds(&a.name)));
        tests
    }

    fn seconds(&self, name: &str) -> f64 {
        let new = if self.0.is_empty() { 0.0 } else { f64::INFINITY };
        let long = || LONG.iter().find(|(long, _)| name.starts_with(long)).map(|(_, seconds)| *seconds);
        self.0.get(name).copied().or_else(long).unwrap_or(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(times: &Times, names: &[&str]) -> Vec<String> {
        let test = |name: &&str| Test { name: (*name).into(), ..Test::default() };
        times.longest_first(names.iter().map(test).collect()).into_iter().map(|test| test.name).collect()
    }

    #[test]
    fn before_the_first_run_the_long_ones_come_first_and_the_others_as_they_were() {
        let names = ["drain::b", "drain::a", "killed::x", "faults::z", "drain::jetty_too"];
        let expected = ["drain::jetty_too", "killed::x", "drain::b", "drain::a", "faults::z"];
        assert_eq!(ordered(&Times::default(), &names), expected);
    }

    #[test]
    fn the_last_run_counts_more_than_the_table_and_a_new_test_comes_first() {
        let mut times = Times::default();
        times.took("drain::a", Duration::from_secs(99));
        times.took("killed::x", Duration::from_secs(3));
        assert_eq!(ordered(&times, &["killed::x", "drain::a", "new"]), ["new", "drain::a", "killed::x"]);
    }

    #[test]
    fn times_are_kept_and_a_broken_file_is_as_none() {
        let target = std::env::temp_dir().join(format!("tidegate-lab-times-{}", std::process::id()));
        fs::create_dir_all(&target).expect("a folder");
        let mut times = Times::default();
        times.took("drain::a", Duration::from_millis(12_340));
        times.keep(&target);
        assert_eq!(Times::of_the_last_run(&target), times);
        fs::write(target.join(FILE), "{").expect("written");
        assert_eq!(Times::of_the_last_run(&target), Times::default());
        fs::remove_dir_all(&target).expect("removed");
    }
}

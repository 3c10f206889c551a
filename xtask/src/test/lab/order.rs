//! Which test comes when: the longest first, so that no worker begins a long one when the other has nothing left to do.

use super::Test;

/// Tests whose names begin so take about so many seconds each on a quiet machine; others take less than all of these.
const LONG: [(&str, u32); 13] = [
    ("faults::a_lab_breaks", 80),
    ("layouts", 70),
    ("routes", 60),
    ("verdict", 50),
    ("alerts", 48),
    ("drain::jetty", 45),
    ("faults::killed", 45),
    ("lingering", 45),
    ("review", 40),
    ("killed", 38),
    ("sticky", 30),
    ("serve", 28),
    ("guard", 26),
];

/// The same tests, in order; those of which nothing is known stay as they were.
pub(super) fn longest_first(mut tests: Vec<Test>) -> Vec<Test> {
    tests.sort_by_key(|test| std::cmp::Reverse(seconds(&test.name)));
    tests
}

fn seconds(name: &str) -> u32 {
    LONG.iter().find(|(long, _)| name.starts_with(long)).map_or(0, |(_, seconds)| *seconds)
}

#[cfg(test)]
mod tests {
    use super::{Test, longest_first};

    #[test]
    fn the_longest_come_first_and_the_others_as_they_were() {
        let test = |name: &str| Test { name: name.into(), ..Test::default() };
        let tests = ["drain::b", "drain::a", "killed::x", "faults::z", "drain::jetty_too"].map(test);
        let names: Vec<String> = longest_first(tests.into()).into_iter().map(|test| test.name).collect();
        assert_eq!(names, ["drain::jetty_too", "killed::x", "drain::b", "drain::a", "faults::z"]);
    }
}

//! Counting tests by what libtest says: `test result: ok. 3 passed; 0 failed; …` at the end of each program, and the
//! lines of single tests of a program that never got so far.

/// Tests, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
    /// Not run, by a mark in their source.
    pub ignored: u64,
}

impl Tally {
    /// The sum of two.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    fn count(&mut self, number: u64, what: &str) {
        match what {
            "passed" | "ok" => self.passed += number,
            "failed" | "FAILED" => self.failed += number,
            "ignored" => self.ignored += number,
            _ => {}
        }
    }
}

/// Reads output line by line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    finished: Tally,
    /// Of the program that runs now.
    running: Tally,
}

impl Reader {
    /// Takes a line; one that tells nothing of tests changes nothing.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            // `ok. 3 passed` and `FAILED. 3 passed`: the verdict is before the first count.
            let counts = counts.split_once(". ").map_or(counts, |(_, counts)| counts);
            for (number, what) in counts.split("; ").filter_map(|count| count.split_once(' ')) {
                self.finished.count(number.parse().unwrap_or(0), what);
            }
            self.running = Tally::default();
        } else if let Some((_, end)) = line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... ")) {
            // `ignored, needs the lab`
            self.running.count(1, end.split(',').next().unwrap_or_default());
        }
    }

    /// Everything that was told.
    pub(super) fn tally(&self) -> Tally {
        let mut all = self.finished;
        all.add(self.running);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut reader = Reader::default();
        lines.iter().for_each(|line| reader.read(line));
        reader.tally()
    }

    #[test]
    fn results_add_up() {
        let found = tally(&[
            "running 4 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 12.01s",
        ]);
        assert_eq!(found, Tally { passed: 4, failed: 2, ignored: 1 });
    }

    #[test]
    fn a_program_that_ends_early_is_counted_by_its_single_tests() {
        let found = tally(&[
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test b::c ... ok",
            "test src/lib.rs - x (line 4) ... FAILED",
            "test d ... ignored, needs the lab",
            "test e ... ",
        ]);
        assert_eq!(found, Tally { passed: 4, failed: 1, ignored: 2 });
    }

    #[test]
    fn what_only_looks_like_a_result_counts_nothing() {
        assert_eq!(tally(&["the test result: ok. 3 passed; 0 failed", "test result: unknown"]), Tally::default());
    }
}

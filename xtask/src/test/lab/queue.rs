//! The queue that both workers take from, and what became of the tests.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    super::{
        Outcome, Tally,
        child::How,
        stages::{ABOVE, Done},
    },
    Test,
};

/// How many of the slowest are named at the end.
const SLOWEST: usize = 5;

/// Tests that wait, and tests that ran.
pub(super) struct Queue {
    state: Mutex<State>,
    deadline: Instant,
}

#[derive(Default)]
struct State {
    /// Those that need a lab.
    waiting: VecDeque<Test>,
    /// Those that boot one.
    own: VecDeque<Test>,
    ran: Vec<Ran>,
    /// Labs that did not come up, or did not go away.
    trouble: Vec<String>,
}

/// A test that is over.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) name: String,
    pub(super) how: How,
    /// Whether its program says that it passed, it alone.
    pub(super) passed: bool,
    pub(super) took: Duration,
    /// All that it said.
    pub(super) said: Vec<u8>,
}

impl Queue {
    /// The tests in this order; none is begun after the deadline.
    pub(super) fn new(tests: Vec<Test>, deadline: Instant) -> Self {
        let (own, waiting) = tests.into_iter().partition(|test| test.own);
        Self { state: Mutex::new(State { waiting, own, ..State::default() }), deadline }
    }

    /// The next that needs a lab.
    pub(super) fn next(&self) -> Option<Test> {
        if self.left().is_zero() { None } else { self.state().waiting.pop_front() }
    }

    /// The next that boots a lab.
    pub(super) fn next_own(&self) -> Option<Test> {
        if self.left().is_zero() { None } else { self.state().own.pop_front() }
    }

    /// Time until the deadline.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Takes down what became of a test, and tells it; `place` is the worker's name.
    pub(super) fn ended(&self, place: &str, ran: Ran) {
        // One test's words stay together: the other worker speaks, too.
        let mut out = io::stdout().lock();
        // Nobody reads on: the checks are still worth their exit code.
        let _ = out.write_all(told(place, &ran).as_bytes());
        drop(out);
        self.state().ran.push(ran);
    }

    /// Takes down what went wrong with a lab.
    pub(super) fn trouble(&self, place: &str, error: &anyhow::Error) {
        self.state().trouble.push(format!("lab {place}: {error:#}"));
    }

    /// What the stage has to tell.
    pub(super) fn done(&self) -> Done {
        let state = self.state();
        let failed: Vec<&str> = state.ran.iter().filter(|r| !r.passed).map(|r| r.name.as_str()).collect();
        let missed: Vec<&str> = state.waiting.iter().chain(&state.own).map(|t| t.name.as_str()).collect();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let tests = Tally {
            passed: count(state.ran.len() - failed.len()),
            failed: count(failed.len() + missed.len()),
            ignored: 0,
        };
        let mut wrong = state.trouble.clone();
        if !failed.is_empty() {
            wrong.push(format!("{}, {ABOVE}", failed.join(", ")));
        }
        if !missed.is_empty() {
            wrong.push(format!("not begun: {}", missed.join(", ")));
        }
        let outcome = if wrong.is_empty() { Outcome::Passed } else { Outcome::Failed(wrong.join("; ")) };
        Done { outcome, tests, untested: None }
    }

    /// Every test that passed, and what it took; one that failed says nothing about that.
    pub(super) fn passed(&self, mut each: impl FnMut(&str, Duration)) {
        self.state().ran.iter().filter(|ran| ran.passed).for_each(|ran| each(&ran.name, ran.took));
    }

    /// The slowest of them, and what all took together.
    pub(super) fn times(&self, took: Duration) -> String {
        slowest(&self.state().ran, took)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line for a test; all that it said where it failed.
fn told(place: &str, ran: &Ran) -> String {
    let Ran { name, how, passed, took, said } = ran;
    let word = if *passed { "passed" } else { "FAILED" };
    let mut text = format!("{place:<3} {:>6.1} s  {word}  {name}\n", took.as_secs_f32());
    if !passed {
        let said = String::from_utf8_lossy(said);
        let _ = writeln!(text, "──── {name} said:\n{}\n──── {name}: {how}", said.trim_end());
    }
    text
}

fn slowest(ran: &[Ran], took: Duration) -> String {
    let mut by_time: Vec<&Ran> = ran.iter().collect();
    by_time.sort_by_key(|r| std::cmp::Reverse(r.took));
    let sum: Duration = ran.iter().map(|r| r.took).sum();
    let mut text = format!("{} tests of {} s in {} s; the slowest:\n", ran.len(), sum.as_secs(), took.as_secs());
    for ran in by_time.iter().take(SLOWEST) {
        let _ = writeln!(text, "    {:>6.1} s  {}", ran.took.as_secs_f32(), ran.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(name: &str, seconds: u64, passed: bool) -> Ran {
        let how = if passed { How::Well } else { How::Badly };
        Ran { name: name.into(), how, passed, took: Duration::from_secs(seconds), said: b"why\n".to_vec() }
    }

    fn queue(left: u64) -> Queue {
        let tests = [("a", false), ("own", true), ("b", false)];
        let tests = tests.map(|(name, own)| Test { name: name.into(), own, ..Test::default() });
        Queue::new(tests.into(), Instant::now() + Duration::from_secs(left))
    }

    #[test]
    fn those_that_boot_a_lab_wait_apart() {
        let queue = queue(60);
        let name = |test: Option<Test>| test.map(|t| t.name);
        assert_eq!(name(queue.next()).as_deref(), Some("a"));
        assert_eq!(name(queue.next()).as_deref(), Some("b"));
        assert_eq!(name(queue.next()), None);
        assert_eq!(name(queue.next_own()).as_deref(), Some("own"));
        assert_eq!(name(queue.next_own()), None);
    }

    #[test]
    fn what_was_not_begun_failed() {
        let queue = queue(0);
        assert!(queue.next().is_none() && queue.next_own().is_none());
        queue.trouble("x", &anyhow::anyhow!("no quorum"));
        let done = queue.done();
        assert_eq!(done.tests, Tally { passed: 0, failed: 3, ignored: 0 });
        assert_eq!(done.outcome, Outcome::Failed("lab x: no quorum; not begun: a, b, own".into()));
    }

    #[test]
    fn every_test_is_counted_and_a_failed_one_says_why() {
        let queue = Queue::new(Vec::new(), Instant::now());
        queue.state().ran = vec![ran("a", 1, true), ran("b", 2, false)];
        let done = queue.done();
        assert_eq!(done.tests, Tally { passed: 1, failed: 1, ignored: 0 });
        assert_eq!(done.outcome, Outcome::Failed("b, see above".into()));
        assert_eq!(told("tgt", &ran("a", 1, true)), "tgt    1.0 s  passed  a\n");
        let told = told("tgt", &ran("b", 12, false));
        assert!(told.starts_with("tgt   12.0 s  FAILED  b\n") && told.contains("\nwhy\n"), "{told}");
    }

    #[test]
    fn the_slowest_are_named_in_order() {
        let all: Vec<Ran> = [3, 9, 1, 7, 5, 8].map(|s| ran(&format!("t{s}"), s, true)).into();
        let text = slowest(&all, Duration::from_secs(17));
        assert!(
            text.starts_with("6 tests of 33 s in 17 s; the slowest:\n       9.0 s  t9\n       8.0 s  t8\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1 + SLOWEST);
    }
}

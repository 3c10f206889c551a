//! Who is probed when. Pure, but for where its times come from.
//!
//! The first round goes out quickly, a thousand targets a second, so that states are known soon. The second is put at a
//! random moment around one interval later, and from then on each probe comes an interval after the one before, give or
//! take a tenth: the load stays spread, whatever started together. Who is due first goes first, so where more are due
//! than may fly nobody waits for ever. A target that flies is not due, however long it takes.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

/// Share of an interval by which a probe comes earlier or later.
const JITTER: f64 = 0.1;
/// Time between two targets of the first round.
const PACE: Duration = Duration::from_millis(1);

/// The number of a target.
pub(super) type Index = usize;

/// All targets: those that wait, in their order, and those that fly.
pub(super) struct Schedule {
    begin: Instant,
    waiting: BTreeSet<(Instant, Index)>,
    places: Vec<Place>,
    random: fastrand::Rng,
}

struct Place {
    interval: Duration,
    /// When its next probe is due; `None` while one flies.
    due: Option<Instant>,
    /// Whether it has to be asked again as soon as it is back.
    again: bool,
    probed: bool,
}

impl Schedule {
    /// Targets with these intervals.
    pub(super) fn new(begin: Instant, intervals: impl IntoIterator<Item = Duration>) -> Self {
        let mut random = fastrand::Rng::new();
        let mut places: Vec<Place> =
            intervals.into_iter().map(|interval| Place { interval, due: None, again: false, probed: false }).collect();
        let round = PACE * u32::try_from(places.len()).unwrap_or(u32::MAX);
        let mut waiting = BTreeSet::new();
        for (index, place) in places.iter_mut().enumerate() {
            let due = begin + round.min(place.interval).mul_f64(random.f64());
            place.due = Some(due);
            waiting.insert((due, index));
        }
        Self { begin, waiting, places, random }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Takes the one that has been due for longest; it flies from now on.
    pub(super) fn take(&mut self, now: Instant) -> Option<Index> {
        let (due, index) = *self.waiting.first().filter(|(due, _)| *due <= now)?;
        self.waiting.remove(&(due, index));
        self.places[index].due = None;
        Some(index)
    }

    /// One is back whose probe began at `began`: it is due again an interval later, at once where that has passed.
    pub(super) fn landed(&mut self, index: Index, began: Instant, now: Instant) {
        let place = &mut self.places[index];
        let spread = if place.probed { JITTER } else { 0.5 };
        place.probed = true;
        let factor = spread.mul_add(2.0 * self.random.f64() - 1.0, 1.0);
        let due = if std::mem::take(&mut place.again) {
            self.begin
        } else {
            (began + place.interval.mul_f64(factor)).max(now)
        };
        place.due = Some(due);
        self.waiting.insert((due, index));
    }

    /// Puts one before all others. What flies already may have begun too early to know better: it is asked again.
    pub(super) fn hasten(&mut self, index: Index) {
        let place = &mut self.places[index];
        match place.due.replace(self.begin) {
            Some(due) => {
                self.waiting.remove(&(due, index));
                self.waiting.insert((self.begin, index));
            }
            None => (place.due, place.again) = (None, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(schedule: &Schedule, ms: u64) -> Instant {
        schedule.begin + Duration::from_millis(ms)
    }

    fn of(count: usize, interval: u64) -> Schedule {
        Schedule::new(Instant::now(), vec![Duration::from_millis(interval); count])
    }

    #[test]
    fn who_is_due_first_goes_first_and_nobody_flies_twice() {
        let mut schedule = of(100, 1000);
        let late = at(&schedule, 5000);
        let mut last = schedule.begin;
        for _ in 0..100 {
            let due = schedule.next().expect("somebody waits");
            assert!(due >= last);
            last = due;
            schedule.take(late).expect("it is due");
        }
        assert!(schedule.take(late).is_none() && schedule.next().is_none());
    }

    #[test]
    fn an_interval_is_kept_to_a_tenth_however_long_a_probe_takes() {
        let mut schedule = of(1, 1000);
        schedule.take(at(&schedule, 1000));
        schedule.landed(0, at(&schedule, 0), at(&schedule, 10));
        let second = schedule.next().expect("it is due");
        assert!((at(&schedule, 500)..=at(&schedule, 1500)).contains(&second));
        schedule.take(second);
        let took = second + Duration::from_millis(800);
        schedule.landed(0, second, took);
        let third = schedule.next().expect("it is due") - second;
        assert!((Duration::from_millis(900)..=Duration::from_millis(1100)).contains(&third), "{third:?}");
        // Longer than an interval: at once, and not twice.
        let began = second + third;
        schedule.take(began);
        let back = began + Duration::from_secs(3);
        schedule.landed(0, began, back);
        assert_eq!(schedule.next(), Some(back));
    }

    #[test]
    fn who_is_hastened_goes_before_all_others() {
        let mut schedule = of(50, 1000);
        let later = at(&schedule, 2000);
        schedule.hasten(7);
        assert_eq!(schedule.take(at(&schedule, 0)), Some(7));
        // In the air: once more right after.
        schedule.hasten(7);
        assert_ne!(schedule.take(later), Some(7));
        schedule.landed(7, later, later);
        assert_eq!(schedule.take(later), Some(7));
        schedule.landed(7, later, later);
        assert!(schedule.places[7].due.is_some_and(|due| due > later));
    }

    #[test]
    fn a_round_is_spread() {
        let mut schedule = of(1000, 1000);
        let begin = schedule.begin;
        let mut per_tenth = [0; 40];
        while let Some(due) = schedule.next().filter(|due| *due < at(&schedule, 4000)) {
            let index = schedule.take(due).expect("it is due");
            per_tenth[(due - begin).as_millis() as usize / 100] += 1;
            schedule.landed(index, due, due);
        }
        // A thousand a second: a hundred a tenth of a second, in the last seconds as in the first.
        assert!(per_tenth[20..].iter().all(|n| (50..200).contains(n)), "{per_tenth:?}");
    }
}

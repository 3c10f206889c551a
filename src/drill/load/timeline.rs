//! A run second by second, while it is made.
//!
//! Answers come almost in order of time, so only the latest seconds have a histogram that is still counted in; older
//! ones are closed, so that a day of load needs no memory to speak of.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use super::{
    Second,
    histogram::{coarse, encode, ms, record_growing},
};

/// Seconds that still count: answers are noted within one of these.
const OPEN: u64 = 3;
/// Seconds whose histograms are kept as text.
const WITH_HISTOGRAM: u64 = 3600;

#[derive(Default)]
pub(super) struct Timeline {
    closed: Vec<Second>,
    open: BTreeMap<u64, (Second, Option<Histogram<u64>>)>,
}

impl Timeline {
    /// The second in which something was counted at `since_start`.
    pub(super) fn at(&mut self, since_start: Duration) -> &mut Second {
        &mut self.open(since_start).0
    }

    /// Counts a latency.
    pub(super) fn latency(&mut self, since_start: Duration, latency: Duration) {
        let (_, histogram) = self.open(since_start);
        record_growing(histogram.get_or_insert_with(coarse), latency);
    }

    /// All seconds until now, those in which nothing came included.
    pub(super) fn seconds(&self) -> Vec<Second> {
        let open = self.open.values().map(|(second, histogram)| close(second.clone(), histogram.as_ref()));
        let mut all: Vec<Second> = Vec::new();
        for second in self.closed.iter().cloned().chain(open) {
            let next = all.last().map_or(0, |last| last.second + 1);
            all.extend((next..second.second).map(|second| Second { second, ..Second::default() }));
            all.push(second);
        }
        all
    }

    fn open(&mut self, since_start: Duration) -> &mut (Second, Option<Histogram<u64>>) {
        let oldest = self.closed.last().map_or(0, |last| last.second + 1);
        let second = since_start.as_secs().max(oldest);
        while let Some(first) = self.open.first_entry().filter(|first| first.key() + OPEN <= second) {
            let (first, histogram) = first.remove();
            self.closed.push(close(first, histogram.as_ref()));
        }
        self.open.entry(second).or_insert_with(|| (Second { second, ..Second::default() }, None))
    }
}

fn close(second: Second, histogram: Option<&Histogram<u64>>) -> Second {
    let Some(histogram) = histogram else { return second };
    second.with_latencies(histogram)
}

impl Second {
    /// The same with what this histogram says of its latencies.
    pub(super) fn with_latencies(self, histogram: &Histogram<u64>) -> Self {
        let kept = self.second < WITH_HISTOGRAM;
        Self {
            p50_ms: ms(histogram.value_at_quantile(0.5)),
            p99_ms: ms(histogram.value_at_quantile(0.99)),
            max_ms: ms(histogram.max()),
            histogram: if kept { encode(histogram) } else { String::new() },
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_is_missing_and_late_answers_are_counted() {
        let mut timeline = Timeline::default();
        for (ms, latency) in [(300, 5), (4200, 2000), (4300, 1000), (100, 7)] {
            let at = Duration::from_millis(ms);
            timeline.at(at).ok += 1;
            timeline.latency(at, Duration::from_millis(latency));
        }
        let seconds = timeline.seconds();
        assert_eq!(
            seconds.iter().map(|s| (s.second, s.ok)).collect::<Vec<_>>(),
            [(0, 1), (1, 1), (2, 0), (3, 0), (4, 2)]
        );
        assert!((1980.0..2020.0).contains(&seconds[4].max_ms), "{seconds:?}");
        assert!(seconds[0].p50_ms > 4.9 && seconds[2].max_ms == 0.0, "{seconds:?}");
        let many: u64 = seconds.iter().map(|s| s.ok).sum();
        assert_eq!(many, 4, "an answer that comes late is counted where there is still a place");
    }
}

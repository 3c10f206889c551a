//! Latencies as HDR histograms of microseconds, and as text: the log format of HdrHistogram (V2, deflate, base64), which
//! its other tools read too. Histograms of several hosts add up exactly, which percentiles never do.

use std::time::Duration;

use data_encoding::BASE64;
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};

/// The longest that is told apart, in microseconds: over an hour. What takes longer counts as this.
pub(super) const LONGEST: u64 = u32::MAX as u64;

/// Empty, for everything: three digits.
pub(super) fn fine() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds are in order, digits at most 5")
}

/// Empty, for a moment of a run: two digits, and only as large as what is in it.
pub(super) fn coarse() -> Histogram<u64> {
    let mut small = Histogram::new_with_bounds(1, 10_000, 2).expect("bounds are in order, digits at most 5");
    small.auto(true);
    small
}

/// Counts one latency.
pub(super) fn record(into: &mut Histogram<u64>, latency: Duration) {
    into.saturating_record(micros(latency));
}

/// Counts one latency in a histogram that grows.
pub(super) fn record_growing(into: &mut Histogram<u64>, latency: Duration) {
    into.record(micros(latency)).expect("it grows up to the limit");
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(LONGEST).min(LONGEST)
}

/// A histogram's number of microseconds as milliseconds.
pub(super) fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// As text; empty where nothing was counted.
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return String::new();
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("memory takes every histogram");
    BASE64.encode(&bytes)
}

/// Adds what `text` holds.
pub(super) fn add(into: &mut Histogram<u64>, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let bytes = BASE64.decode(text.as_bytes()).map_err(|e| format!("a histogram that is no base64: {e}"))?;
    let found: Histogram<u64> =
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|e| format!("no histogram: {e}"))?;
    into.add(found).map_err(|e| format!("a histogram that does not fit: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_adds_up() {
        let (mut a, mut b, mut whole) = (fine(), coarse(), fine());
        for micros in [150, 2_000_000, u64::MAX / 2000] {
            record(&mut a, Duration::from_micros(micros));
            record_growing(&mut b, Duration::from_micros(micros));
        }
        assert_eq!(encode(&fine()), "");
        add(&mut whole, &encode(&a)).expect("a histogram");
        assert_eq!(whole, a);
        add(&mut whole, &encode(&b)).expect("another one");
        add(&mut whole, "").expect("nothing");
        assert_eq!((whole.len(), whole.value_at_quantile(0.5) / 20_000), (6, 99), "two seconds, to a hundredth");
        assert!(encode(&a).starts_with("HISTFAAA"), "the log format of HdrHistogram: {}", encode(&a));
        for broken in ["HISTFAAA", "no base64!"] {
            assert!(add(&mut whole, broken).is_err());
        }
    }
}

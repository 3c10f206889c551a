//! What one exported metric is. All that is exported goes through a [`Metric`] of the table, so that none can be without
//! a help text, or be named twice.

use metrics::{Counter, Gauge, Histogram, Label, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, by Prometheus's conventions: base units, `_total` for counters.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What one of it is.
    pub unit: Option<Unit>,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// How often a value was at most each of these.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Prometheus's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    /// Sets a gauge. A value that is not known is `NaN`: it compares with nothing, and no alert takes it for health.
    pub(super) fn set(&self, values: &[&str], to: f64) {
        self.gauge(values).set(to);
    }

    /// Sets a gauge to 1 or 0.
    pub(super) fn flag(&self, values: &[&str], is: bool) {
        self.set(values, f64::from(u8::from(is)));
    }

    /// Raises a counter.
    pub(super) fn add(&self, values: &[&str], by: u64) {
        self.counter(values).increment(by);
    }

    /// Raises a counter to what is counted elsewhere.
    pub(super) fn reach(&self, values: &[&str], to: u64) {
        self.counter(values).absolute(to);
    }

    /// Counts one value in a histogram.
    pub(super) fn observe(&self, values: &[&str], value: f64) {
        self.histogram(values).record(value);
    }

    /// One value for each label; an empty one leaves its label away, as Prometheus would.
    fn with(&self, values: &[&str]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), values.len(), "{}: one value for each of {:?}", self.name, self.labels);
        let pairs = self.labels.iter().zip(values).filter(|(_, value)| !value.is_empty());
        pairs.map(|(label, value)| Label::new(*label, (*value).to_owned())).collect()
    }

    fn gauge(&self, values: &[&str]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        metrics::gauge!(self.name, self.with(values))
    }

    fn counter(&self, values: &[&str]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        metrics::counter!(self.name, self.with(values))
    }

    fn histogram(&self, values: &[&str]) -> Histogram {
        debug_assert!(matches!(self.kind, Kind::Histogram(_)), "{}", self.name);
        metrics::histogram!(self.name, self.with(values))
    }

    /// Tells the recorder what it is.
    pub(super) fn describe(&self) {
        let unit = self.unit.unwrap_or(Unit::Count);
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, unit, self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, unit, self.help),
            Kind::Histogram(_) => metrics::describe_histogram!(self.name, unit, self.help),
        }
    }

    /// Gives the exporter its buckets, where it has some.
    pub(super) fn buckets(&self, builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
        match self.kind {
            Kind::Histogram(buckets) => builder.set_buckets_for_metric(Matcher::Full(self.name.to_owned()), buckets),
            Kind::Counter | Kind::Gauge => Ok(builder),
        }
    }
}

//! What stands between a client and the application, or moves it: each tells its state, and when it let a node go.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::lab::Lab;

pub(super) mod balancers;
pub(super) mod names;
pub(super) mod node;
pub(super) mod prefix;

/// A time in which something was under way, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Window {
    pub(super) fn has(&self, at: f64) -> bool {
        self.from <= at && at <= self.to
    }
}

/// When a layer let a node go, or took it back: on the first of its servers, and on the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) first: f64,
    pub(super) last: f64,
}

impl Moment {
    /// Of one or more times; an error where there is none.
    pub(super) fn of(times: impl IntoIterator<Item = f64>) -> Result<Self> {
        let mut times = times.into_iter();
        let first = times.next().context("no log tells of it")?;
        let moment = Self { first, last: first };
        Ok(times.fold(moment, |all, at| Self { first: all.first.min(at), last: all.last.max(at) }))
    }
}

/// A kind of server, all of its servers together.
pub(super) trait Layer {
    /// Its name, for people.
    fn name(&self) -> String;

    /// All of its state that a drain may touch, word for word.
    fn picture(&self, lab: &Lab) -> Result<String>;

    /// When its servers let the node go, by their own logs.
    fn left(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment>;

    /// When they took it back.
    fn back(&self, lab: &Lab, node: &str, during: Window) -> Result<Moment>;
}

/// This moment on the clock that the servers' logs are written with.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

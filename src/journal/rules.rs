//! The rules that every store keeps in the same way. Pure, so that they are written once.
//!
//! A run is *open* until its first `Ended` record, and then takes nothing more, with two exceptions: a run that
//! ended `Done` takes `Drifted`: what was seen of the node that it left out. And one that
//! ended `Stuck` takes `Acknowledged`, and until then it stands in the way of new runs like an open one. Nobody
//! starts new work on top of an undo that failed without having said so.

use std::time::Duration;

use jiff::Timestamp;

use super::{Ending, Event, JournalError, Result};
use crate::model::RunId;

/// Whether a run with this ending keeps others from being opened.
pub(super) fn blocks(ending: Option<&Ending>) -> bool {
    matches!(ending, None | Some(Ending::Stuck { .. }))
}

/// Whether a run with this ending takes these events, one after the other; the ending that it has afterwards.
pub(super) fn admit(run: &RunId, ending: Option<Ending>, events: &[Event]) -> Result<Option<Ending>> {
    events.iter().try_fold(ending, |ending, event| admit_one(run, ending, event))
}

fn admit_one(run: &RunId, ending: Option<Ending>, event: &Event) -> Result<Option<Ending>> {
    let next = match event {
        Event::Ended { ending } => Some(ending.clone()),
        _ => None,
    };
    let acknowledges = matches!(next, Some(Ending::Acknowledged { .. }));
    match &ending {
        Some(Ending::Done) if matches!(event, Event::Drifted { .. }) => Ok(ending),
        None if acknowledges => Err(refused(run, "it is not stuck; there is nothing to acknowledge")),
        Some(Ending::Stuck { .. }) if acknowledges => Ok(next),
        None => Ok(next),
        Some(ending) => Err(ended(run, ending)),
    }
}

/// The error for something asked of a run that is over.
pub(super) fn ended(run: &RunId, ending: &Ending) -> JournalError {
    let why = match ending {
        Ending::Done => "it has ended: done",
        Ending::Aborted { .. } => "it has ended: aborted",
        Ending::Stuck { .. } => "it is stuck; a person has to acknowledge it",
        Ending::Acknowledged { .. } => "it was stuck and has been acknowledged",
    };
    refused(run, why)
}

/// The error for a run that cannot be opened because it is there already.
pub(super) fn exists(run: &RunId) -> JournalError {
    refused(run, "it is in the journal already")
}

fn refused(run: &RunId, why: &str) -> JournalError {
    JournalError::Refused { run: run.clone(), why: why.to_owned() }
}

/// When a lease that is taken or prolonged now runs out. A time past the calendar's end is the calendar's end.
pub(super) fn until(now: Timestamp, ttl: Duration) -> Timestamp {
    now.checked_add(ttl).unwrap_or(Timestamp::MAX)
}

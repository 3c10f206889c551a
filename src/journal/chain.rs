//! The hash chain: each record carries a SHA-256 over the former record's hash and its own content, so that a line
//! that was changed, left out, put in or moved shows. It finds damage and careless hands; it is no signature:
//! whoever rewrites the whole chain can make it fit again, and a chain cut at its end is whole (the stores compare
//! it with the head that they keep).

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Event, Record};

/// The end of a run's chain: what the next record hangs on. The default is that of a run without records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last record's position; 0 where there is none.
    pub seq: u64,
    /// The last record's hash; empty where there is none.
    pub hash: String,
}

impl From<&Record> for Head {
    fn from(record: &Record) -> Self {
        Self { seq: record.seq, hash: record.hash.clone() }
    }
}

/// Makes the records of these events, in order, as they follow `head`. Fails only where an event cannot be written
/// as JSON.
pub fn extend(
    head: &Head,
    token: u64,
    at: Timestamp,
    events: &[Event],
) -> std::result::Result<Vec<Record>, serde_json::Error> {
    let mut head = head.clone();
    let mut records = Vec::with_capacity(events.len());
    for event in events {
        let seq = head.seq + 1;
        let hash = link(&head.hash, seq, at, token, &serde_json::to_string(event)?);
        let record = Record { seq, at, token, event: event.clone(), hash };
        head = Head::from(&record);
        records.push(record);
    }
    Ok(records)
}

/// Whether these are a run's records from the first on, each as it was written and none missing before the last
/// one given. Otherwise the position of the first that is not what it should be.
///
/// It writes the events out again to compare them, so it is for records of this version of the program. A store
/// checks the text that it has kept by itself, whenever records are read.
pub fn verify(records: &[Record]) -> std::result::Result<(), u64> {
    let mut head = Head::default();
    for record in records {
        let event = serde_json::to_string(&record.event).map_err(|_| head.seq + 1)?;
        head = head.follow(record.seq, record.at, record.token, &event, &record.hash)?;
    }
    Ok(())
}

impl Head {
    /// The head after a stored record, where it is the one that follows this head; else the position at which it
    /// was expected.
    pub(super) fn follow(
        &self,
        seq: u64,
        at: Timestamp,
        token: u64,
        event: &str,
        hash: &str,
    ) -> std::result::Result<Self, u64> {
        let expected = self.seq + 1;
        if seq != expected || link(&self.hash, seq, at, token, event) != hash {
            return Err(expected);
        }
        Ok(Self { seq, hash: hash.to_owned() })
    }
}

/// One hash. No field before the event's JSON text can hold a line break, so no two contents read the same.
pub(super) fn link(former: &str, seq: u64, at: Timestamp, token: u64, event: &str) -> String {
    digest(&format!("{former}\n{seq}\n{at}\n{token}\n{event}"))
}

/// SHA-256 as hex.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

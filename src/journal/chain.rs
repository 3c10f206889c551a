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
        let hash = link(&head.hash, seq, at, token, event)?;
        let record = Record { seq, at, token, event: event.clone(), hash };
        head = Head::from(&record);
        records.push(record);
    }
    Ok(records)
}

/// Whether these are a run's records from the first on, each as it was written and none missing before the last
/// one given. Otherwise the position of the first that is not what it should be.
pub fn verify(records: &[Record]) -> std::result::Result<(), u64> {
    let mut head = Head::default();
    for record in records {
        let seq = head.seq + 1;
        let expected = link(&head.hash, seq, record.at, record.token, &record.event);
        if record.seq != seq || expected.ok().as_ref() != Some(&record.hash) {
            return Err(seq);
        }
        head = Head::from(record);
    }
    Ok(())
}

/// One hash. The event is taken as its JSON text; no field before it can hold a line break, so no two contents
/// read the same.
fn link(
    former: &str,
    seq: u64,
    at: Timestamp,
    token: u64,
    event: &Event,
) -> std::result::Result<String, serde_json::Error> {
    let event = serde_json::to_string(event)?;
    let digest = Sha256::digest(format!("{former}\n{seq}\n{at}\n{token}\n{event}"));
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

//! What ties the evidence to the journal, and to itself: the heads of the hash chains that it was made from, and a hash
//! over everything in it. It shows damage and careless hands; whoever rewrites the evidence can seal it again, but not the
//! journal that it names.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Evidence, FORMAT};
use crate::journal::{Record, chain::Head};

/// What ties the evidence to the journal, and to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The journals that it was made from: the play's own, and each run's.
    pub chains: Vec<Chain>,
    /// SHA-256 (hex) over the canonical JSON of the evidence without this field.
    pub sha256: String,
}

/// The end of one hash chain of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The run or the play.
    pub id: String,
    /// Records that it had.
    pub records: u64,
    /// The hash of the last one; empty where there was none.
    pub head: String,
}

impl Chain {
    /// The end of a run's chain, as its records have it, from the first on.
    pub fn of(id: &str, records: &[Record]) -> Self {
        let head = records.last().map(Head::from).unwrap_or_default();
        Self { id: id.to_owned(), records: head.seq, head: head.hash }
    }
}

/// Why evidence is not what was sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It is of another format.
    #[error("evidence of format {0}; this program knows format {FORMAT}")]
    Format(u32),
    /// It was changed, or never sealed.
    #[error("the evidence was changed after it was sealed: its SHA-256 is {found}, sealed was {sealed}")]
    Changed {
        /// The hash that it has.
        found: String,
        /// The hash that it says.
        sealed: String,
    },
    /// It cannot be written as JSON.
    #[error("the evidence cannot be written as JSON: {0}")]
    Unwritable(String),
}

impl Evidence {
    /// Seals it: from here on a change shows.
    ///
    /// # Errors
    /// Fails only where it cannot be written as JSON.
    pub fn seal(mut self) -> Result<Self, Mismatch> {
        self.signature.sha256 = self.digest()?;
        Ok(self)
    }

    /// Whether it is what was sealed.
    ///
    /// # Errors
    /// Fails with what differs.
    pub fn verify(&self) -> Result<(), Mismatch> {
        if self.format != FORMAT {
            return Err(Mismatch::Format(self.format));
        }
        let (found, sealed) = (self.digest()?, self.signature.sha256.clone());
        if found == sealed { Ok(()) } else { Err(Mismatch::Changed { found, sealed }) }
    }

    fn digest(&self) -> Result<String, Mismatch> {
        let mut value = serde_json::to_value(self).map_err(|error| Mismatch::Unwritable(error.to_string()))?;
        if let Some(signature) = value.get_mut("signature").and_then(Value::as_object_mut) {
            signature.remove("sha256");
        }
        let mut text = String::new();
        canonical(&value, &mut text);
        Ok(Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

/// JSON without spaces, every object's keys in order: one text for one value, whoever writes it.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (n, (key, value)) in sorted.into_iter().enumerate() {
                let _ = write!(text, "{}{}:", if n == 0 { '{' } else { ',' }, Value::from(key.as_str()));
                canonical(value, text);
            }
            text.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                canonical(item, text);
            }
            text.push(']');
        }
        other => drop(write!(text, "{other}")),
    }
}

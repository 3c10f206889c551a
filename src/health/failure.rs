//! What a probe found wrong: a word out of a closed set, for metrics and decisions, and a sentence for people.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// What failed. The set is closed: its words are label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The node has no address, or its name none.
    Name,
    /// The connection was refused: the node is there and nothing listens.
    Refused,
    /// There is no way to the node, or no means to open a connection.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The handshake failed: a certificate, a name in it, a version.
    Tls,
    /// The connection ended before the answer did.
    Closed,
    /// The answer is not of the protocol.
    Protocol,
    /// Another status than those that count as ready.
    Status,
    /// A header is missing or has another value.
    Header,
    /// The body does not hold what it should.
    Body,
    /// A program ended with another code than 0, or could not be run.
    Exec,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Name,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Tls,
        Self::Closed,
        Self::Protocol,
        Self::Status,
        Self::Header,
        Self::Body,
        Self::Exec,
    ];

    /// Its word, as in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Header => "header",
            Self::Body => "body",
            Self::Exec => "exec",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The word.
    pub kind: Kind,
    /// The sentence (`status 503`, `connection to 10.0.0.11:8080 refused`).
    pub detail: String,
}

impl Failure {
    /// A failure of that kind, in these words.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// No answer within this time.
    pub fn late(limit: Duration) -> Self {
        Self::new(Kind::Timeout, format!("no answer within {:.1} s", limit.as_secs_f64()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_same_in_metrics_and_in_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a word"), kind.as_str());
        }
    }
}

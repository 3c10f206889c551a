//! What an answer's body says of the node behind it.

use serde::Deserialize;

/// Bytes of an answer that are looked at for the node's name.
const MAX_SEEN: usize = 8 << 10;

/// The beginning of a body, as it comes in.
#[derive(Default)]
pub(super) struct Seen(Vec<u8>);

impl Seen {
    pub(super) fn more(&mut self, data: &[u8]) {
        let room = MAX_SEEN.saturating_sub(self.0.len());
        self.0.extend_from_slice(&data[..data.len().min(room)]);
    }

    /// The node, where the body is a JSON object that names one.
    pub(super) fn node(&self) -> Option<String> {
        node_in(&self.0)
    }
}

pub(super) fn node_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        node: String,
    }
    serde_json::from_slice::<Body>(body).ok().map(|b| b.node)
}

/// The node that an answer's header names.
pub(super) fn node_of(headers: &http::HeaderMap) -> Option<String> {
    headers.get("x-node").and_then(|v| v.to_str().ok()).map(str::to_owned)
}

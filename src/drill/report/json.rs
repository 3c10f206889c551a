//! The report as JSON: the evidence itself, for programs.

use super::{Evidence, Mismatch};

/// The evidence as JSON, with a line break at its end. Read back, it is the same, to the last digit.
///
/// # Errors
/// Fails only where it cannot be written as JSON.
pub fn json(evidence: &Evidence) -> Result<String, Mismatch> {
    let text = serde_json::to_string_pretty(evidence).map_err(|error| Mismatch::Unwritable(error.to_string()))?;
    Ok(text + "\n")
}

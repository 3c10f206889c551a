//! The known word that a misspelt one was probably meant to be.

/// The nearest candidate, where one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A foreign file can hold keys of any length; distances are quadratic.
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_ascii_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&folded, &c.to_ascii_lowercase().replace('_', "-")), c))
        .filter(|(distance, c)| *distance <= (c.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["timeout", "interval", "on-deadline", "tls"];
        assert_eq!(nearest("timout", known), Some("timeout"));
        assert_eq!(nearest("on_deadline", known), Some("on-deadline"));
        assert_eq!(nearest("Interval", known), Some("interval"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"t".repeat(10_000), known), None);
    }
}

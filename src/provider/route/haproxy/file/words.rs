//! A line of the file in words, as HAProxy reads them: blanks separate, quotes and backslashes protect, `#` ends it.

/// The words of one line.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '#') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn blanks_quotes_and_comments() {
        for (line, expected) in [
            ("  option httpchk GET /ready  # why", vec!["option", "httpchk", "GET", "/ready"]),
            ("# only", vec![]),
            (r#"a "b # c" 'd "e' f\ g \#h"#, vec!["a", "b # c", "d \"e", "f g", "#h"]),
            (r#"x "" y"#, vec!["x", "", "y"]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}

//! Fragments as they may be shown. An excerpt goes to terminals, tickets and logs: it carries no control
//! characters, no text direction tricks, and no value that somebody put under a key that sounds like a secret.
//! Every replacement keeps its length in bytes, so that places stay right.

const SECRETS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "credential", "api-key", "private-key"];

/// The text as it may be shown, byte for byte as long as the original.
pub(crate) fn showable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<&str> = None;
    let text = &mask_url_passwords(text);
    for line in text.split_inclusive('\n') {
        let hide_from = match open {
            Some(_) => Some(0),
            None => secret_value(line),
        };
        open = still_open(open, &line[hide_from.unwrap_or(line.len())..]);
        for (at, c) in line.char_indices() {
            let ends_line = c == '\n' || (c == '\r' && line[at..] == *"\r\n");
            let hidden = hide_from.is_some_and(|from| at >= from) && !ends_line;
            push_same_length(&mut out, c, hidden, ends_line);
        }
    }
    out
}

/// The text with `ssh://user:***@host` in the place of a password; its length in bytes stays.
pub(crate) fn mask_url_passwords(text: &str) -> String {
    let mut out = text.to_owned();
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let authority = &text[start..];
        let end = authority.find(|c: char| c == '/' || c.is_whitespace() || c == '"').unwrap_or(authority.len());
        let Some(sign) = authority[..end].rfind('@') else { continue };
        let Some(colon) = authority[..sign].find(':') else { continue };
        let secret = start + colon + 1..start + sign;
        let mut hidden = String::new();
        text[secret.clone()].chars().for_each(|c| push_same_length(&mut hidden, c, true, false));
        out.replace_range(secret, &hidden);
    }
    out
}

/// Where the value begins that a line gives to a secret-sounding key.
fn secret_value(line: &str) -> Option<usize> {
    let folded = line.to_ascii_lowercase().replace('_', "-");
    SECRETS
        .iter()
        .filter_map(|word| {
            let word_at = folded.find(word)?;
            let sign_at = word_at + folded[word_at..].find('=')?;
            Some(sign_at + 1)
        })
        .min()
}

/// What ends a string or a list of several lines that is still open behind the hidden part of a line.
fn still_open<'a>(open: Option<&'a str>, hidden: &str) -> Option<&'a str> {
    match open {
        Some(end) => (!hidden.contains(end)).then_some(end),
        None if hidden.matches('[').count() > hidden.matches(']').count() => Some("]"),
        None => ["\"\"\"", "'''"].into_iter().find(|end| hidden.matches(end).count() % 2 == 1),
    }
}

fn push_same_length(out: &mut String, c: char, hidden: bool, ends_line: bool) {
    let steers = c.is_control() && c != '\t' && !ends_line;
    let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    if !hidden && !steers && !turns {
        out.push(c);
        return;
    }
    match c.len_utf8() {
        1 => out.push(if hidden { '*' } else { '?' }),
        2 => out.push('\u{b7}'),
        3 => out.push('\u{fffd}'),
        _ => out.push('\u{1f512}'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_sounds_like_a_secret_is_hidden() {
        let text = "user = \"a\"\nPassword = \"hunter2\"\nx = { api_key = 'k', a = 1 }\nb = 2\n";
        let shown = showable(text);
        assert!(!shown.contains("hunter2") && !shown.contains("'k'"), "{shown}");
        assert!(shown.contains("user = \"a\"\n") && shown.ends_with("\nb = 2\n"), "{shown}");
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_to_its_end() {
        let shown = showable("token = \"\"\"\nline one\nline two\"\"\"\nafter = 1\n");
        assert!(!shown.contains("line"), "{shown}");
        assert!(shown.ends_with("after = 1\n"), "{shown}");
    }

    #[test]
    fn a_list_of_secrets_and_a_password_in_a_url_are_hidden() {
        let shown = showable("tokens = [\n \"one\",\n \"two\",\n]\nb = \"ssh://root:three@lb/x\"\n");
        assert!(!["one", "two", "three"].iter().any(|s| shown.contains(s)), "{shown}");
        assert!(shown.ends_with("\nb = \"ssh://root:*****@lb/x\"\n"), "{shown}");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let shown = showable("a = \"\u{1b}[2J\u{202e}\u{9b}\"\r\nb = 1\rc = 2");
        assert!(!shown.chars().any(|c| c == '\u{1b}' || c == '\u{202e}' || c == '\u{9b}'));
        assert!(shown.contains("\"\r\nb = 1?c = 2"), "{shown:?}");
    }

    proptest! {
        #[test]
        fn places_stay_right(text in "(\\PC|[\\x00-\\x1f=\"']|token|://|@|:|\u{202e}){0,40}") {
            let shown = showable(&text);
            let ends = |t: &str| t.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(shown.len(), text.len());
            prop_assert_eq!(ends(&shown), ends(&text));
        }
    }
}

//! The paths that Rust source names (`std::fs::read`, `use std::{fs, io}`), read from its tokens: comments, strings
//! and white space do not count, and what macros hold does.

use std::str::FromStr;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A name as it is written, from its first part to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Its parts.
    pub(super) parts: Vec<String>,
    /// The line of its first part.
    pub(super) line: usize,
    /// Whether it is called as a macro.
    pub(super) is_macro: bool,
}

/// Every name in the source; of a group in braces behind `::`, each member with what is before the group.
pub(super) fn of(text: &str) -> Result<Vec<Name>, String> {
    let tokens = TokenStream::from_str(text).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    walk(tokens, &[], &mut names);
    Ok(names)
}

fn walk(tokens: TokenStream, before: &[String], names: &mut Vec<Name>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(_) => at = path(&tokens, at, before, names),
            TokenTree::Group(group) => {
                walk(group.stream(), &[], names);
                at += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
}

/// Reads one path that begins at `at`; gives back where it ends.
fn path(tokens: &[TokenTree], mut at: usize, before: &[String], names: &mut Vec<Name>) -> usize {
    let mut parts = before.to_vec();
    let line = tokens.get(at).map_or(1, |token| token.span().start().line);
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        parts.push(ident.to_string());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
        if let Some(TokenTree::Group(group)) = tokens.get(at)
            && group.delimiter() == Delimiter::Brace
        {
            walk(group.stream(), &parts, names);
            return at + 1;
        }
    }
    let is_macro = is_punct(tokens, at, '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
    names.push(Name { parts, line, is_macro });
    at
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':' && p.spacing() == Spacing::Joint)
        && is_punct(tokens, at + 1, ':')
}

fn is_punct(tokens: &[TokenTree], at: usize, wanted: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        of(text)
            .expect("Rust")
            .iter()
            .map(|n| format!("{}{}", n.parts.join("::"), if n.is_macro { "!" } else { "" }))
            .collect()
    }

    #[test]
    fn nested_imports_are_spelled_out() {
        let found = names("use std::{fs, net::{IpAddr, TcpStream as T}, time::*};");
        for name in ["std::fs", "std::net::IpAddr", "std::net::TcpStream"] {
            assert!(found.contains(&name.to_owned()), "{name} in {found:?}");
        }
    }

    #[test]
    fn macros_are_names_and_what_they_hold_too() {
        let found = names("fn f() { tracing::info!(\"a::b\", t = jiff::Timestamp::now()); }");
        assert!(found.contains(&"tracing::info!".to_owned()), "{found:?}");
        assert!(found.contains(&"jiff::Timestamp::now".to_owned()), "{found:?}");
        assert!(!found.iter().any(|n| n.contains("a::b")), "{found:?}");
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        assert!(!names("// std::fs\n/// tokio::spawn\nconst A: &str = \"std::fs\";").iter().any(|n| n.contains("::")));
    }

    #[test]
    fn a_not_is_no_macro() {
        assert_eq!(names("if a != b { }"), ["if", "a", "b"]);
    }

    #[test]
    fn lines_are_kept() {
        assert_eq!(of("\n\nstd::fs::read").expect("Rust").first().map(|n| n.line), Some(3));
    }
}
